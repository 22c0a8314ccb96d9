"""`/api/stats`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from spanruns_receiver.api.cache import Cache
from spanruns_receiver.api.filters import Filter
from spanruns_receiver.api.models import Problem, Stats
from spanruns_receiver.api.reader import Reader

MAX_GROUPS = 200


def router() -> APIRouter:
    """The route, with a cache of its own."""
    routes = APIRouter(prefix="/api", tags=["stats"], responses={400: {"model": Problem}, 503: {"model": Problem}})
    cache = Cache()

    @routes.get("/stats", response_model=Stats)
    def get_stats(request: Request, query: Annotated[Filter, Query()]) -> dict[str, Any]:
        """Counts, rates, cost and tokens of the runs that a filter finds; at most 5 seconds old."""
        reader: Reader = request.app.state.reader
        applied = query.applied()
        return cache.get(
            json.dumps(applied, default=str), lambda: {**_stats(reader, query), "filters_applied": applied}
        )

    return routes


def _stats(reader: Reader, query: Filter) -> dict[str, Any]:
    parameters = query.parameters()

    def by(dimension: str, name: str) -> list[dict[str, Any]]:
        found = reader.view("run_stats", {**parameters, "by": dimension})
        found.sort(key=lambda row: (-row["total"], row["value"]))
        return [{name: row.pop("value"), **row} for row in found[:MAX_GROUPS]]

    # Planning a query takes longer than running it as long as there are few runs: side by side.
    with ThreadPoolExecutor(3, "stats") as pool:
        total, triggers, agents = pool.map(by, ("", "trigger", "agent"), ("value", "trigger", "agent_name"))
    return {**(total[0] if total else {}), "by_trigger": triggers, "by_agent": agents}
