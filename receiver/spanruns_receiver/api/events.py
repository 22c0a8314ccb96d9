"""`/api/events` (server-sent events) and `/api/changes` (the same for whoever polls)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field
from spanruns_schema.errors import Overloaded, SpanrunsError
from starlette.concurrency import run_in_threadpool

from spanruns_receiver.api import changes
from spanruns_receiver.api.changes import Change, Memory, Position
from spanruns_receiver.api.filters import NoParameters
from spanruns_receiver.api.models import Changes, Problem
from spanruns_receiver.api.reader import Reader

_log = logging.getLogger(__name__)

EVERY_S = 0.5
# A pass of the resolver carries the moment at which it began; its rows are there when it has ended.
OVERLAP_S = 10.0
MAX_LISTENERS = 200
MAX_WAITING = 2000
MAX_PAGES = 10


class ChangesQuery(NoParameters):
    """From where on, and how many."""

    after: Annotated[
        str | None, Field(max_length=500, description="`after` of the last answer; without it: from now.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=changes.PAGE)] = 200


class Watch:
    """Asks for changes while somebody listens, once for all who do."""

    def __init__(self, reader: Reader, every_s: float = EVERY_S) -> None:
        self._reader = reader
        self._every_s = every_s
        self._listeners: set[asyncio.Queue[Change | None]] = set()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[Change | None]]:
        """Changes from now on; None when the listener was too slow and has to come again.

        Raises `Overloaded` when too many listen.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise Overloaded("too many listeners", retry_after_s=5)
        queue: asyncio.Queue[Change | None] = asyncio.Queue(MAX_WAITING)
        self._listeners.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _ask(self) -> None:
        told, behind, memory, failing = Position.now(), None, Memory(), False
        while True:
            try:
                found, told, behind = await run_in_threadpool(self._new, told, behind, memory)
                failing = False
            except Exception as error:
                # Whatever it was: who listens would otherwise wait for ever.
                if not failing:
                    _log.warning(
                        "changes cannot be read for now: %s", error, exc_info=not isinstance(error, SpanrunsError)
                    )
                found, failing = [], True
            for change in found:
                self._tell(change)
            await asyncio.sleep(self._every_s)

    def _new(
        self, told: Position, behind: Position | None, memory: Memory
    ) -> tuple[list[Change], Position, Position | None]:
        """Changes since `told` that are new, or since `behind` where there were more than one look takes; and both for the next look."""
        found: list[Change] = []
        place = behind or told.back(OVERLAP_S)
        for _ in range(MAX_PAGES):
            page = changes.read(self._reader, place)
            found += memory.fresh(page)
            if page:
                place = page[-1].position
            if len(page) < changes.PAGE:
                return found, max(told, place, key=lambda position: position.changed_us), None
        return found, told, place

    def _tell(self, change: Change) -> None:
        for queue in list(self._listeners):
            if queue.full():  # bounded: who does not read starts again from the last event that it has
                self._listeners.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)


def resumed(last_event_id: Annotated[str | None, Header()] = None) -> Position | None:
    """Where a listener that comes back has been. Raises `BadParameter`."""
    return Position.decode(last_event_id, "Last-Event-ID") if last_event_id else None


def router() -> APIRouter:
    """The routes, with one watch for all who listen."""
    routes = APIRouter(prefix="/api", tags=["live"], responses={400: {"model": Problem}, 503: {"model": Problem}})
    watches: list[Watch] = []

    def watch_of(request: Request) -> Watch:
        if not watches:
            watches.append(Watch(request.app.state.reader))
        return watches[0]

    @routes.get("/events", response_class=EventSourceResponse)
    async def get_events(
        request: Request, _query: Annotated[NoParameters, Query()], after: Annotated[Position | None, Depends(resumed)]
    ) -> AsyncIterator[ServerSentEvent]:
        """`run_started`, `run_updated`, `run_completed`, `run_failed` as they happen, each with the run as in a list.

        With the header `Last-Event-ID` first what happened since that event. An event may come more than once.
        """
        reader: Reader = request.app.state.reader
        async with watch_of(request).listen() as queue:
            told: set[Position] = set()  # what both ways bring: the last seconds before this connection
            recent = Position.now().back(2 * OVERLAP_S).changed_us
            place = after.back(OVERLAP_S) if after else None
            while place is not None:
                page = await run_in_threadpool(changes.read, reader, place)
                told |= {missed.position for missed in page if missed.position.changed_us >= recent}
                for missed in page:
                    yield _event(missed)
                place = page[-1].position if len(page) == changes.PAGE else None
            while (change := await queue.get()) is not None:
                if change.position not in told:
                    yield _event(change)

    @routes.get("/changes", response_model=Changes)
    def get_changes(request: Request, query: Annotated[ChangesQuery, Query()]) -> dict[str, Any]:
        """What happened to runs since the last answer, for clients that cannot listen to events.

        What happened in the last seconds comes again with the next answer.
        """
        reader: Reader = request.app.state.reader
        settled = Position.now().back(OVERLAP_S)
        if query.after is None:
            return {"changes": [], "after": settled.encode()}
        found = changes.read(reader, Position.decode(query.after, "after"), query.limit)
        # Not further than what is certainly complete, unless there is more to fetch: so the last seconds come again.
        after = found[-1].position if len(found) == query.limit else settled
        return {
            "changes": [{"event": change.event, "id": change.position.encode(), "run": change.run} for change in found],
            "after": after.encode(),
        }

    return routes


def _event(change: Change) -> ServerSentEvent:
    return ServerSentEvent(event=change.event, id=change.position.encode(), data=change.run)
