"""Real frameworks, offline, in processes of their own: one import, and the right spans arrive, each once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.spanruns.conftest import ROOT, SERVICES, Play
from tests.support.sink import Sink, SinkServer, SinkSpan
from tests.support.stored import Stored

OK, ERROR = 0, 2
CANCELLED = "asyncio.exceptions.CancelledError"

pytestmark = pytest.mark.timeout(120)


def tree(sink: Sink) -> list[tuple[str, str | None, int]]:
    """Each span as (name, name of its parent, status), in the order of their starts."""
    names = {span.span_id: span.name for span in sink.spans}
    return [
        (span.name, names.get(span.parent_id), span.status)
        for span in sorted(sink.spans, key=lambda span: span.start_ns)
    ]


def counts(span: SinkSpan) -> tuple[Any, Any]:
    """What the run's end says was started and ended."""
    return span.attributes["spanruns.run.spans.started"], span.attributes["spanruns.run.spans.ended"]


def announced(sink: Sink) -> set[str]:
    """Span ids of the runs that had a started event."""
    return {event.span_id for event in sink.events("started")}


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_agent_with_a_tool(play: Play, framework: str, scenario: str) -> None:
    """The run, its two model calls and its tool call, with content and tokens; announced while it ran."""
    sink = play(framework, scenario)
    run, model = "invoke_agent weather_agent", "chat test" if framework == "pydantic_ai" else "chat fake-1"
    assert tree(sink) == [(run, None, OK), (model, run, OK), ("execute_tool get_weather", run, OK), (model, run, OK)]
    assert counts(sink.span(run)) == (4, 4)
    assert announced(sink) == {sink.span(run).span_id}
    tool = sink.span("execute_tool get_weather").attributes
    assert "sunny in" in tool["gen_ai.tool.call.result"]
    chats = [span.attributes for span in sink.spans if span.name == model]
    assert all(chat["gen_ai.usage.input_tokens"] > 0 and "gen_ai.input.messages" in chat for chat in chats)


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_agent_whose_tool_fails(play: Play, framework: str) -> None:
    """Tool call and run are failed, the model call is not."""
    sink = play(framework, "failure")
    run = "invoke_agent broken_agent" if framework == "pydantic_ai" else "invoke_agent weather_agent"
    model = "chat test" if framework == "pydantic_ai" else "chat fake-1"
    assert tree(sink) == [(run, None, ERROR), (model, run, OK), ("execute_tool explode", run, ERROR)]
    assert counts(sink.span(run)) == (3, 3)


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_agent_that_is_cancelled(play: Play, framework: str) -> None:
    """Every span has ended once, and the cancellation shows in the tool call at least."""
    sink = play(framework, "cancel")
    assert tree(sink)[0][1] is None
    assert len({span.span_id for span in sink.spans}) == len(sink.spans) == 3
    tool = sink.span("execute_tool wait")
    told = [tool.attributes.get("error.type"), *(attributes.get("exception.type") for _, attributes in tool.events)]
    assert CANCELLED in told


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph", "openai", "anthropic", "mcp_client"])
def test_nothing_is_said(play: Play, framework: str) -> None:
    """We add nothing to what a framework writes to its terminal."""
    play(framework, "success")
    said = play.service(framework).said
    assert [line for line in said.splitlines() if "spanruns:" in line or "opentelemetry" in line] == []


@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_openai_agents(play: Play, scenario: str) -> None:
    """Workflow, agent, model and tool call; the SDK's own tracing stays as it was."""
    sink = play("openai_agents", scenario)
    assert "OPENAI_API_KEY is not set, skipping trace export" in play.service("openai_agents").said
    root, run = "invoke_workflow Agent workflow", "invoke_agent weather_agent"
    assert tree(sink) == [
        (root, None, OK),
        (run, root, OK),
        ("chat gpt-4.1-mini", run, OK),
        ("execute_tool get_weather", run, OK),
        ("chat gpt-4.1-mini", run, OK),
    ]
    assert (counts(sink.span(root)), counts(sink.span(run))) == ((1, 1), (4, 4))
    assert announced(sink) == {sink.span(root).span_id, sink.span(run).span_id}


def test_openai_agents_whose_tool_fails(play: Play) -> None:
    """Tool call and run are failed."""
    sink = play("openai_agents", "failure")
    assert sink.span("execute_tool explode").status == ERROR
    assert sink.span("invoke_agent weather_agent").status == ERROR


