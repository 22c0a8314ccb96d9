"""What started a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import spanruns
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from spanruns import _trigger
from spanruns.testing import Captured, capture

PROCESS = ("TRIGGER_UNIT", "AIRFLOW_CTX_DAG_ID", "GITHUB_EVENT_NAME", "GITHUB_WORKFLOW")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A process that tells nothing of how it was started."""
    for name in PROCESS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_trigger, "_parent_name", lambda: "bash")
    monkeypatch.setattr("sys.stdin", None)
    _trigger.of_process.cache_clear()
    yield monkeypatch
    _trigger.of_process.cache_clear()


@pytest.mark.parametrize(
    ("kind", "attributes", "trigger", "detail"),
    [
        (SpanKind.SERVER, {"http.request.method": "POST", "http.route": "/runs/{id}"}, "http", "POST /runs/{id}"),
        (SpanKind.SERVER, {"http.method": "GET", "http.target": "/x?token=y"}, "http", "GET /x"),
        (SpanKind.SERVER, {"mcp.method.name": "tools/call", "gen_ai.tool.name": "find"}, "mcp", "find"),
        (SpanKind.SERVER, {"rpc.system": "grpc", "rpc.method": "Run"}, "api", "Run"),
        (SpanKind.CONSUMER, {"messaging.destination.name": "jobs"}, "event", "jobs"),
        (SpanKind.CLIENT, {"http.request.method": "GET"}, None, None),
        (SpanKind.INTERNAL, {}, None, None),
    ],
)
def test_surrounding_span_tells(
    captured: Captured, kind: SpanKind, attributes: dict[str, Any], trigger: str | None, detail: str | None
) -> None:
    """A run inside a request being served was triggered by it, and its query string is nobody's business."""
    tracer = trace.get_tracer("server")
    with tracer.start_as_current_span("s", kind=kind, attributes=attributes), spanruns.run("r"):
        pass
    found = captured.run("r").attributes
    assert (found.get("spanruns.run.trigger"), found.get("spanruns.run.trigger_detail")) == (trigger, detail)


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"TRIGGER_UNIT": "nightly.timer"}, ("schedule", "nightly.timer")),
        ({"AIRFLOW_CTX_DAG_ID": "etl"}, ("schedule", "etl")),
        ({"GITHUB_EVENT_NAME": "schedule", "GITHUB_WORKFLOW": "ci"}, ("schedule", "ci")),
        ({"GITHUB_EVENT_NAME": "push", "GITHUB_WORKFLOW": "ci"}, ("event", "ci")),
        ({}, None),
    ],
)
def test_environment_of_a_scheduler_tells(
    process: pytest.MonkeyPatch, env: dict[str, str], found: tuple[str, str] | None
) -> None:
    """Schedulers leave their name in the environment."""
    for name, value in env.items():
        process.setenv(name, value)
    assert _trigger.of_process() == found


def test_cron_tells_by_being_the_parent(process: pytest.MonkeyPatch) -> None:
    """cron leaves nothing in the environment."""
    process.setattr(_trigger, "_parent_name", lambda: "cron")
    assert _trigger.of_process() == ("schedule", "cron")


def test_person_at_a_terminal_tells(process: pytest.MonkeyPatch) -> None:
    """A program started at a terminal was started by hand."""

    class Terminal:
        closed = False

        def isatty(self) -> bool:
            return True

    process.setattr("sys.stdin", Terminal())
    process.setattr("sys.argv", ["/usr/bin/report.py", "--all"])
    assert _trigger.of_process() == ("cli", "report.py")


def test_order_of_who_tells() -> None:
    """The run's own word, then its surroundings, then the request it is in, then the setting."""
    tracer = trace.get_tracer("server")

    def run(**own: Any) -> None:
        request = {"http.request.method": "GET"}
        server = tracer.start_as_current_span("s", kind=SpanKind.SERVER, attributes=request)
        with server, spanruns.run("r", **own):
            pass

    with capture() as captured:
        run(trigger="own")
        with spanruns.identity(trigger="around"):
            run()
        run()
    with capture(trigger="setting") as configured, spanruns.run("r"):
        pass
    found = [span.attributes["spanruns.run.trigger"] for span in (*captured.runs, *configured.runs)]
    assert found == ["own", "around", "http", "setting"]


@pytest.mark.parametrize(
    ("wrapper", "trigger", "detail"),
    [({}, "http", "GET /orders"), ({"gen_ai.agent.name": "outer"}, "agent", "outer")],
    ids=["a wrapper without a name", "an agent"],
)
def test_a_wrapper_triggers_nothing(captured: Captured, wrapper: dict[str, str], trigger: str, detail: str) -> None:
    """A run inside a framework's nameless workflow was started by what started that; inside an agent, by the agent."""
    tracer = trace.get_tracer("framework")
    outer = {"gen_ai.operation.name": "invoke_workflow", **wrapper}
    inner = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "inner"}
    request = {"http.request.method": "GET", "http.route": "/orders"}
    with (
        tracer.start_as_current_span("s", kind=SpanKind.SERVER, attributes=request),
        tracer.start_as_current_span("w", attributes=outer),
        tracer.start_as_current_span("a", attributes=inner),
    ):
        pass
    found = captured.spans[0].attributes
    assert (found["spanruns.run.trigger"], found["spanruns.run.trigger_detail"]) == (trigger, detail)
