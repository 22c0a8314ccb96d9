"""A service with one import: what arrives, when, and that nothing else changes for it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from spanruns._env import READABLE

from tests.integration.spanruns.conftest import MakeService
from tests.support.sink import Sink, SinkServer

JOB = """
    import spanruns.auto
    import spanruns

    @spanruns.tool
    def add(a, b=2):
        return a + b

    @spanruns.run(kind="agent")
    def job(n):
        return add(n)

    print(job(1))
"""

LIVE = """
    import sys
    import spanruns.auto
    import spanruns

    with spanruns.run("live", kind="agent") as run:
        print("started", flush=True)
        for line in sys.stdin:
            exec(line)
            print("done", flush=True)
    print("ended", flush=True)
    sys.stdin.read()
"""


def more_than(count: int, sink: Sink) -> bool:
    """True once more spans than this have arrived."""
    return len(sink.spans) > count


def test_one_import_sends_everything(service: MakeService, sink: Sink) -> None:
    """A short script needs nothing but the import: its run, its tool call and its metrics have arrived at its exit."""
    done = service(JOB).run()
    assert (done.stdout, done.stderr) == ("3\n", "")
    run, call = sink.span("invoke_agent job"), sink.span("execute_tool add")
    assert call.parent_id == run.span_id
    assert run.attributes == {
        "spanruns.kind": "run",
        "spanruns.run.kind": "agent",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "job",
        "spanruns.run.parameters": '{"n":1}',
        "spanruns.run.output": "3",
        "spanruns.run.status": "success",
        "spanruns.run.spans.started": 2,
        "spanruns.run.spans.ended": 2,
        "spanruns.run.spans.dropped": 0,
        "spanruns.run.spans.truncated": 0,
    }
    assert call.attributes["gen_ai.tool.call.arguments"] == '{"a":1,"b":2}'
    (started,) = sink.events()
    assert (started.event, started.span_id, started.trace_id) == (
        "spanruns.run.started",
        run.span_id,
        run.trace_id,
    )
    assert (run.resource["service.name"], started.resource) == ("svc", run.resource)
    names = {metric.name for metric in sink.metrics}
    assert {"spanruns.run.count", "spanruns.run.duration", "gen_ai.execute_tool.duration"} <= names


@pytest.mark.timed
def test_run_is_visible_while_it_runs(service: MakeService, sink: Sink) -> None:
    """The started event arrives within a second of the start; waiting, resumed and progress within one of theirs."""
    process = service(LIVE).start()
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        start = time.monotonic()
        sink.wait(lambda sink: sink.events("started"))
        took = [time.monotonic() - start]
        for line, event in (
            ("waiting = run.waiting_for('bob')", "waiting"),
            ("run.resumed()", "resumed"),
            ("run.progress(1, 2)", "progress"),
        ):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
            start = time.monotonic()
            sink.wait(partial(Sink.events, name=event))
            took.append(time.monotonic() - start)
        process.kill()
    assert max(took) < 1
    assert sink.spans == []


@pytest.mark.timed
def test_finished_span_leaves_while_the_process_goes_on(service: MakeService, sink: Sink) -> None:
    """The end of a run and of a tool call outside any run do not wait for the exit of their process."""
    script = """
    import sys
    import spanruns.auto, spanruns

    with spanruns.tool("t"):
        pass
    with spanruns.run("r"):
        pass
    print("ended", flush=True)
    sys.stdin.read()
    """
    process = service(script).start()
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ended\n"
        start = time.monotonic()
        sink.wait(lambda sink: len(sink.spans) == 2)
        assert time.monotonic() - start < 2
        process.kill()


def test_heartbeats_until_the_process_is_killed(service: MakeService, sink: Sink) -> None:
    """A live run has heartbeats; a killed process has none, and its run no end."""
    process = service(LIVE, SPANRUNS_HEARTBEAT_SECONDS="0.2").start()
    with process:
        sink.wait(lambda sink: len(sink.events("heartbeat")) >= 3)
        process.send_signal(signal.SIGKILL)
    (started,) = sink.events("started")
    beats = sink.events("heartbeat")
    key = f"{started.trace_id}-{started.span_id}"
    assert [beat.attributes["spanruns.run.spans"] for beat in beats] == [[key]] * len(beats)
    assert beats[0].attributes["spanruns.run.heartbeat_interval_ms"] == 200
    assert sink.spans == []


@pytest.mark.timed
def test_endpoint_that_is_not_there_is_no_problem(service: MakeService, server: SinkServer) -> None:
    """The service works, ends with its own status in good time, and says it once."""
    server.close()
    start = time.monotonic()
    done = service(JOB).run()
    assert time.monotonic() - start < 6
    assert done.stdout == "3\n"
    assert done.stderr.count("\n") == 1
    assert "no OTLP endpoint takes our data" in done.stderr
    server.open()


@pytest.mark.timed
def test_endpoint_that_never_answers_is_no_problem(service: MakeService) -> None:
    """An endpoint that takes connections and says nothing holds the exit up for a bounded time only."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        done = service(JOB, OTEL_EXPORTER_OTLP_ENDPOINT=url, SPANRUNS_EXIT_SECONDS="1").run()
        assert time.monotonic() - start < 8
    assert done.stdout == "3\n"


