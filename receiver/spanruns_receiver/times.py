"""Times as people give them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spanruns_schema.errors import ConfigError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})([smhdw])")


def parse_time(text: str, option: str, now: datetime) -> datetime:
    """`now`, a time ago such as `90m`, `12h`, `7d`, or an ISO 8601 date or time (UTC where it names no zone).

    Raises `ConfigError` that names `option`.
    """
    if text == "now":
        return now
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option} {text!r} is no time: give 2026-11-01, 2026-11-01T10:30, a time ago such as 12h or 7d, or now"
        ) from error
