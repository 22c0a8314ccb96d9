"""What an instrumented service sends, all the way into the store of a real `spanruns up`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.up import Up, ask_store, running_up

SECRET = "sk-planted-in-every-place-0123456789"
HEARTBEAT_S = 0.5

pytestmark = [pytest.mark.timeout(240), pytest.mark.timed]


def service(script: str, up: Up, **env: str) -> subprocess.Popen[str]:
    """Start a service that sends to this process; its input is a pipe."""
    known = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": up.url,
        "OTEL_SERVICE_NAME": "svc",
        "SPANRUNS_HEARTBEAT_SECONDS": str(HEARTBEAT_S),
        "SPANRUNS_RAISE": "1",
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **known, **env},
        stdin=pipe,
        stdout=pipe,
        text=True,
    )


def finish(script: str, up: Up, **env: str) -> None:
    """Run a service to its end."""
    process = service(script, up, **env)
    process.communicate(timeout=180)
    assert process.returncode == 0


def until(found: Callable[[], Any], timeout_s: float = 30) -> Any:
    """The first answer that is something."""
    end = time.monotonic() + timeout_s
    while not (answer := found()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything in one process, with an embedded store."""
    with running_up(tmp_path_factory.mktemp("stored") / "data") as up:
        yield up


def runs(up: Up, **parameters: str) -> list[dict[str, Any]]:
    """What the API answers."""
    answer = httpx.get(f"http://127.0.0.1:{up.ports['api']}/api/runs", params=parameters, timeout=30)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["runs"]
    return found


LIVE = """
    import sys
    import spanruns.auto, spanruns
    with spanruns.run(NAME, kind="agent", run_id=NAME) as run:
        for line in sys.stdin:
            exec(line)
"""


def test_killed_run_is_lost_until_it_is_finished(up: Up) -> None:
    """A killed service's run is lost within three heartbeats; finished later under the same id it is a success, once."""
    name = "killed-run"
    process = service(LIVE.replace("NAME", repr(name)), up)
    with process:
        until(lambda: runs(up, status="running", agent=name))
        process.kill()
    killed_at = time.monotonic()
    (lost,) = until(lambda: runs(up, status="lost", agent=name))
    assert time.monotonic() - killed_at < 3 * HEARTBEAT_S + 10  # the margin is the machine's
    assert lost["last_heartbeat_at"] is not None
    finish(f"import spanruns.auto, spanruns\nwith spanruns.run({name!r}, kind='agent', run_id={name!r}): pass", up)
    (done,) = until(lambda: runs(up, status="success", agent=name))
    assert done["run_id"] == name
    assert len(runs(up, agent=name)) == 1


def test_live_run_is_followed(up: Up) -> None:
    """Running, waiting, running again, with progress, and at last a success whose waiting time is kept apart."""
    name = "followed-run"
    process = service(LIVE.replace("NAME", repr(name)), up)
    with process:
        assert process.stdin is not None
        for line, status in (("", "running"), ("run.waiting_for('bob')", "waiting"), ("run.resumed()", "running")):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            until(lambda status=status: runs(up, status=status, agent=name))  # type: ignore[misc]
        process.stdin.write("run.progress(3, 4)\n")
        process.stdin.flush()
        until(lambda: [run for run in runs(up, agent=name) if run["progress_done"] == 3])
        process.stdin.close()
        process.wait(30)
    (run,) = until(lambda: runs(up, status="success", agent=name))
    assert run["waiting_ms"] > 0
    assert abs(run["total_ms"] - run["waiting_ms"] - run["duration_ms"]) < 1
    assert (run["progress_done"], run["progress_total"]) == (3, 4)


def test_suspended_run_goes_on_in_another_process(up: Up) -> None:
    """It waits while nobody runs it, and is one run in the end."""
    name = "suspended-run"
    script = f"""
    import spanruns.auto, spanruns
    with spanruns.run({name!r}, kind="agent", session_id="s1") as run:
        print(run.suspend("bob"))
    """
    process = service(script, up)
    token = process.communicate(timeout=60)[0].strip()
    (waiting,) = until(lambda: runs(up, status="waiting", agent=name))
    finish(f"import spanruns.auto, spanruns\nwith spanruns.resume({token!r}) as run: run.set_output('done')", up)
    (done,) = until(lambda: [run for run in runs(up, status="success", agent=name) if run["waiting_ms"]])
    assert (done["run_id"], done["session_id"]) == (waiting["run_id"], "s1")
    assert len(runs(up, agent=name)) == 1


