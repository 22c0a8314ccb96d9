"""What runs say was ended is what is stored, whoever makes them and whatever happens on the way."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.stored import Stored, until
from tests.support.up import Up, ask_store, running_up

pytestmark = pytest.mark.timeout(240)


def test_runs_in_runs_and_threads(stored: Stored) -> None:
    """Every span counts for its nearest run: of sub-runs, pools, tasks, failed and cancelled ones alike."""
    script = """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import suppress
    import spanruns.auto, spanruns
    from opentelemetry import trace

    @spanruns.tool
    def work(n):
        with trace.get_tracer("lib").start_as_current_span("inside"):
            return n

    @spanruns.run("sub", kind="agent")
    def sub(n):
        return work(n)

    @spanruns.run("broken")
    def broken():
        work(1)
        raise ValueError

    @spanruns.run("called-off")
    async def called_off():
        work(1)
        await asyncio.Event().wait()

    async def tasks():
        with suppress(TimeoutError):
            await asyncio.wait_for(called_off(), 0.01)

    with spanruns.run("outer", kind="agent"):
        work(0)
        sub(1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(5)))
            list(pool.map(sub, range(2)))
        with suppress(ValueError):
            broken()
    asyncio.run(tasks())
    """
    stored.finish(script, OTEL_SERVICE_NAME="nested")
    found = stored.counts("nested", 6)
    assert sorted(found) == [("broken", 3, 3), ("called-off", 3, 3), ("outer", 13, 13), *[("sub", 3, 3)] * 3]


MANY = """
    import time
    import spanruns.auto, spanruns

    @spanruns.tool
    def work(number):
        return number

    @spanruns.run
    def small(number):
        for _ in range(2):
            work(number)

    for number in range(COUNT):
        small(number)
        if number % 50 == 0:
            time.sleep(0.05)
    print(spanruns.flush(60))
"""


def started(stack: ExitStack, data: Path, *flags: str) -> tuple[Up, Stored]:
    """A running process and what asks it, both closed with the stack."""
    up = stack.enter_context(running_up(data, *flags))
    stored = Stored(up)
    stack.callback(stored.close)
    return up, stored


def wait_for_spans(stored: Stored, count: int) -> None:
    """Until so many are stored."""
    until(lambda: stored.rows("SELECT count() AS n FROM spanruns.otel_traces")[0]["n"] > count)


@pytest.mark.parametrize(
    "count", [pytest.param(1_000, id="1,000"), pytest.param(10_000, id="10,000", marks=pytest.mark.slow)]
)
def test_restarts(tmp_path: Path, count: int) -> None:
    """While the receiver is killed and started again, twice, what the runs say was ended is what is stored."""
    data = tmp_path / "data"
    with ExitStack() as stack:
        up, stored = started(stack, data)
        port = str(up.ports["otlp_http"])
        process = stack.enter_context(stored.start(MANY.replace("COUNT", str(count))))
        stack.callback(process.kill)
        for share in (0.2, 0.5):
            wait_for_spans(stored, int(share * count))
            assert process.poll() is None
            up.kill()
            up, stored = started(stack, data, "--http-port", port)
        said, _ = process.communicate(timeout=180)
        assert said == "True\n"
        until(
            lambda: stored.rows("SELECT count() AS n FROM spanruns.runs WHERE status = 'success'")[0]["n"] == count, 60
        )
        assert up.stop() == 0
    query = (
        "SELECT count() AS runs, sum(spans_reported) AS reported, sum(spans_stored) AS stored, "
        "countIf(spans_reported != spans_stored) AS different FROM spanruns.runs"
    )
    spans = "SELECT count() AS n, uniqExact(SpanId) AS different FROM spanruns.otel_traces"
    totals, raw = ask_store(data, query, spans)
    assert [{key: int(value) for key, value in totals[0].items()}, {k: int(v) for k, v in raw[0].items()}] == [
        {"runs": count, "reported": 3 * count, "stored": 3 * count, "different": 0},
        {"n": 3 * count, "different": 3 * count},
    ]
