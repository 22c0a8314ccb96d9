"""What single spans of each dialect become: every field of the fact that is not empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

from tests.support.resolving import Bench
from tests.support.spans import exception, span, spans_request

LEFT_OUT = {
    "trace_id",
    "span_id",
    "span_key",
    "parent_key",
    "run_key",
    "started_at",
    "ended_at",
    "event_at",
    "inserted_at",
}
NOTHING = {"service_name": "shop"}


@dataclass
class Case:
    """A span, its scope, and the fact it becomes (beside `service_name`)."""

    name: str
    of: dict[str, Any]
    fact: dict[str, Any]
    scope: str = "tests"
    told: dict[str, Any] = field(default_factory=dict)
    """`status`, `message`, `events` of the span."""


def case(span_name: str, of: dict[str, Any], /, *, scope: str = "tests", told: Any = None, **fact: Any) -> Case:
    """A case; what is expected comes as keywords."""
    return Case(span_name, of, fact, scope, told or {})


GENAI = [
    case(
        "invoke_agent weather",
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "weather",
            "gen_ai.agent.id": "a-1",
            "gen_ai.agent.version": "1.2",
            "gen_ai.conversation.id": "c-1",
            "user.id": "u-1",
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        },
        dialect="genai",
        role="run",
        name="weather",
        agent_id="a-1",
        agent_version="1.2",
        session_id="c-1",
        user_id="u-1",
        input_tokens=20,
        input='[{"parts":[{"content":"hi","type":"text"}],"role":"user"}]',
        input_size=58,
    ),
    case("invoke_agent", {"gen_ai.operation.name": "invoke_agent"}, dialect="genai", role="run", name="invoke_agent"),
    case(
        "invoke_agent from the span",
        {"gen_ai.operation.name": "invoke_agent"},
        dialect="genai",
        role="run",
        name="from the span",
    ),
    case("invoke_agent a", {"gen_ai.agent.name": "a"}, dialect="genai", role="run", name="a"),
    case("execute_tool t", {"gen_ai.tool.name": "t"}, dialect="genai", role="tool", name="t"),
    case(
        "invoke_workflow flow",
        {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "flow"},
        dialect="genai",
        role="workflow",
        name="flow",
    ),
    case(
        "execute_tool get",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "get",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": "<not specified>",
            "gen_ai.tool.call.arguments": {"b": 1, "a": [True]},
            "gen_ai.tool.call.result": "ok",
        },
        dialect="genai",
        role="tool",
        name="get",
        tool_type="function",
        input='{"a":[true],"b":1}',
        input_size=18,
        output="ok",
        output_size=2,
    ),
    case(
        "chat gpt",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "OpenAI",
            "gen_ai.request.model": "gpt",
            "gen_ai.response.model": "gpt-1",
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 5,
            "gen_ai.usage.cache_creation.input_tokens": 4,
            "gen_ai.usage.reasoning.output_tokens": 3,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "operation.cost": 0.001,
        },
        dialect="genai",
        role="model",
        name="gpt-1",
        operation="chat",
        provider="openai",
        input_tokens=20,
        output_tokens=7,
        cache_read_tokens=5,
        cache_write_tokens=4,
        reasoning_tokens=3,
        time_to_first_chunk_ms=250,
        cost_usd=0.001,
    ),
    case(
        "openai.chat",
        {
            "gen_ai.system": "az.ai.openai",
            "gen_ai.request.model": "gpt",
            "llm.request.type": "completion",
            "gen_ai.usage.prompt_tokens": 20,
            "gen_ai.usage.completion_tokens": "7",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "hi",
        },
        dialect="genai",
        role="model",
        name="gpt",
        operation="text_completion",
        provider="azure.ai.openai",
        input_tokens=20,
        output_tokens=7,
        input='{"0.role":"user","0.content":"hi"}',
        input_size=34,
    ),
    case(
        "before operation names",
        {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude"},
        dialect="genai",
        role="model",
        name="claude",
        operation="chat",
        provider="anthropic",
    ),
    case(
        "content in events",
        {"gen_ai.operation.name": "chat"},
        told={
            "events": [
                ("gen_ai.user.message", {"content": "first"}),
                ("gen_ai.user.message", {"content": "second"}),
                ("gen_ai.choice", {"message": "one"}),
                ("gen_ai.choice", {"message": "two"}),
            ]
        },
        dialect="genai",
        role="model",
        operation="chat",
        input="first",
        input_size=5,
        output="two",
        output_size=3,
    ),
    case(
        "invoke_agent gemini-cli",
        {"gen_ai.operation.name": "agent_call", "gen_ai.agent.name": "gemini-cli"},
        dialect="genai",
        role="run",
        name="gemini-cli",
    ),
    case(
        "llm_call",
        {"gen_ai.operation.name": "llm_call", "gen_ai.request.model": "gemini-3", "gen_ai.usage.input_tokens": 9},
        dialect="genai",
        role="model",
        name="gemini-3",
        operation="chat",
        input_tokens=9,
    ),
    case(
        "tool_call",
        {"gen_ai.operation.name": "tool_call", "gen_ai.tool.name": "shell"},
        dialect="genai",
        role="tool",
        name="shell",
    ),
    case("step 1", {"gen_ai.operation.name": "agent_step"}, dialect="genai", name="step 1"),
    case("create_agent x", {"gen_ai.operation.name": "create_agent"}, dialect="genai", name="create_agent x"),
    case(
        "execute_tool (merged tools)",
        {"gen_ai.operation.name": "execute_tool"},
        dialect="genai",
        role="ignored",
        name="execute_tool (merged tools)",
    ),
    case("GET /", {"http.route": "/"}, dialect="genai", name="GET /"),
]

ERRORS = [
    case(
        "execute_tool a",
        {"gen_ai.operation.name": "execute_tool", "error.type": "KeyError"},
        told={"status": "error", "message": "status", "events": [exception("KeyError", "said")]},
        dialect="genai",
        role="tool",
        name="a",
        status="failed",
        error_type="KeyError",
        error_message="said",
    ),
    case(
        "execute_tool b",
        {"gen_ai.operation.name": "execute_tool"},
        told={"status": "error", "events": [exception("OSError", "handled"), exception("ValueError", "last")]},
        dialect="genai",
        role="tool",
        name="b",
        status="failed",
        error_type="ValueError",
        error_message="last",
    ),
    case(
        "execute_tool c",
        {"gen_ai.operation.name": "execute_tool"},
        told={"status": "error", "message": "openai.RateLimitError: slow down"},
        dialect="genai",
        role="tool",
        name="c",
        status="failed",
        error_type="openai.RateLimitError",
        error_message="slow down",
    ),
    case(
        "execute_tool d",
        {"gen_ai.operation.name": "execute_tool"},
        told={
            "status": "error",
            "events": [exception("Exception", "RuntimeError('boom')Traceback (most recent call last):\n  File x")],
        },
        dialect="genai",
        role="tool",
        name="d",
        status="failed",
        error_type="RuntimeError",
        error_message="boom",
    ),
    case(
        "execute_tool e",
        {"gen_ai.operation.name": "execute_tool"},
        told={"status": "error", "message": "it broke"},
        dialect="genai",
        role="tool",
        name="e",
        status="failed",
        error_type="_OTHER",
        error_message="it broke",
    ),
    case(
        "execute_tool f",
        {"gen_ai.operation.name": "execute_tool"},
        told={"status": "error", "events": [exception("asyncio.exceptions.CancelledError", "")]},
        dialect="genai",
        role="tool",
        name="f",
        status="cancelled",
        error_type="asyncio.exceptions.CancelledError",
    ),
    case(
        "execute_tool g",
        {"gen_ai.operation.name": "execute_tool"},
        told={"status": "ok", "events": [exception("asyncio.exceptions.CancelledError", "handled")]},
        dialect="genai",
        role="tool",
        name="g",
        status="success",
    ),
    case(
        "execute_tool h",
        {"gen_ai.operation.name": "execute_tool", "error.type": "tool_error"},
        dialect="genai",
        role="tool",
        name="h",
        status="failed",
        error_type="tool_error",
    ),
    case(
        "execute_tool i",
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.status": "error"},
        scope="strands.telemetry.tracer",
        dialect="genai",
        role="tool",
        name="i",
        status="failed",
        error_type="_OTHER",
    ),
]

OTHERS = [
    # OpenInference
    case(
        "weather.run",
        {
            "openinference.span.kind": "AGENT",
            "agent.name": "weather",
            "session.id": "s-1",
            "user.id": "u-1",
            "tag.tags": ["a", "seq:step:1"],
            "input.value": "hi",
            "llm.token_count.prompt": 20,
            "llm.cost.total": 0.5,
        },
        dialect="openinference",
        role="run",
        name="weather",
        session_id="s-1",
        user_id="u-1",
        tags=["a"],
        input="hi",
        input_size=2,
        input_tokens=20,
        cost_usd=0.5,
    ),
    case(
        "clerk._execute_core", {"openinference.span.kind": "AGENT"}, dialect="openinference", role="agent", name="clerk"
    ),
    case("crew.kickoff", {"openinference.span.kind": "CHAIN"}, dialect="openinference", role="chain", name="crew"),
    case(
        "researcher",
        {
            "openinference.span.kind": "CHAIN",
            "metadata": '{"lc_agent_name": "researcher", "langgraph_node": "tools", "user_id": "u-2"}',
        },
        dialect="openinference",
        role="run",
        name="researcher",
        user_id="u-2",
    ),
    case(
        "agent",
        {"openinference.span.kind": "AGENT", "metadata": '{"ls_integration": "langgraph", "langgraph_node": "agent"}'},
        dialect="openinference",
        role="chain",
        name="agent",
    ),
    case(
        "get_weather.__call__",
        {"openinference.span.kind": "TOOL", "input.value": '{"kwargs": {"city": "Oslo"}}', "output.value": "sunny"},
        dialect="openinference",
        role="tool",
        name="get_weather",
        input='{"city":"Oslo"}',
        input_size=15,
        output="sunny",
        output_size=5,
    ),
    case("handoff to X", {"openinference.span.kind": "TOOL"}, dialect="openinference", name="handoff to X"),
    case(
        "Fake.achat",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "fake-1",
            "llm.system": "vertexai",
            "llm.token_count.prompt": 20,
            "llm.token_count.completion": 7,
            "llm.token_count.prompt_details.cache_read": 5,
            "llm.token_count.completion_details.reasoning": 3,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "hi",
        },
        dialect="openinference",
        role="model",
        name="fake-1",
        operation="chat",
        provider="gcp.vertex_ai",
        input_tokens=20,
        output_tokens=7,
        cache_read_tokens=5,
        reasoning_tokens=3,
        input='{"0.message.role":"user","0.message.content":"hi"}',
        input_size=50,
    ),
    case(
        "Fake._prepare_chat_with_tools",
        {"openinference.span.kind": "LLM"},
        dialect="openinference",
        name="Fake._prepare_chat_with_tools",
    ),
    case("search", {"openinference.span.kind": "RETRIEVER"}, dialect="openinference", name="search"),
    # Traceloop
    case(
        "flow.workflow",
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.name": "flow",
            "traceloop.association.properties.session_id": "s-1",
            "traceloop.association.properties.user_id": "u-1",
        },
        dialect="traceloop",
        role="workflow",
        name="flow",
        session_id="s-1",
        user_id="u-1",
    ),
    case(
        "execute_task researcher",
        {"traceloop.span.kind": "task", "traceloop.association.properties.lc_agent_name": "researcher"},
        dialect="traceloop",
        role="run",
        name="researcher",
    ),
    case(
        "invoke_agent researcher",
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "researcher"},
        scope="opentelemetry.instrumentation.langchain",
        dialect="traceloop",
        role="chain",
        name="researcher",
    ),
    case(
        "Fake.chat",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "langchain",
            "gen_ai.request.model": "unknown",
            "traceloop.workflow.name": "flow",
            "traceloop.association.properties.ls_provider": "openai",
            "traceloop.association.properties.ls_model_name": "gpt",
            "gen_ai.usage.reasoning_tokens": 3,
        },
        dialect="traceloop",
        role="model",
        operation="chat",
        provider="openai",
        reasoning_tokens=3,
    ),
    case(
        "get.tool",
        {
            "traceloop.span.kind": "tool",
            "gen_ai.tool.name": "get",
            "gen_ai.task.status": "failure",
            "gen_ai.tool.call.arguments": '{"input_str": "{}", "inputs": {"city": "Oslo"}}',
        },
        dialect="traceloop",
        role="tool",
        name="get",
        status="failed",
        error_type="_OTHER",
        input='{"city":"Oslo"}',
        input_size=15,
    ),
    # LangSmith
    case(
        "weather_run",
        {
            "langsmith.span.kind": "chain",
            "langsmith.metadata.ls_integration": "langchain_create_agent",
            "langsmith.metadata.lc_agent_name": "weather",
            "langsmith.metadata.thread_id": "t-1",
            "langsmith.span.tags": "b, a, graph:step:1",
        },
        dialect="langsmith",
        role="agent",
        name="weather_run",
        session_id="t-1",
        tags=["b", "a"],
    ),
    case(
        "ChatOpenAI",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "langchain",
            "langsmith.metadata.ls_provider": "openai",
            "gen_ai.request.model": "gpt",
            "langsmith.metadata.usage_metadata": '{"input_token_details":{"cache_read":4},"output_token_details":{"reasoning":2}}',
        },
        dialect="langsmith",
        role="model",
        name="gpt",
        operation="chat",
        provider="openai",
        cache_read_tokens=4,
        reasoning_tokens=2,
    ),
    # Vercel
    case(
        "ai.generateText",
        {
            "ai.operationId": "ai.generateText",
            "ai.telemetry.functionId": "weather",
            "ai.telemetry.metadata.userId": "u-1",
            "ai.telemetry.metadata.sessionId": "s-1",
            "ai.usage.inputTokens": 20,
        },
        dialect="vercel",
        role="run",
        name="weather",
        user_id="u-1",
        session_id="s-1",
        input_tokens=20,
    ),
    case(
        "ai.generateText.doGenerate",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.id": "gpt",
            "ai.model.provider": "openai.responses",
            "ai.usage.promptTokens": 20,
            "ai.usage.completionTokens": 7,
            "ai.usage.cachedInputTokens": 5,
            "ai.usage.reasoningTokens": 3,
            "ai.response.text": "hi",
        },
        dialect="vercel",
        role="model",
        name="gpt",
        operation="chat",
        provider="openai",
        input_tokens=20,
        output_tokens=7,
        cache_read_tokens=5,
        reasoning_tokens=3,
        output="hi",
        output_size=2,
    ),
    case(
        "ai.toolCall",
        {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "get", "ai.toolCall.id": "c1", "ai.toolCall.args": "{}"},
        dialect="vercel",
        role="tool",
        name="get",
        tool_call_id="c1",
        input="{}",
        input_size=2,
    ),
    case(
        "ai.embed",
        {"ai.operationId": "ai.embed", "ai.telemetry.functionId": "embedder", "ai.value": '"hi"'},
        dialect="vercel",
        role="chain",
        name="embedder",
        input='"hi"',
        input_size=4,
    ),
    case("ai.stream.step", {"ai.operationId": "ai.stream.step"}, dialect="vercel", name="ai.stream.step"),
    # MLflow: every value is JSON
    case(
        "weather",
        {"mlflow.spanType": '"AGENT"', "mlflow.spanInputs": '{"q": 1}', "session.id": '"s-1"'},
        dialect="mlflow",
        role="run",
        name="weather",
        session_id="s-1",
        input='{"q": 1}',
        input_size=8,
    ),
    case(
        "chat",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"gpt"',
            "mlflow.llm.provider": '"openai"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 20, "output_tokens": 7, "cache_read_input_tokens": 5}',
            "mlflow.llm.cost": '{"total_cost": 0.25}',
        },
        dialect="mlflow",
        role="model",
        name="gpt",
        operation="chat",
        provider="openai",
        input_tokens=20,
        output_tokens=7,
        cache_read_tokens=5,
        cost_usd=0.25,
    ),
    # Claude Code: the cache is not in the input tokens
    case(
        "claude_code.llm_request",
        {
            "model": "claude",
            "input_tokens": 20,
            "output_tokens": 7,
            "cache_read_tokens": 100,
            "cache_creation_tokens": 1000,
        },
        dialect="claude_code",
        role="model",
        name="claude",
        operation="chat",
        input_tokens=1120,
        output_tokens=7,
        cache_read_tokens=100,
        cache_write_tokens=1000,
    ),
    case(
        "claude_code.interaction",
        {"user_prompt": "<REDACTED>", "session.id": "s-1"},
        dialect="claude_code",
        role="run",
        name="claude_code",
        session_id="s-1",
    ),
    case(
        "claude_code.tool",
        {"tool_name": "Bash", "tool_use_id": "c1", "full_command": "ls", "success": False, "error": "denied"},
        told={"events": [("tool.output", {"output": "no"})]},
        dialect="claude_code",
        role="tool",
        name="Bash",
        tool_call_id="c1",
        input="ls",
        input_size=2,
        output="no",
        output_size=2,
        status="failed",
        error_type="_OTHER",
        error_message="denied",
    ),
    case("claude_code.hook", {}, dialect="claude_code", name="claude_code.hook"),
    # Logfire: `name` means something on its spans only
    case(
        "Agent run: {name!r}",
        {"logfire.msg_template": "Agent run: {name!r}", "name": "weather", "agent_trace_id": "t"},
        scope="logfire.openai_agents",
        dialect="logfire",
        role="run",
        name="weather",
    ),
    case(
        "Agent run: {name!r}",
        {"logfire.msg_template": "Agent run: {name!r}", "name": "weather"},
        dialect="genai",
        name="Agent run: {name!r}",
    ),
    case(
        "Chat Completion with {request_data[model]!r}",
        {"gen_ai.operation.name": "chat", "logfire.span_type": "span", "gen_ai.response.model": "gpt"},
        scope="logfire.openai",
        dialect="logfire",
        name="Chat Completion with {request_data[model]!r}",
    ),
    case(
        "streaming response from {request_data[model]!r} took {duration:.2f}s",
        {
            "gen_ai.operation.name": "chat",
            "logfire.span_type": "log",
            "gen_ai.response.model": "gpt",
            "gen_ai.usage.raw": '{"prompt_tokens_details": {"cached_tokens": 5}}',
        },
        scope="logfire.openai",
        dialect="logfire",
        role="model",
        name="gpt",
        operation="chat",
        cache_read_tokens=5,
    ),
    # OpenInference: Instructor's steps are not tools
    case(
        "instructor.patch",
        {"openinference.span.kind": "TOOL"},
        scope="openinference.instrumentation.instructor",
        dialect="openinference",
        name="instructor.patch",
    ),
    # Pydantic AI, format 2
    case(
        "agent run",
        {"agent_name": "weather", "gen_ai.aggregated_usage.input_tokens": 20, "final_result": "sunny"},
        scope="pydantic-ai",
        dialect="pydantic_ai",
        role="run",
        name="weather",
        input_tokens=20,
        output="sunny",
        output_size=5,
    ),
    case(
        "running tool",
        {"gen_ai.tool.name": "get", "tool_arguments": '{"a":1}', "tool_response": "ok"},
        scope="pydantic-ai",
        dialect="pydantic_ai",
        role="tool",
        name="get",
        input='{"a":1}',
        input_size=7,
        output="ok",
        output_size=2,
    ),
    # Google ADK, schema 1
    case(
        "call_llm",
        {"gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini", "gcp.vertex.agent.session_id": "s-1"},
        scope="gcp.vertex.agent",
        dialect="google_adk",
        role="model",
        name="gemini",
        operation="chat",
        session_id="s-1",
    ),
    case("invocation", {}, scope="gcp.vertex.agent", dialect="google_adk", role="workflow", name="invocation"),
    # MCP
    case(
        "tools/call get",
        {"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get"},
        scope="mcp-python-sdk",
        dialect="mcp",
        role="tool",
        is_shadow=True,
        name="get",
    ),
    case(
        "MCP send tools/call get",
        {"mcp.method.name": "tools/call"},
        scope="mcp-python-sdk",
        dialect="mcp",
        role="tool",
        is_shadow=True,
        name="get",
    ),
    case("tools/list", {"mcp.method.name": "tools/list"}, scope="fastmcp", dialect="mcp", name="tools/list"),
    # Langfuse, Laminar
    case(
        "llm",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt",
            "langfuse.observation.usage_details": '{"input": 20, "output": 7, "cache_read_input_tokens": 5}',
            "langfuse.observation.cost_details": '{"total": 0.25}',
        },
        dialect="langfuse",
        role="model",
        name="gpt",
        operation="chat",
        input_tokens=20,
        output_tokens=7,
        cache_read_tokens=5,
        cost_usd=0.25,
    ),
    case(
        "step",
        {"lmnr.span.type": "EXECUTOR", "lmnr.span.input": "x"},
        dialect="laminar",
        role="run",
        name="step",
        input="x",
        input_size=1,
    ),
    # Haystack
    case(
        "haystack.agent.step.llm",
        {
            "haystack.agent.step.llm.output": '{"replies": [{"meta": {"model": "gpt", "usage": {"prompt_tokens": 20, "completion_tokens": 7}}}]}'
        },
        dialect="haystack",
        role="model",
        name="gpt",
        operation="chat",
        input_tokens=20,
        output_tokens=7,
        output='{"replies": [{"meta": {"model": "gpt", "usage": {"prompt_tokens": 20, "completion_tokens": 7}}}]}',
        output_size=97,
    ),
    case(
        "haystack.agent.step.tool",
        {"haystack.tool.name": "boom", "haystack.agent.step.tool.output": '{"error": "Failed to invoke Tool `boom`"}'},
        dialect="haystack",
        role="tool",
        name="boom",
        status="failed",
        error_type="_OTHER",
        error_message="Failed to invoke Tool `boom`",
        output='{"error": "Failed to invoke Tool `boom`"}',
        output_size=41,
    ),
    # CrewAI's own names of agents are hashes
    case(
        "execute agent",
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "453a34", "crewai.agent.role": "clerk"},
        scope="crewai",
        dialect="crewai",
        role="run",
        name="clerk",
    ),
    case(
        "tool failure", {"gen_ai.operation.name": "execute_tool"}, scope="crewai", dialect="crewai", name="tool failure"
    ),
    # Microsoft Agent Framework
    case(
        "workflow.run",
        {"workflow.name": "flow"},
        scope="agent_framework",
        dialect="agent_framework",
        role="chain",
        name="flow",
    ),
    # OpenLIT: steps are called agents; what failed has few attributes
    case(
        "invoke_agent model",
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "model"},
        scope="openlit.instrumentation.langgraph",
        dialect="openlit",
        role="chain",
        name="model",
    ),
    case(
        "invoke_agent generate_plan",
        {"gen_ai.operation.name": "invoke_agent", "deployment.environment": "test"},
        scope="openlit.instrumentation.crewai",
        dialect="openlit",
        role="chain",
        name="generate_plan",
        environment="test",
    ),
    case(
        "invoke_workflow flow",
        {"error.type": "KeyError", "gen_ai.workflow.name": "flow"},
        told={"status": "error"},
        scope="openlit.instrumentation.langgraph",
        dialect="openlit",
        role="workflow",
        name="flow",
        status="failed",
        error_type="KeyError",
    ),
    case(
        "chat gpt",
        {},
        told={"status": "error", "events": [exception("openai.RateLimitError", "slow down")]},
        scope="openlit.otel.tracing",
        dialect="openlit",
        role="model",
        operation="chat",
        status="failed",
        error_type="openai.RateLimitError",
        error_message="slow down",
    ),
    # Our own
    case(
        "job",
        {
            "spanruns.kind": "run",
            "spanruns.run.kind": "job",
            "gen_ai.agent.name": "nightly",
            "spanruns.run.id": "n-1",
            "spanruns.run.parent_id": "p-1",
            "spanruns.run.trigger": "schedule",
            "spanruns.run.trigger_detail": "0 3 * * *",
            "spanruns.run.status": "success",
            "spanruns.run.waiting_ms": 5,
            "spanruns.run.parameters": '{"day": 1}',
            "spanruns.run.output": "done",
            "spanruns.run.rows_processed": 10,
            "spanruns.run.progress.done": 1,
            "spanruns.run.progress.total": 2,
            "spanruns.run.dry_run": True,
            "spanruns.run.sla_ms": 60000,
            "spanruns.run.tags": ["a"],
            "spanruns.run.spans.ended": 4,
            "spanruns.workspace": "w",
        },
        dialect="spanruns",
        role="run",
        name="nightly",
        run_kind="job",
        run_id="n-1",
        parent_run_id="p-1",
        trigger="schedule",
        trigger_detail="0 3 * * *",
        status="success",
        waiting_ms=5,
        parameters='{"day": 1}',
        output="done",
        output_size=4,
        rows_processed=10,
        progress_done=1,
        progress_total=2,
        dry_run=True,
        sla_ms=60000,
        tags=["a"],
        spans_reported=4,
        workspace="w",
    ),
]

CASES = [*GENAI, *ERRORS, *OTHERS]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The fact of every case, all received at once."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    bench = Bench(store)
    bench.receive(*(spans_request([_span(number, of)], scope=of.scope) for number, of in enumerate(CASES, 1)))
    yield rows(store, "SELECT * FROM span_facts ORDER BY trace_id")
    store.close()


def _span(number: int, of: Case) -> Span:
    return span(1, of.name, of.of, trace=number, **of.told)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}-{of.name}" for n, of in enumerate(CASES)])
def test_span(facts: list[dict[str, Any]], number: int) -> None:
    """A span becomes the fact that its dialect's data says, and nothing besides."""
    fact = {
        name: value
        for name, value in facts[number].items()
        if name not in LEFT_OUT and value not in ("", None, 0, []) and not str(value).startswith("1970-")
    }
    assert fact == NOTHING | CASES[number].fact


def test_all_cases_are_there(facts: list[dict[str, Any]]) -> None:
    """One fact a span."""
    assert len(facts) == len(CASES)
