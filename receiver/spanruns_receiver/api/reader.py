"""Rows of the views, for every route."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from spanruns_schema.calls import call
from spanruns_schema.errors import NotFound
from spanruns_schema.store import Parameters, Settings, Store, rows

from spanruns_receiver.api.cursor import Cursor, Order, Sort, SortedCursor
from spanruns_receiver.api.filters import LAST, Filter
from spanruns_receiver.turns import Turns

# Queries at a time, and how long one may wait for its turn before the caller is told to come back.
MAX_QUERIES = 16
MAX_WAIT_S = 10.0
LIMITS: Settings = {"max_execution_time": 30, "date_time_output_format": "iso"}


class Reader:
    """Asks the views, a bounded number of questions at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.turns = Turns(MAX_QUERIES, MAX_WAIT_S)

    def view(self, name: str, parameters: Parameters, *, take: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        """The rows of a parameterised view; with `take` so many of them, after so many that are left out."""
        sql = f"SELECT * FROM {call(name)}"
        if take is not None:
            sql += f" LIMIT {take[0]:d} OFFSET {take[1]:d}"
        with self.turns.take():
            return rows(self.store, sql, parameters, settings=LIMITS)

    def count(self, name: str, parameters: Parameters) -> int:
        """How many rows a parameterised view has."""
        with self.turns.take():
            return int(rows(self.store, f"SELECT count() AS n FROM {call(name)}", parameters, settings=LIMITS)[0]["n"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Everything about one run. Raises `NotFound`."""
        found = self.view("run_detail", {"run_id": run_id})
        if not found:
            raise NotFound(f"there is no run {run_id!r}")
        return found[0]

    def page(self, filter: Filter, cursor: Cursor | None, limit: int) -> tuple[list[dict[str, Any]], int]:
        """At most `limit` runs after `cursor`, newest first, and how many the filter finds in all.

        The counts of each day, which the total needs anyway, tell how far back the page reaches, so that its rows are
        looked for in a few days instead of in all that there are.
        """
        wanted = filter.parameters()
        days = {date.fromisoformat(row["day"]): int(row["total"]) for row in self.view("runs_per_day", wanted)}
        begin, end = filter.period()
        if not days:
            return [], 0
        reach = _reach(days, (cursor.started_at if cursor else end).date(), limit)
        found = self.view(
            "runs_list",
            {
                **wanted,
                "from": max(begin, reach),
                "before_at": cursor.started_at if cursor else LAST,
                "before_id": cursor.run_id if cursor else "",
                "limit": limit,
            },
        )
        return found, sum(days.values())

    def sorted_page(
        self, filter: Filter, sort: Sort, order: Order, cursor: SortedCursor | None, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """At most `limit` runs after `cursor` in another order, and how many the filter finds in all."""
        wanted = filter.parameters()
        total = sum(int(row["total"]) for row in self.view("runs_per_day", wanted))
        found = self.view(
            "runs_sorted",
            {
                **wanted,
                "sort": sort,
                "direction": 1 if order == "asc" else -1,
                "after_position": cursor.position if cursor else float("-inf"),
                "after_id": cursor.run_id if cursor else "",
                "limit": limit,
            },
        )
        return found, total


def _reach(days: dict[date, int], newest: date, wanted: int) -> datetime:
    """The start of the day by which at least `wanted` runs have been passed, going back from `newest`, or of the first day.

    The runs of `newest` itself may lie after the cursor, so they do not count.
    """
    passed = 0
    for day in sorted(days, reverse=True):
        if day < newest:
            passed += days[day]
        if passed >= wanted:
            return datetime.combine(day, time(), UTC)
    return datetime.combine(min(days), time(), UTC)
