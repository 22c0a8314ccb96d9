"""`/api/facets` and `/api/histogram`: what there is to choose from, and when it ran."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from spanruns_receiver.api.cache import Cache
from spanruns_receiver.api.filters import Filter
from spanruns_receiver.api.models import Facets, Histogram, Problem
from spanruns_receiver.api.reader import Reader

MAX_VALUES = 100
MAX_BUCKETS = 500
# Lengths of an interval that people can read off an axis, in seconds.
STEPS = (
    1,
    5,
    10,
    30,
    60,
    300,
    600,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86400,
    7 * 86400,
    30 * 86400,
    365 * 86400,
)
STATUSES = ("success", "failed", "cancelled", "running", "queued", "waiting", "lost")
# The view that has a facet, and the parameters that choose by it.
FACETS = {
    "status": ("runs_facets", "status"),
    "trigger": ("runs_facets", "trigger"),
    "agent": ("runs_facets", "agent"),
    "service": ("runs_facets", "service"),
    "environment": ("runs_facets", "environment"),
    "waiting": ("runs_facets", "was_waiting"),
    "tool": ("runs_tools", "tool"),
    "model": ("runs_models", "model"),
}


class HistogramQuery(Filter):
    """Which runs, and how fine."""

    buckets: Annotated[int, Field(ge=1, le=MAX_BUCKETS, description="At most so many intervals.")] = 60


def router() -> APIRouter:
    """The routes, with a cache of their own."""
    routes = APIRouter(prefix="/api", tags=["stats"], responses={400: {"model": Problem}, 503: {"model": Problem}})
    cache = Cache()

    @routes.get("/facets", response_model=Facets)
    def get_facets(request: Request, query: Annotated[Filter, Query()]) -> dict[str, Any]:
        """How many of the runs that a filter finds have each value of each facet; at most 5 seconds old.

        A facet's own filter is left out of its counts: they say what choosing another value would find.
        """
        reader: Reader = request.app.state.reader
        applied = query.applied()
        key = json.dumps(["facets", applied], default=str)
        return cache.get(key, lambda: {"facets": _facets(reader, query), "filters_applied": applied})

    @routes.get("/histogram", response_model=Histogram)
    def get_histogram(request: Request, query: Annotated[HistogramQuery, Query()]) -> dict[str, Any]:
        """How many runs that a filter finds started in each interval, by status; at most 5 seconds old."""
        reader: Reader = request.app.state.reader
        applied = query.applied()
        key = json.dumps(["histogram", query.buckets, applied], default=str)
        return cache.get(key, lambda: {**_histogram(reader, query), "filters_applied": applied})

    return routes


def _facets(reader: Reader, query: Filter) -> dict[str, list[dict[str, Any]]]:
    found = {}
    shared: list[dict[str, Any]] | None = None
    for facet, (view, chooser) in FACETS.items():
        own = {name for name in (chooser, f"not_{chooser}") if name in query.model_fields_set}
        if own or view != "runs_facets":
            values = reader.view(view, _without(query, own).parameters())
        else:
            shared = values = shared if shared is not None else reader.view(view, query.parameters())
        found[facet] = [
            {"value": row["value"], "count": row["total"]} for row in values if row.get("facet", facet) == facet
        ][:MAX_VALUES]
    return found


def _without(query: Filter, names: set[str]) -> Filter:
    return query.model_copy(update={name: Filter.model_fields[name].get_default() for name in names})


def _histogram(reader: Reader, query: HistogramQuery) -> dict[str, Any]:
    begin, end = _bounds(reader, query)
    step_s = _step((end - begin).total_seconds(), query.buckets)
    rows = reader.view("runs_over_time", {**query.parameters(), "from": begin, "to": end, "step_s": step_s})
    counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATUSES, 0))
    for row in rows:
        counts[row["time"]][row["status"]] = row["total"]
    return {
        "from": begin,
        "to": end,
        "step_s": step_s,
        "buckets": [{"time": moment, **counts[moment]} for moment in sorted(counts)],
    }


def _bounds(reader: Reader, query: HistogramQuery) -> tuple[datetime, datetime]:
    """The period asked for, cut to the days on which runs started."""
    begin, end = query.period()
    if query.from_ is not None and query.to is not None:
        return begin, end
    days = [date.fromisoformat(row["day"]) for row in reader.view("runs_per_day", query.parameters())]
    if not days:
        return begin, begin
    first = datetime.combine(min(days), time(), UTC)
    last = datetime.combine(max(days) + timedelta(days=1), time(), UTC)
    return max(begin, first), min(end, last)


def _step(seconds: float, buckets: int) -> int:
    for step in STEPS:
        if math.ceil(seconds / step) <= buckets:
            return step
    return STEPS[-1]
