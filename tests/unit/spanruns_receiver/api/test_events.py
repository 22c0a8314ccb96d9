"""Live events over a real connection, and the same by polling."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from spanruns_receiver.api import create_app, events
from spanruns_receiver.api.changes import PAGE, Change, Position
from spanruns_receiver.api.events import Watch
from spanruns_receiver.api.reader import Reader
from spanruns_receiver.serve import WebServer, listen
from spanruns_schema.errors import Overloaded
from spanruns_schema.store import Store

from tests.support.seeds import Row, insert, run


def now_us() -> int:
    """This moment, as the resolver numbers its passes."""
    return time.time_ns() // 1000


Recent = Callable[..., Row]


@pytest.fixture
def recent() -> Recent:
    """Makes versions of runs that started when the test did."""
    started_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")

    def make(run_id: str, version: int, **columns: Any) -> Row:
        return {**run(run_id, 0, None), "started_at": started_at, "status": "running", "version": version, **columns}

    return make


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    """An API that really listens."""
    server = WebServer(create_app(store), listen("127.0.0.1", 0, "api_port"), "api")
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1)


def read_events(lines: Iterator[str], count: int) -> list[dict[str, Any]]:
    """So many events from a stream, comments left out."""
    found: list[dict[str, Any]] = []
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and event.get("data"):
            found.append(event)
            event = {}
            if len(found) == count:
                return found
        elif name == "data":
            event["data"] = json.loads(value)
        elif name:
            event[name] = value
    raise AssertionError(f"the stream ended after {found}")


def test_events_arrive_and_are_resumed(url: str, store: Store, recent: Recent) -> None:
    """A start and an end come as they happen; with the last event's id what was missed comes first."""
    with httpx.stream("GET", f"{url}/api/events", timeout=20) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        insert(store, "runs_data", recent("live 1\n", now_us()))
        (started,) = read_events(lines, 1)
        insert(store, "runs_data", recent("live 1\n", now_us(), status="failed", error_message="boom"))
        (ended,) = read_events(lines, 1)
    assert (started["event"], started["data"]["run_id"], started["data"]["status"]) == (
        "run_started",
        "live 1\n",
        "running",
    )
    assert (ended["event"], ended["data"]["message"]) == ("run_failed", "boom")
    insert(store, "runs_data", recent("live 2", now_us(), status="success"))
    with httpx.stream("GET", f"{url}/api/events", headers={"Last-Event-ID": ended["id"]}, timeout=20) as stream:
        missed = read_events(stream.iter_lines(), 2)
    assert [event["data"]["run_id"] for event in missed] == ["live 1\n", "live 2"]


def test_polling_gives_the_same(url: str, store: Store, recent: Recent) -> None:
    """Without an answer to start from nothing is told; then what has changed since, the last seconds again."""
    first = httpx.get(f"{url}/api/changes").json()
    assert first["changes"] == []
    insert(store, "runs_data", recent("polled", now_us()))
    second = httpx.get(f"{url}/api/changes", params={"after": first["after"]}).json()
    (change,) = (change for change in second["changes"] if change["run"]["run_id"] == "polled")
    assert change["event"] == "run_started"
    page = httpx.get(f"{url}/api/changes", params={"after": first["after"], "limit": 1}).json()
    assert page["after"] == page["changes"][0]["id"]


@pytest.mark.parametrize(
    ("path", "headers", "parameter"),
    [
        ("/api/changes?after=x", {}, "after"),
        ("/api/changes?limit=0", {}, "limit"),
        ("/api/events?agent=a", {}, "agent"),
        ("/api/events", {"Last-Event-ID": "x"}, "Last-Event-ID"),
    ],
)
def test_bad_parameters(url: str, path: str, headers: dict[str, str], parameter: str) -> None:
    """Refused by name before anything is sent."""
    answer = httpx.get(f"{url}{path}", headers=headers)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


def test_listeners_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is told to come back; when one leaves there is a place."""
    monkeypatch.setattr(events, "MAX_LISTENERS", 1)

    async def scenario() -> None:
        watch = Watch(Reader(store))
        async with watch.listen():
            with pytest.raises(Overloaded):
                async with watch.listen():
                    pass
        async with watch.listen():
            pass

    asyncio.run(scenario())


def test_a_slow_listener_has_to_come_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody takes is dropped with a sign, instead of being kept for ever."""
    monkeypatch.setattr(events, "MAX_WAITING", 2)

    async def scenario() -> list[Change | None]:
        watch = Watch(Reader(store))
        async with watch.listen() as queue:
            for n in range(4):
                watch._tell(Change("run_updated", Position(n), {}))
            return [queue.get_nowait() for _ in range(queue.qsize())]

    assert asyncio.run(scenario()) == [None]


def test_more_changes_than_one_look_takes(store: Store, recent: Recent, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many changes the seconds have that are looked at again, all of them are told, each once."""
    monkeypatch.setattr(events, "MAX_PAGES", 1)
    now = now_us()
    names = [f"many {n}" for n in range(2 * PAGE + 1)]
    insert(store, "runs_data", *(recent(name, now + n) for n, name in enumerate(names)))

    async def scenario() -> list[str]:
        watch, told = Watch(Reader(store), every_s=0.01), list[str]()
        async with watch.listen() as queue:
            while len(told) < len(names):
                change = await asyncio.wait_for(queue.get(), 10)
                assert change is not None
                told += [name for name in [change.run["run_id"]] if name.startswith("many")]
        return told

    assert sorted(asyncio.run(scenario())) == sorted(names)