def test_openai_agents_that_are_cancelled(play: Play) -> None:
    """Every span has ended once, the workflow with the cancellation."""
    sink = play("openai_agents", "cancel")
    assert sorted(span.name for span in sink.spans) == [
        "chat gpt-4.1-mini",
        "execute_tool wait",
        "invoke_agent weather_agent",
        "invoke_workflow Agent workflow",
    ]


@pytest.mark.parametrize(("scenario", "calls"), [("success", 2), ("stream", 1)])
def test_openai_client(play: Play, scenario: str, calls: int) -> None:
    """Calls of the plain client are model calls of the run around them, with tokens and content."""
    sink = play("openai", scenario)
    run = "invoke_agent asker"
    assert tree(sink) == [(run, None, OK), *[("chat gpt-4.1-mini", run, OK)] * calls]
    chat = next(span for span in sink.spans if span.name != run)
    assert chat.attributes["gen_ai.usage.input_tokens"] == 1
    assert "hi" in chat.attributes["gen_ai.input.messages"]
    assert "You said: hi" in chat.attributes["gen_ai.output.messages"]


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_client_that_is_refused(play: Play, client: str) -> None:
    """The refusal is the model call's error, and that of the run it leaves."""
    sink = play(client, "failure")
    assert [status for _, _, status in tree(sink)] == [ERROR, ERROR]
    run = sink.span("invoke_agent asker")
    assert run.attributes["error.type"] == f"{client}.RateLimitError"


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_tool_that_fails_after_an_answer(play: Play, client: str) -> None:
    """Tool call and run are failed, the model call before is not."""
    sink = play(client, "tool failure")
    tool, run = sink.span("execute_tool explode"), sink.span("invoke_agent asker")
    assert [(span.status, span.attributes["error.type"]) for span in (tool, run)] == [(ERROR, "RuntimeError")] * 2
    assert [span.status != ERROR for span in sink.spans if span not in (tool, run)] == [True]


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_client_call_that_is_cancelled(play: Play, client: str) -> None:
    """A call that takes too long is ended by its caller, once."""
    sink = play(client, "cancel")
    run = sink.span("invoke_agent asker")
    (call,) = [span for span in sink.spans if span is not run]
    assert call.attributes["error.type"] == CANCELLED
    assert (run.attributes["error.type"], run.attributes["spanruns.run.status"]) == ("TimeoutError", "failed")


@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_anthropic_client(play: Play, scenario: str) -> None:
    """The client speaks OpenTelemetry itself: one model call, with tokens and content, and no second one of ours."""
    sink = play("anthropic", scenario)
    run, chat = sink.span("invoke_agent asker"), sink.span("anthropic.messages.create")
    assert len(sink.spans) == 2
    assert chat.parent_id == run.span_id
    assert (chat.attributes["gen_ai.usage.input_tokens"], chat.attributes["gen_ai.usage.output_tokens"]) == (11, 4)
    assert "hi" in chat.attributes["gen_ai.input.messages"]


def test_anthropic_client_that_does_not_speak_itself(play: Play) -> None:
    """Where the client's own spans are switched off the instrumentor makes them."""
    sink = play("anthropic", "success", ANTHROPIC_OPEN_TELEMETRY="false")
    chat = sink.span("chat claude-fake")
    assert (len(sink.spans), chat.attributes["gen_ai.usage.input_tokens"]) == (2, 11)


@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_smolagents(play: Play, scenario: str) -> None:
    """The agent's run and its tool calls, announced although its dialect is another one."""
    sink = play("smolagents", scenario)
    run, tool = sink.span("weather_agent.run"), sink.span("GetWeather")
    assert (run.attributes["openinference.span.kind"], tool.attributes["openinference.span.kind"]) == ("AGENT", "TOOL")
    assert announced(sink) == {run.span_id}
    assert counts(run) == (5, 5)


def test_smolagents_whose_tool_fails(play: Play) -> None:
    """The failed tool call is one, the run is not."""
    sink = play("smolagents", "failure")
    assert (sink.span("GetWeather").status, sink.span("weather_agent.run").status) == (ERROR, 1)


def test_smolagents_that_are_interrupted(play: Play) -> None:
    """The run has ended, as cancelled, and the next one is not inside it."""
    sink = play("smolagents", "cancel")
    run = sink.span("weather_agent.run")
    words = ("error.type", "spanruns.run.status", "spanruns.run.spans.ended")
    assert [run.attributes[word] for word in words] == ["smolagents.utils.AgentError", "cancelled", 3]
    assert play("smolagents", "after").span("weather_agent.run").parent_id == ""


