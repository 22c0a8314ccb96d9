"""Spans and log records on their way out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import spanruns
from opentelemetry import trace
from spanruns._otlp import role_of
from spanruns.testing import capture

KEY = "sk-abcdefghijklmnopqrstuvwx"


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool"},
        {"openinference.span.kind": "TOOL"},
        {"traceloop.span.kind": "tool"},
        {"langsmith.span.kind": "tool"},
        {"mlflow.spanType": '"TOOL"'},
        {"ai.operationId": "ai.toolCall"},
        {"mcp.method.name": "tools/call"},
    ],
)
def test_tool_span_in_every_dialect(attributes: dict[str, Any]) -> None:
    """A span whose content is a tool's is recognised whoever made it."""
    assert role_of(attributes) == "tool"
    assert role_of({"gen_ai.operation.name": "chat"}) == "other"


def test_secret_leaves_nowhere() -> None:
    """A secret in arguments, name, result, exception, framework messages, status and logs is found in nothing that leaves."""

    @spanruns.tool
    def call(key: str) -> str:
        raise RuntimeError(f"bad key {key}")

    def work() -> None:
        with spanruns.run(f"job {KEY}", input={"nested": f'{{"k": "{KEY}"}}'}) as run:
            run.set_output([KEY])
            run.add_tag(KEY)
            run.set_user(f"u {KEY}")
            logging.getLogger("app").warning("using %s", KEY, extra={"detail": {"k": KEY}})
            logging.getLogger("app").error("failed", exc_info=RuntimeError(KEY))
            with trace.get_tracer("framework").start_as_current_span(
                "chat", attributes={"gen_ai.input.messages": f'[{{"content":"{KEY}"}}]', "my.list": [KEY]}
            ) as span:
                span.add_event("said", {"text": KEY})
                run.progress(1)
            call(KEY)

    with capture() as captured:
        with pytest.raises(RuntimeError):
            work()
        everything = repr((captured.spans, captured.events, captured.logs))
    assert KEY not in everything
    assert everything.count("[masked]") >= 12
    assert (len(captured.spans), len(captured.logs)) == (3, 2)


def test_metadata_only_keeps_no_words() -> None:
    """Without content, messages of exceptions and logs are content too; classes, names and times stay."""

    def work() -> None:
        with spanruns.run("job", input="WORDS", parameters={"p": "WORDS"}) as run:
            run.set_output("WORDS")
            with spanruns.tool("t", arguments="WORDS") as call:
                call.set_result("WORDS")
            logging.getLogger("app").warning("WORDS", exc_info=ValueError("WORDS"))
            raise RuntimeError("WORDS")

    with capture(content="metadata_only") as captured:
        with pytest.raises(RuntimeError):
            work()
        everything = repr((captured.spans, captured.events, captured.logs))
    assert "WORDS" not in everything
    (run_span,) = captured.runs
    assert (run_span.status, run_span.message, run_span.attributes["error.type"]) == ("ERROR", None, "RuntimeError")
    assert run_span.events == [("exception", {"exception.type": "RuntimeError"})]
    assert [log.attributes.get("exception.type") for log in captured.logs] == ["ValueError"]


def test_no_tool_content_keeps_the_rest() -> None:
    """Only what tools were given and answered is left out."""
    with capture(content="no_tool_content") as captured:
        with spanruns.run("job", input="KEPT"), spanruns.tool("t", arguments="WORDS") as call:
            call.set_result("WORDS")
        everything = repr((captured.spans, captured.events))
    assert "WORDS" not in everything
    assert captured.run("job").attributes["spanruns.run.input"] == '"KEPT"'
    assert captured.tool("t").attributes["gen_ai.tool.name"] == "t"
