"""How far back a page reaches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from spanruns_receiver.api import reader
from spanruns_receiver.api.cursor import Cursor
from spanruns_receiver.api.filters import LAST, Filter
from spanruns_receiver.api.reader import Reader
from spanruns_schema.errors import Overloaded
from spanruns_schema.store import Store

from tests.support.seeds import NOON

DAYS = {date(2026, 1, 1): 5, date(2026, 1, 2): 0, date(2026, 1, 3): 100, date(2026, 1, 4): 3}


@pytest.mark.parametrize(
    ("newest", "wanted", "expected"),
    [
        (LAST.date(), 1, datetime(2026, 1, 4, tzinfo=UTC)),
        (LAST.date(), 3, datetime(2026, 1, 4, tzinfo=UTC)),
        (LAST.date(), 4, datetime(2026, 1, 3, tzinfo=UTC)),
        (LAST.date(), 104, datetime(2026, 1, 1, tzinfo=UTC)),
        (LAST.date(), 109, datetime(2026, 1, 1, tzinfo=UTC)),
        (date(2026, 1, 4), 1, datetime(2026, 1, 3, tzinfo=UTC)),
        (date(2026, 1, 3), 1, datetime(2026, 1, 1, tzinfo=UTC)),
        (date(2026, 1, 1), 1, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_page_reaches_to_the_day_that_fills_it(newest: date, wanted: int, expected: datetime) -> None:
    """Whole days before the newest one are counted until they hold a page."""
    assert reader._reach(DAYS, newest, wanted) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 50])
def test_pages_are_the_same_as_one_long_list(store: Store, limit: int) -> None:
    """Walking through the pages gives every run once, in order, over days without any run."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page, total = Reader(store).page(Filter(), cursor, limit)
        assert total == 5
        found += page
        if len(page) < limit:
            break
        cursor = Cursor.of(page[-1])
    assert [row["run_id"] for row in found] == ["d", "c", "b/c d?", "a.1", "a"]


def test_a_period_bounds_a_page(store: Store) -> None:
    """A page does not reach before the start of the period."""
    asked = Filter.model_validate({"from": NOON + timedelta(seconds=1), "to": NOON + timedelta(seconds=61)})
    page, total = Reader(store).page(asked, None, 50)
    assert (_ids(page), total) == (["b/c d?", "a.1"], 2)


def test_too_many_queries_are_told_to_come_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every place is taken for long enough, the caller hears when to try again."""
    monkeypatch.setattr(reader, "MAX_WAIT_S", 0.01)
    busy = Reader(store)
    with ExitStack() as places:
        for _ in range(reader.MAX_QUERIES):
            places.enter_context(busy.turns.take())
        with pytest.raises(Overloaded) as caught:
            busy.view("run_detail", {"run_id": "a"})
    assert caught.value.retry_after_s == 2


def _ids(page: Sequence[dict[str, Any]]) -> list[str]:
    return [row["run_id"] for row in page]
