"""Real frameworks, offline, in processes of their own: one import, and the right spans arrive, each once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spanruns_receiver.demo.fake_openai import running_fake_openai

from tests.integration.spanruns.conftest import INHERITED
from tests.support.fake_anthropic import running_fake_anthropic
from tests.support.sink import Sink, SinkSpan

SERVICES = Path(__file__).with_name("services")
RunService = Callable[..., str]
OK, ERROR = 0, 2

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def run_service(sink: Sink) -> RunService:
    """Runs a service of the folder in a scenario; gives what it wrote to stderr."""

    def run(name: str, scenario: str, **env: str) -> str:
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        ours = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "SPANRUNS_RAISE": "1"}
        done = subprocess.run(
            [sys.executable, str(SERVICES / f"{name}_service.py"), scenario],
            env={**inherited, **ours, **env},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


@pytest.fixture(scope="module")
def openai_url() -> Iterator[str]:
    """An endpoint that speaks OpenAI's API."""
    with running_fake_openai() as url:
        yield url


@pytest.fixture(scope="module")
def anthropic_url() -> Iterator[str]:
    """An endpoint that speaks Anthropic's API."""
    with running_fake_anthropic() as url:
        yield url


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
def test_agent_with_a_tool(sink: Sink, run_service: RunService, framework: str, scenario: str) -> None:
    """The run, its two model calls and its tool call, with content and tokens; announced while it ran."""
    assert run_service(framework, scenario) == ""
    run, model = "invoke_agent weather_agent", "chat test" if framework == "pydantic_ai" else "chat fake-1"
    assert tree(sink) == [(run, None, OK), (model, run, OK), ("execute_tool get_weather", run, OK), (model, run, OK)]
    assert counts(sink.span(run)) == (4, 4)
    assert announced(sink) == {sink.span(run).span_id}
    tool = sink.span("execute_tool get_weather").attributes
    assert "sunny in" in tool["gen_ai.tool.call.result"]
    chats = [span.attributes for span in sink.spans if span.name == model]
    assert all(chat["gen_ai.usage.input_tokens"] > 0 and "gen_ai.input.messages" in chat for chat in chats)


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_agent_whose_tool_fails(sink: Sink, run_service: RunService, framework: str) -> None:
    """Tool call and run are failed, the model call is not."""
    assert run_service(framework, "failure") == ""
    run = "invoke_agent broken_agent" if framework == "pydantic_ai" else "invoke_agent weather_agent"
    model = "chat test" if framework == "pydantic_ai" else "chat fake-1"
    assert tree(sink) == [(run, None, ERROR), (model, run, OK), ("execute_tool explode", run, ERROR)]
    assert counts(sink.span(run)) == (3, 3)


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_agent_that_is_cancelled(sink: Sink, run_service: RunService, framework: str) -> None:
    """Every span has ended once, and the cancellation shows in the tool call at least."""
    assert run_service(framework, "cancel") == ""
    assert tree(sink)[0][1] is None
    assert len({span.span_id for span in sink.spans}) == len(sink.spans) == 3
    tool = sink.span("execute_tool wait")
    told = [tool.attributes.get("error.type"), *(attributes.get("exception.type") for _, attributes in tool.events)]
    assert "asyncio.exceptions.CancelledError" in told


@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_openai_agents(sink: Sink, run_service: RunService, openai_url: str, scenario: str) -> None:
    """Workflow, agent, model and tool call; the SDK's own tracing stays as it was."""
    said = run_service("openai_agents", scenario, OPENAI_BASE_URL=openai_url)
    assert said.strip() == "OPENAI_API_KEY is not set, skipping trace export"
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


def test_openai_agents_whose_tool_fails(sink: Sink, run_service: RunService, openai_url: str) -> None:
    """Tool call and run are failed."""
    run_service("openai_agents", "failure", OPENAI_BASE_URL=openai_url)
    assert sink.span("execute_tool explode").status == ERROR
    assert sink.span("invoke_agent weather_agent").status == ERROR


def test_openai_agents_that_are_cancelled(sink: Sink, run_service: RunService, openai_url: str) -> None:
    """Every span has ended once."""
    run_service("openai_agents", "cancel", OPENAI_BASE_URL=openai_url)
    assert sorted(span.name for span in sink.spans) == [
        "chat gpt-4.1-mini",
        "execute_tool wait",
        "invoke_agent weather_agent",
        "invoke_workflow Agent workflow",
    ]


@pytest.mark.parametrize(("scenario", "calls"), [("success", 2), ("stream", 1)])
def test_openai_client(sink: Sink, run_service: RunService, openai_url: str, scenario: str, calls: int) -> None:
    """Calls of the plain client are model calls of the run around them, with tokens and content."""
    assert run_service("openai", scenario, OPENAI_BASE_URL=openai_url) == ""
    run = "invoke_agent asker"
    assert tree(sink) == [(run, None, OK), *[("chat gpt-4.1-mini", run, OK)] * calls]
    chat = next(span for span in sink.spans if span.name != run)
    assert chat.attributes["gen_ai.usage.input_tokens"] == 1
    assert "hi" in chat.attributes["gen_ai.input.messages"]
    assert "You said: hi" in chat.attributes["gen_ai.output.messages"]


@pytest.mark.parametrize("client", ["openai", "anthropic"])
def test_client_that_is_refused(
    sink: Sink, run_service: RunService, openai_url: str, anthropic_url: str, client: str
) -> None:
    """The refusal is the model call's error, and that of the run it leaves."""
    env = {"OPENAI_BASE_URL": openai_url, "ANTHROPIC_BASE_URL": anthropic_url, "ANTHROPIC_API_KEY": "none"}
    assert run_service(client, "failure", **env) == ""
    assert [status for _, _, status in tree(sink)] == [ERROR, ERROR]
    run = sink.span("invoke_agent asker")
    assert run.attributes["error.type"] == f"{client}.RateLimitError"