@pytest.mark.parametrize("work", ["pass", "with spanruns.run('r'): pass"], ids=["nothing to send", "a run"])
def test_exit_that_waits_for_nothing_raises_nothing(service: MakeService, work: str) -> None:
    """No time at all is a time as well, also for the threads that send what is left."""
    done = service(f"import spanruns.auto, spanruns\n{work}", SPANRUNS_EXIT_SECONDS="0").run()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("status", [200, 401, 503])
def test_endpoint_that_refuses_is_no_problem(service: MakeService, sink: Sink, status: int) -> None:
    """Whatever the endpoint answers, the service does not notice."""
    sink.status, sink.body = status, b"<html>rubbish"
    done = service(JOB, SPANRUNS_EXIT_SECONDS="0.5").run()
    assert done.stdout == "3\n"
    assert "Traceback" not in done.stderr


def test_broken_environment_is_no_problem(service: MakeService) -> None:
    """Nonsense in every variable changes nothing for the service."""
    nonsense = dict.fromkeys(
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_METRIC_EXPORT_INTERVAL",
            "SPANRUNS_HEARTBEAT_SECONDS",
            "SPANRUNS_CONTENT",
            "SPANRUNS_LOGS_LEVEL",
            "SPANRUNS_MAX_VALUE_BYTES",
            "OTEL_RESOURCE_ATTRIBUTES",
        ),
        "nonsense",
    )
    done = service(JOB, **nonsense, SPANRUNS_EXIT_SECONDS="0.5", SPANRUNS_RAISE="0").run()
    assert done.stdout == "3\n"
    assert "Traceback" not in done.stderr


def test_environment_that_opentelemetry_cannot_read_is_no_problem(service: MakeService, sink: Sink) -> None:
    """What would make OpenTelemetry raise, some of it at its import, is told and ignored; runs arrive all the same."""
    numbers = (
        *(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "OTEL_BSP_EXPORT_TIMEOUT",
            "OTEL_METRIC_EXPORT_TIMEOUT",
        ),
        *("OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT"),
    )
    names = ("OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_LOG_LEVEL")
    fatal = [name for name in READABLE if name != "OTEL_METRICS_EXEMPLAR_FILTER"]
    done = service(JOB, **dict.fromkeys((*READABLE, *numbers, *names), "nonsense"), SPANRUNS_RAISE="0").run()
    assert done.stdout == "3\n"
    assert "Traceback" not in done.stderr
    assert [name for name in fatal if f"cannot read {name}='nonsense'" not in done.stderr] == []
    assert {span.name for span in sink.spans} == {"invoke_agent job", "execute_tool add"}
    assert sink.metrics != []


