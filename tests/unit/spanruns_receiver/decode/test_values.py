"""Numbers as text, and cleaning by itself."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spanruns_receiver.decode.model import Limits
from spanruns_receiver.decode.values import AHEAD_NS, CLOCK_NS, EARLIEST_NS, LATEST_NS, Cleaner, number, possible


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    """No digit is missing, in whichever form it is written; and the form is JSON."""
    text = number(value)

    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert float(text) == value
    assert float(json.loads(text)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (100.0, "100"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.25e300, "1.25e+300"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (5e-324, "5e-324"),
        (-2.5, "-2.5"),
    ],
)
def test_exponents_are_used_where_go_uses_them(value: float, text: str) -> None:
    """Below 1e-6 and from 1e21 on, without padding, as encoding/json does."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (0, False),
        (-1, False),
        (EARLIEST_NS - 1, False),
        (EARLIEST_NS, True),
        (LATEST_NS - 1, True),
        (LATEST_NS, False),
    ],
)
def test_possible_times_are_from_2000_on_and_before_2200(time: int, expected: bool) -> None:
    """A clock that nobody set begins in 1970, and so do ms and µs that are taken for ns."""
    assert possible(time) is expected


@pytest.mark.parametrize(
    ("received", "latest"),
    [
        (0, LATEST_NS),
        (-5, LATEST_NS),
        (CLOCK_NS - 1, LATEST_NS),
        (CLOCK_NS, CLOCK_NS + AHEAD_NS),
        (LATEST_NS - 1, LATEST_NS),
    ],
)
def test_times_are_at_most_a_year_ahead(received: int, latest: int) -> None:
    """Of when they were received, if that is known and the clock can be right."""
    clean = Cleaner(Limits())
    clean.received_at(received)
    assert (clean.possible(latest - 1), clean.possible(latest)) == (True, False)


@given(st.binary(max_size=50), st.integers(0, 60))
def test_cleaned_names_are_utf8_within_the_limit(raw: bytes, limit: int) -> None:
    """Whatever came in; and a name that needed nothing is untouched and not counted."""
    clean = Cleaner(Limits(name_bytes=limit))

    name = clean.name(raw)

    name.decode()
    assert len(name) <= limit
    assert (name == raw) == (clean.counts.total() == 0)