def test_openai_client_that_is_cancelled(sink: Sink, run_service: RunService) -> None:
    """A call that takes too long is ended by its caller, once."""
    with running_fake_openai(delay_s=5) as slow:
        assert run_service("openai", "cancel", OPENAI_BASE_URL=slow) == ""
    run, chat = sink.span("invoke_agent asker"), sink.span("chat gpt-4.1-mini")
    assert chat.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert (run.attributes["error.type"], run.attributes["spanruns.run.status"]) == ("TimeoutError", "failed")
    assert len(sink.spans) == 2


@pytest.mark.parametrize("scenario", ["success", "stream"])
def test_anthropic_client(sink: Sink, run_service: RunService, anthropic_url: str, scenario: str) -> None:
    """The client speaks OpenTelemetry itself: one model call, with tokens and content, and no second one of ours."""
    env = {"ANTHROPIC_BASE_URL": anthropic_url, "ANTHROPIC_API_KEY": "none"}
    assert run_service("anthropic", scenario, **env) == ""
    run, chat = sink.span("invoke_agent asker"), sink.span("anthropic.messages.create")
    assert len(sink.spans) == 2
    assert chat.parent_id == run.span_id
    assert (chat.attributes["gen_ai.usage.input_tokens"], chat.attributes["gen_ai.usage.output_tokens"]) == (11, 4)
    assert "hi" in chat.attributes["gen_ai.input.messages"]


def test_anthropic_client_that_does_not_speak_itself(sink: Sink, run_service: RunService, anthropic_url: str) -> None:
    """Where the client's own spans are switched off the instrumentor makes them."""
    env = {"ANTHROPIC_BASE_URL": anthropic_url, "ANTHROPIC_API_KEY": "none", "ANTHROPIC_OPEN_TELEMETRY": "false"}
    assert run_service("anthropic", "success", **env) == ""
    chat = sink.span("chat claude-fake")
    assert (len(sink.spans), chat.attributes["gen_ai.usage.input_tokens"]) == (2, 11)


def test_smolagents(sink: Sink, run_service: RunService) -> None:
    """The agent's run and its tool calls, announced although its dialect is another one."""
    run_service("smolagents", "success")
    run, tool = sink.span("weather_agent.run"), sink.span("GetWeather")
    assert (run.attributes["openinference.span.kind"], tool.attributes["openinference.span.kind"]) == ("AGENT", "TOOL")
    assert announced(sink) == {run.span_id}
    assert counts(run) == (5, 5)


def test_smolagents_whose_tool_fails(sink: Sink, run_service: RunService) -> None:
    """The failed tool call is one, the run is not."""
    run_service("smolagents", "failure")
    assert (sink.span("GetWeather").status, sink.span("weather_agent.run").status) == (ERROR, 1)


def test_mcp_client_and_server(sink: Sink, run_service: RunService) -> None:
    """One trace over both processes; a run the server makes knows that a tool call of MCP triggered it."""
    run_service("mcp_client", "success")
    caller, called = sink.span("invoke_agent caller"), sink.span("tools/call get_weather")
    forecast = sink.span("forecast")
    assert {span.trace_id for span in (caller, called, forecast)} == {caller.trace_id}
    assert called.parent_id == sink.span("MCP send tools/call get_weather").span_id
    assert called.resource["service.name"] == "mcp_server_service"
    words = ("spanruns.run.trigger", "spanruns.run.trigger_detail")
    assert [forecast.attributes[word] for word in words] == ["mcp", "get_weather"]


def test_mcp_tool_that_fails(sink: Sink, run_service: RunService) -> None:
    """The server's span has the error."""
    run_service("mcp_client", "failure")
    called = sink.span("tools/call explode")
    assert (called.status, called.attributes["error.type"]) == (ERROR, "tool_error")


@pytest.mark.parametrize("framework", ["pydantic_ai", "langgraph"])
def test_content_can_stay_at_home(sink: Sink, run_service: RunService, framework: str) -> None:
    """Without content nothing that was said, given or answered is sent, names and tokens are."""
    run_service(framework, "success", SPANRUNS_CONTENT="metadata_only")
    sent = b"".join(body for _, _, body in sink.requests)
    assert b"sunny" not in sent
    assert b"hi" not in b"".join(str(s.attributes).encode() for s in sink.spans if s.name.startswith("chat"))
    assert len(sink.spans) == 4
    assert all(s.attributes["gen_ai.usage.input_tokens"] > 0 for s in sink.spans if s.name.startswith("chat"))


def test_missing_instrumentor_is_told(sink: Sink, run_service: RunService, tmp_path: Path) -> None:
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
def test_another_instrumentor_wins(sink: Sink, run_service: RunService, tmp_path: Path, order: str) -> None:
    """What the service switches on itself replaces ours, before or after, so nothing is recorded twice."""
    theirs = (
        "from openinference.instrumentation.smolagents import SmolagentsInstrumentor\n"
        "SmolagentsInstrumentor().instrument()\n"
    )
    service = (SERVICES / "smolagents_service.py").read_text()
    before, after = service.split("model = Scripted(")
    after = "model = Scripted(" + after
    script = tmp_path / "script.py"
    ours = "import spanruns.auto\n"
    script.write_text((theirs + before if order == "theirs first" else ours + before + theirs) + after)
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "SPANRUNS_RAISE": "1"}
    done = subprocess.run(
        [sys.executable, str(script), "success"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len([span for span in sink.spans if span.name == "weather_agent.run"]) == 1
