"""Triggers of runs made by requests and scheduled jobs, with real servers and a real scheduler."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import flask
import pytest
import spanruns
from apscheduler.events import EVENT_JOB_REMOVED
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from fastapi import FastAPI
from spanruns import _entrances
from spanruns.testing import Captured
from starlette.applications import Starlette
from starlette.testclient import TestClient

CALLER = {
    "traceparent": "00-0000000000000000000000000000abcd-00000000000000ef-01",
    "baggage": "session.id=s1,spanruns.run.id=r0",
}


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers and schedulers are watched, as after `import spanruns.auto`, as long as the test runs."""
    monkeypatch.setattr(Starlette, "__call__", Starlette.__call__)
    monkeypatch.setattr(flask.Flask, "wsgi_app", flask.Flask.wsgi_app)
    _entrances.install()


@spanruns.run
def work() -> None:
    """A run made by whatever comes in."""


def told(captured: Captured) -> tuple[Any, Any]:
    """Trigger and detail of the one run."""
    (run,) = captured.runs
    return run.attributes.get("spanruns.run.trigger"), run.attributes.get("spanruns.run.trigger_detail")


def fastapi_client() -> Any:
    """A service with FastAPI."""
    app = FastAPI()
    app.get("/orders/{number}")(lambda number: work())
    return TestClient(app)


def flask_client() -> Any:
    """A service with Flask."""
    app = flask.Flask(__name__)

    def order(number: str) -> str:
        work()
        return "ok"

    app.add_url_rule("/orders/<number>", view_func=order)
    return app.test_client()


@pytest.mark.parametrize(
    ("client", "route"), [(fastapi_client, "/orders/{number}"), (flask_client, "/orders/<number>")]
)
def test_request(captured: Captured, client: Any, route: str) -> None:
    """The route is told, not what was asked for."""
    assert client().get("/orders/7?token=x").status_code == 200
    assert told(captured) == ("http", f"GET {route}")


@pytest.mark.parametrize("client", [fastapi_client, flask_client])
def test_request_of_another_run(captured: Captured, client: Any) -> None:
    """A caller's trace goes on, and the run knows its parent run and session."""
    client().get("/orders/7", headers=CALLER)
    (run,) = captured.runs
    assert run.trace_id == "0000000000000000000000000000abcd"
    keys = ("spanruns.run.parent_id", "session.id", "spanruns.run.trigger")
    assert [run.attributes[key] for key in keys] == ["r0", "s1", "agent"]


def test_nothing_is_left_of_a_request(captured: Captured) -> None:
    """A run after a request has nothing to do with it."""
    flask_client().get("/orders/7", headers=CALLER)
    work()
    _, second = captured.runs
    assert second.parent_id is None
    assert "spanruns.run.trigger" not in second.attributes


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
def test_scheduled_job(captured: Captured, kind: str) -> None:
    """The job's name is told, and since when it was due."""
    done = threading.Event()
    due = datetime.now(UTC)

    def job() -> None:
        work()
        done.set()

    async def coroutine() -> None:
        job()

    if kind == "thread":
        scheduler = BackgroundScheduler()
        removed = threading.Event()
        scheduler.add_listener(lambda _: removed.set(), EVENT_JOB_REMOVED)
        scheduler.add_job(job, "date", run_date=due, name="nightly", misfire_grace_time=None)
        scheduler.start()
        assert done.wait(10)
        assert removed.wait(10)
        scheduler.shutdown()
    else:
        run_one_coroutine_job(coroutine, due)
        assert done.wait(10)
    assert told(captured) == ("schedule", "nightly")
    assert captured.runs[0].attributes["spanruns.run.queued_at"] == int(due.timestamp() * 1e6) * 1000


def run_one_coroutine_job(function: Any, due: datetime) -> None:
    """Run a job the way the asyncio scheduler does."""
    import asyncio

    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    async def main() -> None:
        scheduler = AsyncIOScheduler(executors={"default": AsyncIOExecutor()})
        scheduler.add_job(function, "date", run_date=due, name="nightly", misfire_grace_time=None)
        scheduler.start()
        while scheduler.get_jobs():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        scheduler.shutdown()

    asyncio.run(main())