def test_mcp_client_and_server(play: Play) -> None:
    """One trace over both processes; a run the server makes knows that a tool call of MCP triggered it."""
    sink = play("mcp_client", "success")
    caller, called = sink.span("invoke_agent caller"), sink.span("tools/call get_weather")
    forecast = sink.span("forecast")
    assert {span.trace_id for span in (caller, called, forecast)} == {caller.trace_id}
    assert called.parent_id == sink.span("MCP send tools/call get_weather").span_id
    assert called.resource["service.instance.id"] != caller.resource["service.instance.id"]
    words = ("spanruns.run.trigger", "spanruns.run.trigger_detail")
    assert [forecast.attributes[word] for word in words] == ["mcp", "get_weather"]


def test_mcp_tool_that_fails(play: Play) -> None:
    """The server's span has the error."""
    sink = play("mcp_client", "failure")
    called = sink.span("tools/call explode")
    assert (called.status, called.attributes["error.type"]) == (ERROR, "tool_error")


def test_mcp_tool_that_tells_its_progress(play: Play) -> None:
    """What the server streams back is the run's progress."""
    sink = play("mcp_client", "stream")
    run = sink.span("invoke_agent caller")
    words = ("spanruns.run.progress.done", "spanruns.run.progress.total", "spanruns.run.status")
    assert [run.attributes[word] for word in words] == [3, 3, "success"]


def test_mcp_tool_call_that_is_cancelled(play: Play) -> None:
    """Both sides know that it was called off, although the SDK's spans do not say so."""
    sink = play("mcp_client", "cancel")
    for name in ("MCP send tools/call wait", "tools/call wait"):
        assert sink.span(name).attributes["error.type"] == CANCELLED
    assert sink.span("invoke_agent caller").attributes["error.type"] == "TimeoutError"


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_content_can_stay_at_home(play: Play, framework: str) -> None:
    """Without content nothing that was said, given or answered is sent, names and tokens are."""
    sink = play(framework, "success", SPANRUNS_CONTENT="metadata_only")
    sent = b"".join(body for _, _, body in sink.requests)
    assert b"sunny" not in sent
    assert b"hi" not in b"".join(str(s.attributes).encode() for s in sink.spans if s.name.startswith("chat"))
    assert len(sink.spans) == 4
    assert all(s.attributes["gen_ai.usage.input_tokens"] > 0 for s in sink.spans if s.name.startswith("chat"))


@pytest.mark.parametrize(
    ("framework", "runs"),
    [("pydantic_ai", 4), ("langgraph", 4), ("openai_agents", 4), ("openai", 5), ("anthropic", 5), ("smolagents", 4)],
)
def test_what_a_run_says_was_ended_is_stored(stored: Stored, play: Play, framework: str, runs: int) -> None:
    """With wrappers that are folded, streams, failures and cancellations, whoever makes the spans."""
    scenarios = ("success", "failure", "stream", "cancel", *(("tool failure",) if runs == 5 else ()))
    for scenario in scenarios:
        stored.replay(play(framework, scenario).requests)
    assert all(reported > 1 for _, reported, _ in stored.counts(f"{framework}_service", runs))


def test_missing_instrumentor_is_told(sink: Sink, tmp_path: Path) -> None:
    """Where the instrumentation of a framework is not installed the log says what to install, once."""
    script = tmp_path / "script.py"
    script.write_text(
        "import logging, sys\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "sys.modules['opentelemetry.instrumentation.genai.openai'] = None\n"
        "import spanruns.auto, openai, openai.types\n"
    )
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=True)
    told = [line for line in done.stderr.splitlines() if "pip install" in line]
    assert told == [
        "INFO:spanruns:spanruns: openai is used but not instrumented; "
        "pip install --pre opentelemetry-instrumentation-genai-openai"
    ]


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_another_instrumentor_wins(server: SinkServer, tmp_path: Path, order: str) -> None:
    """What the service switches on itself replaces ours, before or after, so nothing is recorded twice."""
    theirs = (
        "from openinference.instrumentation.smolagents import SmolagentsInstrumentor\n"
        "SmolagentsInstrumentor().instrument()\n"
    )
    service = (SERVICES / "smolagents_service.py").read_text()
    before, after = service.split("CITIES = ")
    after = "CITIES = " + after
    script = tmp_path / "script.py"
    ours = "import spanruns.auto\n"
    script.write_text((theirs + before if order == "theirs first" else ours + before + theirs) + after)
    env = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.sink.url,
        "SPANRUNS_RAISE": "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, str(script)],
        env=env,
        input="success\ncancel\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = [span for span in server.sink.spans if span.name == "weather_agent.run"]
    assert [(run.parent_id, run.attributes.get("spanruns.run.status")) for run in runs] == [
        ("", None),
        ("", "cancelled"),
    ]