@pytest.mark.parametrize("variable", ["OTEL_PROPAGATORS", "OTEL_PYTHON_TRACER_PROVIDER"])
def test_environment_is_no_problem_for_decorators_alone(service: MakeService, variable: str) -> None:
    """The decorators of a service that sends nothing do not stumble over it either; the variable stays as it is."""
    script = f"""
    import os, spanruns

    @spanruns.run
    def job():
        with spanruns.tool("t"):
            return os.environ[{variable!r}]

    print(job())
    """
    assert service(script, **{variable: "nonsense"}).run().stdout == "nonsense\n"


def test_switched_off_means_off(service: MakeService, sink: Sink) -> None:
    """Nothing is sent, and nothing is patched."""
    check = """
    import logging, sys
    from concurrent.futures import ThreadPoolExecutor
    assert not hasattr(logging.Logger.callHandlers, "spanruns")
    assert type(ThreadPoolExecutor.__dict__["submit"]).__name__ == "function"
    """
    assert service(JOB + check, SPANRUNS_ENABLED="false").run().stdout == "3\n"
    assert sink.requests == []


def test_switched_off_by_the_first_call_stays_off(service: MakeService, sink: Sink) -> None:
    """An import that comes after it, here or in a library, switches nothing on."""
    assert service("import spanruns\nspanruns.configure(enabled=False)\n" + textwrap.dedent(JOB)).run().stdout == "3\n"
    assert sink.requests == []


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("content='metadata_only', environment='prod'", ["environment, content"]),
        ("content='full', mask=[], endpoint=None", []),
        ("enabled=False", ["enabled"]),
        ("", []),
    ],
    ids=["something else", "what holds already", "switched off", "nothing"],
)
def test_call_that_comes_too_late_is_told(service: MakeService, sink: Sink, late: str, said: list[str]) -> None:
    """The first call counts in everything; who asks for something else later is told what has no effect, once."""
    script = """
    import spanruns.auto, spanruns
    for _ in range(2):
        spanruns.configure(LATE)
    with spanruns.run("r", input="kept"):
        pass
    """
    done = service(script.replace("LATE", late)).run()
    assert re.findall(r"configure\((.*?)\) comes too late", done.stderr) == said
    assert done.stderr.count("\n") == len(said)
    assert sink.span("r").attributes["spanruns.run.input"] == '"kept"'


def test_failure_of_the_service_stays_its_own(service: MakeService, sink: Sink) -> None:
    """Traceback and status are as without us, and the failed run has arrived."""
    script = """
    import spanruns.auto, spanruns

    @spanruns.run
    def job():
        raise ValueError("no such order")

    job()
    """
    done = service(script).run(status=1)
    assert done.stderr.endswith("ValueError: no such order\n")
    run = sink.span("job")
    assert (run.status, run.message, run.attributes["error.type"]) == (2, "ValueError: no such order", "ValueError")


def test_nothing_is_lost_while_the_endpoint_restarts(service: MakeService, server: SinkServer) -> None:
    """Runs go on while nobody listens; when somebody does again, all have arrived, each once, in full."""
    script = """
    import time
    import spanruns.auto, spanruns

    @spanruns.tool
    def work(n):
        return n

    @spanruns.run
    def job(n):
        work(n)

    for n in range(400):
        job(n)
        time.sleep(0.005)
    """
    process = service(script, OTEL_BSP_SCHEDULE_DELAY="100").start()
    with process:
        for _ in range(2):
            count = len(server.sink.spans)
            server.sink.wait(partial(more_than, count))
            server.close()
            time.sleep(0.4)  # the service must go on working without an endpoint
            server.open()
        process.communicate(timeout=30)
    sink = server.sink
    names = Counter(span.name for span in sink.spans)
    assert names == {"job": 400, "execute_tool work": 400}
    assert len({span.span_id for span in sink.spans}) == 800
    ended = [span.attributes["spanruns.run.spans.ended"] for span in sink.spans if span.name == "job"]
    assert sum(ended) == 800


