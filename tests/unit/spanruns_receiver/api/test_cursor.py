"""Cursors survive the way to the client and back, and nothing else passes for one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spanruns_receiver.api.cursor import Cursor, SortedCursor
from spanruns_receiver.api.errors import BadParameter


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.text(min_size=1, max_size=64),
)
def test_a_cursor_comes_back_as_it_was(started_at: datetime, run_id: str) -> None:
    """Any moment to the microsecond and any run id; the text needs no escaping in a URL."""
    cursor = Cursor(started_at, run_id)
    text = cursor.encode()
    assert Cursor.decode(text) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", "AAAA", _encoded("[]"), _encoded("{}"), _encoded('["2026-01-01"]'), _encoded('["x", "id"]'),
     _encoded('["2026-01-01T00:00:00+00:00", 5]'), _encoded('["2026-01-01T00:00:00+00:00", ""]'),
     _encoded("[1, 2]"), _encoded('["0001-01-01T00:00:00+14:00", "id"]')],
)  # fmt: skip
def test_anything_else_is_a_bad_parameter(text: str) -> None:
    """What we did not give is refused by name."""
    with pytest.raises(BadParameter) as caught:
        Cursor.decode(text)
    assert caught.value.parameter == "cursor"


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(min_size=1, max_size=64))
def test_a_sorted_cursor_comes_back_as_it_was(position: float, run_id: str) -> None:
    """Every number survives to its last bit."""
    cursor = SortedCursor("cost", "asc", position, run_id)
    assert SortedCursor.decode(cursor.encode(), "cost", "asc") == cursor


@pytest.mark.parametrize("text", ["", "x", SortedCursor("cost", "asc", float("inf"), "a").encode()])
def test_a_sorted_cursor_is_checked(text: str) -> None:
    """What we did not give is refused by name."""
    with pytest.raises(BadParameter, match="cursor"):
        SortedCursor.decode(text, "cost", "asc")


def test_a_cursor_fits_only_its_order() -> None:
    """A cursor of one order says nothing in another."""
    text = SortedCursor("cost", "asc", 1.5, "a").encode()
    with pytest.raises(BadParameter, match="belongs to another order"):
        SortedCursor.decode(text, "cost", "desc")
    with pytest.raises(BadParameter):
        Cursor.decode(text)
    with pytest.raises(BadParameter):
        SortedCursor.decode(Cursor(datetime(2026, 1, 1, tzinfo=UTC), "a").encode(), "cost", "asc")
