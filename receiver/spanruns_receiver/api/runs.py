"""`/api/runs`, `/api/runs/{run_id}` and below, `/api/agents/{name}/runs`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from spanruns_receiver.api import tree
from spanruns_receiver.api.cursor import Cursor, Order, Sort, SortedCursor
from spanruns_receiver.api.filters import Filter, NoParameters
from spanruns_receiver.api.models import ModelCalls, Problem, RunDetail, RunPage, Timeline, ToolCalls
from spanruns_receiver.api.reader import Reader

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_CALLS = 10_000
MAX_SPANS = 20_000

RunId = Annotated[str, Path(description="As in `run_id`; any characters, escaped as a URL needs it.")]


class RunsQuery(Filter):
    """Which runs, in which order, and how many of them."""

    sort: Annotated[Sort, Field(description="By what; runs without it come where the smallest would.")] = "started"
    order: Order = "desc"
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.", max_length=500)] = None


class PageQuery(NoParameters):
    """How many runs."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.", max_length=500)] = None


class CallsQuery(NoParameters):
    """How many calls, from which one on."""

    limit: Annotated[int, Field(ge=1, le=MAX_CALLS)] = 1000
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


class TimelineQuery(NoParameters):
    """How many spans."""

    limit: Annotated[int, Field(ge=1, le=MAX_SPANS)] = 5000


def router() -> APIRouter:
    """The routes. Those below a run come first: a run id may have slashes."""
    routes = APIRouter(prefix="/api", tags=["runs"], responses={400: {"model": Problem}, 503: {"model": Problem}})
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
    routes.get("/runs", response_model=RunPage)(list_runs)
    routes.get("/agents/{agent_name:path}/runs", response_model=RunPage)(list_agent_runs)
    routes.get("/runs/{run_id:path}/tool-calls", response_model=ToolCalls, responses=missing)(list_tool_calls)
    routes.get("/runs/{run_id:path}/model-calls", response_model=ModelCalls, responses=missing)(list_model_calls)
    routes.get("/runs/{run_id:path}/timeline", response_model=Timeline, responses=missing)(get_timeline)
    routes.get("/runs/{run_id:path}", response_model=RunDetail, responses=missing)(get_run)
    return routes


def list_runs(request: Request, query: Annotated[RunsQuery, Query()]) -> dict[str, Any]:
    """Runs that a filter finds, newest first unless another order is asked for."""
    if (query.sort, query.order) == ("started", "desc"):
        return _page(_reader(request), query, query.cursor, query.limit)
    return _sorted_page(_reader(request), query)


def list_agent_runs(request: Request, agent_name: str, query: Annotated[PageQuery, Query()]) -> dict[str, Any]:
    """The last runs of one agent."""
    return _page(_reader(request), Filter(agent=[agent_name]), query.cursor, query.limit)


def get_run(request: Request, run_id: RunId, _query: Annotated[NoParameters, Query()]) -> dict[str, Any]:
    """Everything about one run."""
    reader = _reader(request)
    return {**reader.run(run_id), "sub_runs": reader.view("sub_runs", {"run_id": run_id})}


def list_tool_calls(request: Request, run_id: RunId, query: Annotated[CallsQuery, Query()]) -> dict[str, Any]:
    """The tool calls of one run."""
    return _calls(_reader(request), "tool_calls", run_id, query)


def list_model_calls(request: Request, run_id: RunId, query: Annotated[CallsQuery, Query()]) -> dict[str, Any]:
    """The model calls of one run."""
    return _calls(_reader(request), "model_calls", run_id, query)


def get_timeline(request: Request, run_id: RunId, query: Annotated[TimelineQuery, Query()]) -> dict[str, Any]:
    """The spans of the trace that a run is in, as a tree."""
    reader = _reader(request)
    run = reader.run(run_id)
    found = reader.view("run_timeline", {"run_id": run_id, "limit": query.limit + 1})
    spans = found[: query.limit]
    return {
        "run_id": run_id,
        "trace_id": run["trace_id"],
        "span_id": run["span_id"],
        "span_count": len(spans),
        "truncated": len(found) > len(spans),
        "spans": tree.build(spans),
    }


def _page(reader: Reader, filter: Filter, cursor: str | None, limit: int) -> dict[str, Any]:
    after = Cursor.decode(cursor) if cursor else None
    found, total = reader.page(filter, after, limit + 1)
    runs = found[:limit]
    has_more = len(found) > limit
    return {
        "runs": runs,
        "total_count": total,
        "has_more": has_more,
        "next_cursor": Cursor.of(runs[-1]).encode() if has_more else None,
        "filters_applied": filter.applied(),
    }


def _sorted_page(reader: Reader, query: RunsQuery) -> dict[str, Any]:
    sort, order = query.sort, query.order
    after = SortedCursor.decode(query.cursor, sort, order) if query.cursor else None
    found, total = reader.sorted_page(query, sort, order, after, query.limit + 1)
    has_more = len(found) > query.limit
    runs = found[: query.limit]
    last = SortedCursor.of(runs[-1], sort, order).encode() if has_more else None
    for run in runs:
        del run["position"]
    return {
        "runs": runs,
        "total_count": total,
        "has_more": has_more,
        "next_cursor": last,
        "filters_applied": query.applied(),
    }


def _calls(reader: Reader, kind: str, run_id: str, query: CallsQuery) -> dict[str, Any]:
    found = reader.view(f"run_{kind}", {"run_id": run_id}, take=(query.limit + 1, query.offset))
    calls = found[: query.limit]
    if not calls:
        reader.run(run_id)  # no calls, or no run?
    more = len(found) > len(calls)
    total = reader.count(f"run_{kind}", {"run_id": run_id}) if more or query.offset else len(calls)
    return {kind: calls, "total_count": total, "has_more": more}


def _reader(request: Request) -> Reader:
    reader: Reader = request.app.state.reader
    return reader