@pytest.mark.timed
def test_full_queue_drops_and_tells(service: MakeService, server: SinkServer) -> None:
    """With nobody listening and no room left, runs say themselves what was dropped; nothing blocks."""
    server.close()
    script = """
    import time
    import spanruns.auto, spanruns
    from spanruns import _pipeline

    start = time.monotonic()
    with spanruns.run("r"):
        for n in range(5000):
            with spanruns.tool("t"):
                pass
    assert time.monotonic() - start < 10
    print(_pipeline.current().spans.counts.dropped > 4000)
    """
    settings = {"SPANRUNS_QUEUE_ITEMS": "100", "SPANRUNS_BACKLOG_BYTES": "20000", "SPANRUNS_EXIT_SECONDS": "0.2"}
    assert service(script, **settings).run().stdout == "True\n"
    server.open()


def test_forked_children_send_their_own(service: MakeService, sink: Sink) -> None:
    """A prefork server's workers send what they do, as instances of their own, and nothing of their parent's."""
    script = """
    import os
    import spanruns.auto, spanruns

    @spanruns.run
    def job(who):
        return who

    job("before")
    for n in range(2):
        if os.fork() == 0:
            job(f"child {n}")
            raise SystemExit
    for n in range(2):
        assert os.wait()[1] == 0
    job("after")
    """
    service(script, PYTHONWARNINGS="ignore").run()
    jobs = {span.attributes["spanruns.run.output"]: span for span in sink.spans}
    assert sorted(jobs) == ['"after"', '"before"', '"child 0"', '"child 1"']
    assert len(sink.spans) == 4
    instances = [jobs[name].resource["service.instance.id"] for name in sorted(jobs)]
    assert len(set(instances)) == 3
    assert instances[0] == instances[1]


