"""Times as the store has them: whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def from_us(us: int) -> datetime:
    """The time that is so many microseconds after the epoch, exactly."""
    return datetime.fromtimestamp(us // 1_000_000, UTC) + timedelta(microseconds=us % 1_000_000)


def to_us(at: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
