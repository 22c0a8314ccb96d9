"""Times from the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from spanruns_receiver.times import parse_time
from spanruns_schema.errors import ConfigError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", NOW),
        ("90m", datetime(2026, 11, 21, 10, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 7, 12, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:30+02:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_what_is_understood(text: str, time: datetime) -> None:
    """Now, ago, dates, times with and without a zone."""
    assert parse_time(text, "--from", NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "7x", "2026-13-01", "999999w"])
def test_what_is_not(text: str) -> None:
    """The error names the option and what could be given."""
    with pytest.raises(ConfigError, match=r"^--from '.*' is no time: give 2026-11-01, "):
        parse_time(text, "--from", NOW)
