"""Runs over pools."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import spanruns
from spanruns import _threads
from spanruns.testing import Captured


@pytest.fixture(autouse=True)
def carried() -> None:
    """Pools carry runs from now on, as after configure()."""
    _threads.install()


@spanruns.tool
def work(number: int) -> int:
    """A tool that runs in a pool."""
    return number


@spanruns.run
def job() -> None:
    """A run that runs in a pool."""


def test_work_in_a_thread_pool_stays_inside(captured: Captured) -> None:
    """Tools called by a pool's threads belong to the run that handed them over, and only those."""
    with ThreadPoolExecutor(1) as pool:
        with spanruns.run("first"):
            pool.submit(work, 1).result()
        pool.submit(work, 2).result()
        with spanruns.run("second"):
            assert list(pool.map(work, [3])) == [3]
    owners = {run.span_id: run.attributes["gen_ai.agent.name"] for run in captured.runs}
    found = [owners.get(call.parent_id or "") for call in captured.tools]
    assert found == ["first", None, "second"]


def test_work_handed_over_by_asyncio_stays_inside(captured: Captured) -> None:
    """`to_thread` and `run_in_executor` too."""

    async def both() -> None:
        with spanruns.run("r"):
            await asyncio.to_thread(work, 1)
            await asyncio.get_running_loop().run_in_executor(None, work, 2)

    asyncio.run(both())
    run = captured.run("r")
    assert [call.parent_id for call in captured.tools] == [run.span_id, run.span_id]


def test_run_that_waits_in_a_pool_knows_how_long(captured: Captured) -> None:
    """The queue of a pool is a queue: a decorated run gets the time when it was handed over."""
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release.wait)
        future = pool.submit(job)
        captured.clock.advance(30)
        release.set()
        future.result()
    run = captured.run("job")
    waited_s = (run.start_ns - run.attributes["spanruns.run.queued_at"]) / 1e9
    assert waited_s == 31  # the clock goes on by one second with each reading


def test_other_work_is_handed_over_untouched(captured: Captured) -> None:
    """Work outside runs is the service's own function, with its own exceptions."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


def test_installing_twice_wraps_once() -> None:
    """However often it is set up, work is wrapped once."""
    before = ThreadPoolExecutor.submit
    _threads._wrap_submit("thread")
    assert ThreadPoolExecutor.__dict__["submit"].__wrapped__ is before.__wrapped__  # type: ignore[attr-defined]