def test_run_that_forks_ends_once(service: MakeService, sink: Sink) -> None:
    """A child that leaves the block of its parent's run does not end that run."""
    script = """
    import os
    import spanruns.auto, spanruns

    with spanruns.run("r"):
        child = os.fork() == 0
    if not child:
        assert os.wait()[1] == 0
    """
    service(script, PYTHONWARNINGS="ignore").run()
    assert [span.name for span in sink.spans] == ["r"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_lose_nothing(service: MakeService, sink: Sink, method: str) -> None:
    """Processes of multiprocessing end without running exit handlers; what they finished has been sent all the same."""
    script = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import spanruns.auto, spanruns

    @spanruns.tool
    def work(n):
        return n

    if __name__ == "__main__":
        context = multiprocessing.get_context(METHOD)
        with spanruns.run("r"), ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(work, range(6))) == list(range(6))
    """
    service(script.replace("METHOD", repr(method)), PYTHONWARNINGS="ignore").run()
    calls = [span for span in sink.spans if span.name == "execute_tool work"]
    assert sorted(call.attributes["gen_ai.tool.call.result"] for call in calls) == [str(n) for n in range(6)]
    assert {call.parent_id for call in calls} == {sink.span("r").span_id}


def test_abrupt_exit_loses_only_the_last_moment(service: MakeService, sink: Sink) -> None:
    """What ended a moment before `os._exit` has been sent."""
    script = """
    import os, time
    import spanruns.auto, spanruns

    with spanruns.run("r"):
        pass
    time.sleep(1)
    os._exit(3)
    """
    service(script).run(status=3)
    assert [span.name for span in sink.spans] == ["r"]


def test_interpreter_that_goes_down_is_no_problem(service: MakeService, sink: Sink) -> None:
    """Runs of exit handlers, of destructors, of threads that never end: no hang, no error, and what had ended arrives."""
    script = """
    import atexit, threading, time
    import spanruns

    @spanruns.run
    def late(name):
        return name

    class Keeper:
        def __del__(self):
            late("destructor")

    def forever():
        while True:
            late("thread")
            time.sleep(0.001)

    atexit.register(late, "after us")  # handlers run in the opposite order
    import spanruns.auto
    atexit.register(late, "before us")
    keeper = Keeper()
    keeper.itself = keeper
    threading.Thread(target=forever, daemon=True).start()
    opened = spanruns.run("never ended").__enter__()
    late("main")
    raise SystemExit(0)
    """
    done = service(script, SPANRUNS_RAISE="0").run(timeout_s=30)
    assert done.stderr == ""
    outputs = {span.attributes["spanruns.run.output"] for span in sink.spans}
    assert {'"main"', '"before us"', '"thread"'} <= outputs


def test_threads_with_loops_of_their_own(service: MakeService, sink: Sink) -> None:
    """`asyncio.run` in several threads at once works."""
    script = """
    import asyncio, threading
    import spanruns.auto, spanruns

    @spanruns.tool
    async def work(n):
        await asyncio.sleep(0.01)
        return n

    @spanruns.run
    async def job(n):
        return await asyncio.gather(work(n), work(n))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(job(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """
    service(script).run()
    jobs = {span.span_id: span.attributes["spanruns.run.parameters"] for span in sink.spans if span.name == "job"}
    calls = [(jobs[s.parent_id], s.attributes["gen_ai.tool.call.arguments"]) for s in sink.spans if s.parent_id]
    assert len(jobs) == 8
    assert sorted(calls) == sorted([(f'{{"n":{n}}}', f'{{"n":{n}}}') for n in range(8)] * 2)


def test_run_over_two_processes_is_one_run(service: MakeService, sink: Sink) -> None:
    """A run suspended in one process goes on in another."""
    token = (
        service(
            """
        import spanruns.auto, spanruns
        with spanruns.run("order", kind="agent", trigger="cli") as run:
            print(run.suspend("bob"))
        """
        )
        .run()
        .stdout.strip()
    )
    service(
        f"""
        import spanruns.auto, spanruns
        with spanruns.resume({token!r}) as run:
            run.set_output("done")
        """
    ).run()
    first, second = sink.spans
    assert second.attributes["spanruns.run.id"] == f"{first.trace_id}-{first.span_id}"
    assert [first.attributes["spanruns.run.status"], second.attributes["spanruns.run.status"]] == ["waiting", "success"]


def test_instrument_command_needs_no_change(service: MakeService, sink: Sink) -> None:
    """`spanruns-instrument python app.py` gives the import to a program that does not have it."""
    script = """
    import os, sys, spanruns
    with spanruns.run("r"):
        pass
    print([path for path in sys.path if "_boot" in path], os.environ.get("PYTHONPATH"))
    """
    instrument = str(Path(sys.executable).parent / "spanruns-instrument")
    done = service(script).run(instrument, sys.executable)
    assert done.stdout == "[] None\n"
    assert [span.name for span in sink.spans] == ["r"]


def test_each_signal_has_its_headers(service: MakeService, sink: Sink) -> None:
    """A gateway may want another key for each; lifecycle events go as logs do."""
    own = {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=all", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-key=metrics"}
    service(JOB, **own).run()
    keys = {(path, headers["x-key"]) for path, headers, _ in sink.requests}
    assert keys == {("/v1/traces", "all"), ("/v1/logs", "all"), ("/v1/metrics", "metrics")}


def test_unknown_command_is_told() -> None:
    """A command that is not there gives the usual status and no traceback."""
    command = [sys.executable, "-m", "spanruns._instrument"]
    done = subprocess.run([*command, "no-such-command"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "spanruns-instrument: no-such-command: command not found\n")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