def test_queued_run_is_visible_before_it_starts(up: Up) -> None:
    """A run that was announced is queued; when it has run its queue time is known."""
    name = "queued-run"
    script = f"import spanruns.auto, spanruns, json; print(json.dumps(spanruns.enqueue({name!r})))"
    headers = service(script, up).communicate(timeout=60)[0].strip()
    (queued,) = until(lambda: runs(up, status="queued", agent=name))
    finish(
        f"import spanruns.auto, spanruns\nwith spanruns.received({headers}), spanruns.run({name!r}): pass",
        up,
    )
    (done,) = until(lambda: runs(up, status="success", agent=name))
    assert done["run_id"] == queued["run_id"]
    assert done["queue_ms"] > 0
    assert len(runs(up, agent=name)) == 1


PLANTING = """
    import logging
    import spanruns.auto, spanruns
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel
    from opentelemetry import trace

    KEY = SECRET
    agent = Agent(TestModel(custom_output_text=f"the key is {KEY}"), name="leaky", instructions=f"use {KEY}")

    @agent.tool_plain
    def use_key(key: str) -> str:
        logging.getLogger("app").warning("called with %s", KEY, extra={"key": KEY, "nested": {"deep": KEY}})
        return f"used {KEY}"

    @spanruns.tool
    def own_tool(key: str) -> dict:
        return {"given": key, "text": '{"inner": "' + key + '"}'}

    @spanruns.run(f"planted", kind="agent", session_id=KEY)
    def job(key: str) -> None:
        run = spanruns.current_run()
        run.add_tag(KEY)
        run.set_input({"password": "hunter2hunter2", "key": key})
        own_tool(key)
        agent.run_sync(f"here is {KEY}")
        with trace.get_tracer("x").start_as_current_span(f"span {KEY}", attributes={"my.list": [KEY]}) as span:
            span.add_event("event", {"text": KEY})
        raise RuntimeError(f"cannot use {KEY}")

    try:
        job(KEY)
    except RuntimeError:
        logging.getLogger("app").exception("failed")
"""


def test_secret_is_nowhere_in_the_store(tmp_path: Path) -> None:
    """Planted in arguments, messages, exceptions, logs, names and JSON inside JSON, it is in no file of the store."""
    data = tmp_path / "data"
    with running_up(data) as up:
        finish(PLANTING.replace("SECRET", repr(SECRET)), up)
        (run,) = until(lambda: runs(up, status="failed", agent="planted"))
        assert run["tags"] == ["[masked]"]
        requests = httpx.get(f"{up.url}/metrics", timeout=10).text
        assert "spanruns_receiver" in requests
    tables = ask_store(data, "SELECT name FROM system.tables WHERE database = 'spanruns' AND total_rows > 0")[0]
    names = [row["name"] for row in tables]
    assert {"otel_traces", "otel_logs", "runs_data", "tool_calls_data", "span_facts"} <= set(names)
    for word in (SECRET, "planted-in-every", "hunter2hunter2"):
        found = ask_store(
            data,
            *(f"SELECT count() AS n FROM spanruns.{name} WHERE toString(tuple(*)) LIKE '%{word}%'" for name in names),
        )
        assert {name: rows[0]["n"] for name, rows in zip(names, found, strict=True)} == dict.fromkeys(names, 0)
    masked = ask_store(data, "SELECT count() AS n FROM spanruns.otel_traces WHERE toString(tuple(*)) LIKE '%[masked]%'")
    assert masked[0][0]["n"] >= 4


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


@pytest.mark.slow
def test_completeness_holds_over_restarts(tmp_path: Path) -> None:
    """While the receiver is killed and started again, twice, what the runs say was ended is what is stored."""
    data, count = tmp_path / "data", 10_000
    up = Up(data)
    flags = ("--http-port", str(up.ports["otlp_http"]))
    process = service(MANY.replace("COUNT", str(count)), up)
    for _ in range(2):
        time.sleep(2)  # some of the runs; which ones does not matter
        assert process.poll() is None
        up.kill()
        up = Up(data, *flags)
    said = process.communicate(timeout=180)[0]
    assert said == "True\n"
    until(lambda: httpx.get(f"http://127.0.0.1:{up.ports['api']}/api/stats", timeout=30).json()["success"] == count, 60)
    up.stop()
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
