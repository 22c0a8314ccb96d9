"""`/api/stats`."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from spanruns_receiver.api.filters import Filter
from spanruns_receiver.api.models import Problem, Stats
from spanruns_receiver.api.reader import Reader

CACHED_S = 5.0
MAX_CACHED = 200
MAX_GROUPS = 200


class Cache:
    """Answers for `CACHED_S` seconds; one question at a time is asked, others wait for its answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(self, key: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer to `key`, from `ask` if there is none that is fresh."""
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            if len(self._places) > MAX_CACHED:
                self._places.popitem(last=False)
        with place.lock:
            if place.value is None or self._clock() >= place.until:
                place.value = ask()
                place.until = self._clock() + CACHED_S
            return place.value


class _Place:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: dict[str, Any] | None = None
        self.until = 0.0


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

    total = by("", "value")
    return {
        **(total[0] if total else {}),
        "by_trigger": by("trigger", "trigger"),
        "by_agent": by("agent", "agent_name"),
    }
