"""Every key of every dialect, in every form that its value comes in, and before every key that is tried after it.

The tables say what instrumentations write, not what the data says: each row is received, mapped and resolved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from spanruns_schema.embedded import EmbeddedStore

from tests.support.resolving import Bench
from tests.support.spans import span, spans_request, trace_id


@dataclass(frozen=True)
class Shape:
    """A span of a dialect: what makes it a run, tool call or model call."""

    name: str
    of: dict[str, Any]
    scope: str = "tests"
    quoted: bool = False  # every value is JSON


GENAI_RUN = Shape("invoke_agent", {"gen_ai.operation.name": "invoke_agent"})
GENAI_TOOL = Shape("execute_tool", {"gen_ai.operation.name": "execute_tool"})
GENAI_MODEL = Shape("chat", {"gen_ai.operation.name": "chat"})

SHAPES: dict[str, dict[str, Shape]] = {
    "genai": {"run": GENAI_RUN, "tool": GENAI_TOOL, "model": GENAI_MODEL},
    "openinference": {
        "run": Shape("x", {"openinference.span.kind": "AGENT"}),
        "tool": Shape("x", {"openinference.span.kind": "TOOL"}),
        "model": Shape("x", {"openinference.span.kind": "LLM"}),
        "embedding": Shape("x", {"openinference.span.kind": "EMBEDDING"}),
    },
    "traceloop": {
        "run": Shape("x.agent", {"traceloop.span.kind": "agent"}),
        "tool": Shape("x.tool", {"traceloop.span.kind": "tool"}),
        "model": Shape("x.chat", {"llm.request.type": "chat", "traceloop.workflow.name": "w"}),
    },
    "pydantic_ai": {
        "run": Shape("invoke_agent", {"gen_ai.operation.name": "invoke_agent"}, "pydantic-ai"),
        "old run": Shape("agent run", {}, "pydantic-ai"),
        "tool": Shape("execute_tool", {"gen_ai.operation.name": "execute_tool"}, "pydantic-ai"),
        "old tool": Shape("running tool", {}, "pydantic-ai"),
        "model": Shape("chat", {"gen_ai.operation.name": "chat"}, "pydantic-ai"),
    },
    "logfire": {
        "run": Shape("Agent run", {"logfire.msg_template": "Agent run: {name!r}"}, "logfire.openai_agents"),
        "tool": Shape("Function", {"logfire.msg_template": "Function: {name}"}, "logfire.openai_agents"),
        "model": Shape("Responses API", {"gen_ai.operation.name": "chat"}, "logfire.openai_agents"),
    },
    "langsmith": {
        "run": Shape("x", {"langsmith.span.kind": "chain", "langsmith.metadata.lc_agent_name": "x"}, "langsmith"),
        "tool": Shape("x", {"langsmith.span.kind": "tool", "gen_ai.operation.name": "execute_tool"}, "langsmith"),
        "model": Shape("x", {"langsmith.span.kind": "llm", "gen_ai.operation.name": "chat"}, "langsmith"),
    },
    "vercel": {
        "run": Shape("ai.generateText", {"ai.operationId": "ai.generateText"}, "ai"),
        "tool": Shape("ai.toolCall", {"ai.operationId": "ai.toolCall"}, "ai"),
        "model": Shape("ai.generateText.doGenerate", {"ai.operationId": "ai.generateText.doGenerate"}, "ai"),
        "embedding": Shape("ai.embed.doEmbed", {"ai.operationId": "ai.embed.doEmbed"}, "ai"),
    },
    "mlflow": {
        "run": Shape("x", {"mlflow.spanType": "AGENT"}, "mlflow.trace", quoted=True),
        "tool": Shape("x", {"mlflow.spanType": "TOOL"}, "mlflow.trace", quoted=True),
        "model": Shape("x", {"mlflow.spanType": "CHAT_MODEL"}, "mlflow.trace", quoted=True),
    },
    "google_adk": {
        "run": Shape("invoke_agent", {"gen_ai.operation.name": "invoke_agent"}, "gcp.vertex.agent"),
        "tool": Shape("execute_tool", {"gen_ai.operation.name": "execute_tool"}, "gcp.vertex.agent"),
        "model": Shape("call_llm", {}, "gcp.vertex.agent"),
    },
    "crewai": {
        "run": Shape("execute agent", {"gen_ai.operation.name": "invoke_agent"}, "crewai"),
        "tool": Shape("call tool", {"gen_ai.operation.name": "execute_tool"}, "crewai"),
        "model": Shape("call llm", {"gen_ai.operation.name": "chat"}, "crewai"),
    },
    "haystack": {
        "run": Shape("haystack.agent.run", {}, "haystack"),
        "tool": Shape("haystack.agent.step.tool", {}, "haystack"),
        "model": Shape("haystack.agent.step.llm", {}, "haystack"),
    },
    "claude_code": {
        "run": Shape("claude_code.interaction", {"span.type": "interaction"}, "com.anthropic.claude_code"),
        "tool": Shape("claude_code.tool", {"span.type": "tool"}, "com.anthropic.claude_code"),
        "model": Shape("claude_code.llm_request", {"span.type": "llm_request"}, "com.anthropic.claude_code"),
    },
    "langfuse": {
        "run": Shape("x", {"langfuse.observation.type": "agent"}, "langfuse-sdk"),
        "tool": Shape("x", {"langfuse.observation.type": "tool"}, "langfuse-sdk"),
        "model": Shape("x", {"langfuse.observation.type": "generation"}, "langfuse-sdk"),
    },
    "laminar": {
        "run": Shape("x", {"lmnr.span.type": "EXECUTOR"}, "lmnr"),
        "tool": Shape("x", {"lmnr.span.type": "TOOL"}, "lmnr"),
        "model": Shape("x", {"lmnr.span.type": "LLM"}, "lmnr"),
    },
    "strands": {
        "run": Shape("invoke_agent", {"gen_ai.operation.name": "invoke_agent"}, "strands.telemetry.tracer"),
        "tool": Shape("execute_tool", {"gen_ai.operation.name": "execute_tool"}, "strands.telemetry.tracer"),
        "model": Shape("chat", {"gen_ai.operation.name": "chat"}, "strands.telemetry.tracer"),
    },
}

# dialect: {(shape, column): keys in the order in which they are tried}; `key#path` is inside the key's JSON value
KEYS: dict[str, dict[tuple[str, str], list[str]]] = {
    "genai": {
        ("run", "agent_name"): ["gen_ai.agent.name", "gen_ai.workflow.name"],
        ("run", "agent_id"): ["gen_ai.agent.id"],
        ("run", "agent_version"): ["gen_ai.agent.version"],
        ("run", "session_id"): ["gen_ai.conversation.id", "session.id"],
        ("run", "user_id"): ["user.id", "enduser.id"],
        ("run", "input"): ["gen_ai.input.messages"],
        ("run", "output"): ["gen_ai.output.messages"],
        ("run", "reported_input_tokens"): ["gen_ai.usage.input_tokens"],
        ("run", "reported_output_tokens"): ["gen_ai.usage.output_tokens"],
        ("tool", "tool_name"): ["gen_ai.tool.name"],
        ("tool", "tool_call_id"): ["gen_ai.tool.call.id"],
        ("tool", "tool_type"): ["gen_ai.tool.type"],
        ("tool", "arguments"): ["gen_ai.tool.call.arguments"],
        ("tool", "result"): ["gen_ai.tool.call.result"],
        ("model", "model"): ["gen_ai.response.model", "gen_ai.request.model"],
        ("model", "provider"): ["gen_ai.provider.name", "gen_ai.system"],
        ("model", "input_tokens"): ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
        ("model", "output_tokens"): ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"],
        ("model", "cache_read_tokens"): [
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
        ],
        ("model", "cache_write_tokens"): [
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
        ],
        ("model", "reasoning_tokens"): [
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
        ],
        ("model", "cost_usd"): ["operation.cost"],
        ("model", "input"): ["gen_ai.input.messages", "gen_ai.prompt"],
        ("model", "output"): ["gen_ai.output.messages", "gen_ai.completion"],
        ("model", "audio_input_tokens"): [
            "gen_ai.usage.audio.input_tokens",
            "gen_ai.usage.input_audio_tokens",
            "gen_ai.usage.audio_input_tokens",
        ],
        ("model", "audio_output_tokens"): [
            "gen_ai.usage.audio.output_tokens",
            "gen_ai.usage.output_audio_tokens",
            "gen_ai.usage.audio_output_tokens",
        ],
        ("model", "audio_cache_read_tokens"): ["gen_ai.usage.audio.cache_read.input_tokens"],
        ("model", "image_input_tokens"): ["gen_ai.usage.image.input_tokens"],
        ("model", "image_output_tokens"): ["gen_ai.usage.image.output_tokens"],
        ("model", "image_cache_read_tokens"): ["gen_ai.usage.image.cache_read.input_tokens"],
    },
    "openinference": {
        ("run", "agent_name"): ["agent.name", "graph.node.id"],
        ("run", "session_id"): ["session.id"],
        ("run", "user_id"): ["user.id"],
        ("run", "tags"): ["tag.tags"],
        ("run", "input"): ["input.value"],
        ("run", "output"): ["output.value"],
        ("tool", "tool_name"): ["tool.name"],
        ("tool", "tool_call_id"): ["tool.id", "tool_call.id"],
        ("tool", "arguments"): ["input.value"],
        ("tool", "result"): ["output.value"],
        ("model", "model"): ["llm.response.model_name", "llm.model_name", "llm.request.model_name"],
        ("embedding", "model"): ["embedding.model_name"],
        ("model", "provider"): ["llm.provider", "llm.system"],
        ("model", "input_tokens"): ["llm.token_count.prompt"],
        ("model", "output_tokens"): ["llm.token_count.completion"],
        ("model", "cache_read_tokens"): [
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ],
        ("model", "cache_write_tokens"): ["llm.token_count.prompt_details.cache_write"],
        ("model", "reasoning_tokens"): ["llm.token_count.completion_details.reasoning"],
        ("model", "cost_usd"): ["llm.cost.total"],
        ("model", "input"): ["input.value"],
        ("model", "output"): ["output.value"],
        ("model", "audio_input_tokens"): ["llm.token_count.prompt_details.audio"],
        ("model", "audio_output_tokens"): ["llm.token_count.completion_details.audio"],
    },
    "traceloop": {
        ("run", "agent_name"): ["gen_ai.agent.name", "traceloop.entity.name", "traceloop.workflow.name"],
        ("run", "agent_id"): ["gen_ai.agent.id"],
        ("run", "session_id"): [
            "traceloop.association.properties.session_id",
            "gen_ai.conversation.id",
            "traceloop.association.properties.thread_id",
        ],
        ("run", "user_id"): ["traceloop.association.properties.user_id", "llm.user"],
        ("run", "input"): ["gen_ai.input.messages", "traceloop.entity.input"],
        ("run", "output"): ["gen_ai.output.messages", "traceloop.entity.output"],
        ("tool", "tool_name"): ["gen_ai.tool.name", "traceloop.entity.name"],
        ("tool", "arguments"): ["gen_ai.tool.call.arguments", "traceloop.entity.input"],
        ("tool", "result"): ["gen_ai.tool.call.result", "traceloop.entity.output"],
        ("model", "model"): ["gen_ai.response.model", "gen_ai.request.model"],
        ("model", "provider"): [
            "traceloop.association.properties.ls_provider",
            "gen_ai.provider.name",
            "gen_ai.system",
        ],
        ("model", "input_tokens"): ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
        ("model", "output_tokens"): ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"],
        ("model", "cache_read_tokens"): [
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
        ],
        ("model", "cache_write_tokens"): ["gen_ai.usage.cache_creation_input_tokens"],
        ("model", "reasoning_tokens"): ["gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens"],
    },
    "pydantic_ai": {
        ("run", "agent_name"): ["gen_ai.agent.name", "agent_name"],
        ("old run", "agent_name"): ["agent_name"],
        ("run", "session_id"): ["gen_ai.conversation.id"],
        ("run", "input"): ["pydantic_ai.all_messages", "all_messages_events"],
        ("run", "output"): ["final_result"],
        ("run", "reported_input_tokens"): ["gen_ai.aggregated_usage.input_tokens", "gen_ai.usage.input_tokens"],
        ("run", "reported_output_tokens"): ["gen_ai.aggregated_usage.output_tokens", "gen_ai.usage.output_tokens"],
        ("run", "tags"): ["logfire.tags"],
        ("tool", "tool_name"): ["gen_ai.tool.name"],
        ("tool", "tool_call_id"): ["gen_ai.tool.call.id"],
        ("tool", "arguments"): ["gen_ai.tool.call.arguments", "tool_arguments"],
        ("old tool", "arguments"): ["tool_arguments"],
        ("tool", "result"): ["gen_ai.tool.call.result", "tool_response"],
        ("old tool", "result"): ["tool_response"],
        ("model", "input"): ["gen_ai.input.messages", "events"],
        ("model", "cost_usd"): ["operation.cost"],
        ("model", "cache_read_tokens"): [
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
        ],
        ("model", "cache_write_tokens"): ["gen_ai.usage.details.cache_write_tokens"],
        ("model", "reasoning_tokens"): ["gen_ai.usage.details.reasoning_tokens"],
        ("model", "audio_input_tokens"): [
            "gen_ai.usage.details.input_audio_tokens",
            "gen_ai.usage.details.audio_prompt_tokens",
        ],
        ("model", "audio_output_tokens"): [
            "gen_ai.usage.details.output_audio_tokens",
            "gen_ai.usage.details.audio_candidates_tokens",
            "gen_ai.usage.details.audio_response_tokens",
            "gen_ai.usage.details.audio_tokens",
        ],
        ("model", "audio_cache_read_tokens"): [
            "gen_ai.usage.details.cache_audio_read_tokens",
            "gen_ai.usage.details.audio_cache_tokens",
        ],
        ("model", "image_input_tokens"): ["gen_ai.usage.details.image_prompt_tokens"],
        ("model", "image_output_tokens"): [
            "gen_ai.usage.details.image_candidates_tokens",
            "gen_ai.usage.details.image_response_tokens",
        ],
        ("model", "image_cache_read_tokens"): ["gen_ai.usage.details.image_cache_tokens"],
    },
    "logfire": {
        ("run", "agent_name"): ["name"],
        ("run", "session_id"): ["gen_ai.conversation.id", "group_id"],
        ("run", "tags"): ["logfire.tags"],
        ("tool", "tool_name"): ["gen_ai.tool.name", "name"],
        ("tool", "arguments"): ["input"],
        ("tool", "result"): ["output"],
        ("model", "model"): ["gen_ai.response.model", "gen_ai.request.model"],
        ("model", "input_tokens"): ["gen_ai.usage.input_tokens"],
        ("model", "audio_input_tokens"): ["gen_ai.usage.raw#prompt_tokens_details.audio_tokens"],
        ("model", "audio_output_tokens"): ["gen_ai.usage.raw#completion_tokens_details.audio_tokens"],
    },
    "langsmith": {
        ("run", "session_id"): [
            "langsmith.metadata.session_id",
            "langsmith.metadata.thread_id",
            "langsmith.metadata.conversation_id",
            "langsmith.trace.session_id",
        ],
        ("run", "user_id"): ["langsmith.metadata.user_id"],
        ("run", "tags"): ["langsmith.span.tags"],
        ("run", "input"): ["gen_ai.prompt"],
        ("run", "output"): ["gen_ai.completion"],
        ("tool", "tool_name"): ["gen_ai.tool.name"],
        ("tool", "tool_call_id"): ["gen_ai.tool.call.id"],
        ("tool", "arguments"): ["gen_ai.prompt"],
        ("tool", "result"): ["gen_ai.completion"],
        ("model", "model"): ["gen_ai.request.model", "langsmith.metadata.ls_model_name"],
        ("model", "provider"): ["langsmith.metadata.ls_provider", "gen_ai.system"],
        ("model", "input_tokens"): ["gen_ai.usage.input_tokens"],
        ("model", "output_tokens"): ["gen_ai.usage.output_tokens"],
        ("model", "cache_read_tokens"): [
            "langsmith.metadata.usage_metadata#input_token_details.cache_read",
            "gen_ai.usage.input_token_details#cache_read",
        ],
        ("model", "cache_write_tokens"): ["langsmith.metadata.usage_metadata#input_token_details.cache_creation"],
        ("model", "reasoning_tokens"): ["langsmith.metadata.usage_metadata#output_token_details.reasoning"],
        ("model", "audio_input_tokens"): [
            "langsmith.metadata.usage_metadata#input_token_details.audio",
            "gen_ai.usage.input_token_details#audio",
        ],
        ("model", "audio_output_tokens"): [
            "langsmith.metadata.usage_metadata#output_token_details.audio",
            "gen_ai.usage.output_token_details#audio",
        ],
    },
    "vercel": {
        ("run", "agent_name"): ["ai.telemetry.functionId", "resource.name"],
        ("run", "session_id"): ["ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId"],
        ("run", "user_id"): ["ai.telemetry.metadata.userId", "ai.settings.context.userId"],
        ("run", "input"): ["ai.prompt"],
        ("run", "output"): ["ai.response.text", "ai.response.object", "ai.response.toolCalls"],
        ("run", "reported_input_tokens"): ["ai.usage.inputTokens", "ai.usage.promptTokens"],
        ("run", "reported_output_tokens"): ["ai.usage.outputTokens", "ai.usage.completionTokens"],
        ("tool", "tool_name"): ["ai.toolCall.name"],
        ("tool", "tool_call_id"): ["ai.toolCall.id"],
        ("tool", "arguments"): ["ai.toolCall.args"],
        ("tool", "result"): ["ai.toolCall.result"],
        ("model", "model"): ["ai.response.model", "gen_ai.response.model", "ai.model.id"],
        ("model", "provider"): ["ai.model.provider", "gen_ai.system"],
        ("model", "input"): ["ai.prompt.messages", "ai.prompt"],
        ("model", "output"): ["ai.response.text", "ai.response.object", "ai.response.toolCalls"],
        ("model", "input_tokens"): ["ai.usage.inputTokens", "ai.usage.promptTokens", "gen_ai.usage.input_tokens"],
        ("embedding", "input_tokens"): ["ai.usage.tokens"],
        ("model", "output_tokens"): ["ai.usage.outputTokens", "ai.usage.completionTokens"],
        ("model", "cache_read_tokens"): ["ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"],
        ("model", "cache_write_tokens"): ["ai.usage.inputTokenDetails.cacheWriteTokens"],
        ("model", "reasoning_tokens"): ["ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"],
    },
    "mlflow": {
        ("run", "session_id"): ["session.id", "mlflow.trace.session"],
        ("run", "user_id"): ["user.id", "mlflow.trace.user"],
        ("run", "input"): ["mlflow.spanInputs"],
        ("run", "output"): ["mlflow.spanOutputs"],
        ("tool", "arguments"): ["mlflow.spanInputs"],
        ("tool", "result"): ["mlflow.spanOutputs"],
        ("model", "model"): ["mlflow.llm.model"],
        ("model", "provider"): ["mlflow.llm.provider"],
        ("model", "input_tokens"): ["mlflow.chat.tokenUsage#input_tokens"],
        ("model", "output_tokens"): ["mlflow.chat.tokenUsage#output_tokens"],
        ("model", "cache_read_tokens"): ["mlflow.chat.tokenUsage#cache_read_input_tokens"],
        ("model", "cache_write_tokens"): ["mlflow.chat.tokenUsage#cache_creation_input_tokens"],
        ("model", "cost_usd"): ["mlflow.llm.cost#total_cost"],
    },
    "google_adk": {
        ("run", "agent_name"): ["gen_ai.agent.name"],
        ("run", "session_id"): ["gen_ai.conversation.id", "gcp.vertex.agent.session_id"],
        ("tool", "arguments"): ["gen_ai.tool.call.arguments", "gcp.vertex.agent.tool_call_args"],
        ("tool", "result"): ["gen_ai.tool.call.result", "gcp.vertex.agent.tool_response"],
        ("model", "input"): ["gen_ai.input.messages", "gcp.vertex.agent.llm_request"],
        ("model", "output"): ["gen_ai.output.messages", "gcp.vertex.agent.llm_response"],
    },
    "crewai": {
        ("run", "agent_name"): ["crewai.agent.role", "gen_ai.agent.name"],
        ("run", "user_id"): ["enduser.id"],
    },
    "haystack": {
        ("run", "agent_name"): ["haystack.agent.name"],
        ("tool", "tool_name"): ["haystack.tool.name"],
        ("tool", "arguments"): ["haystack.agent.step.tool.input"],
        ("tool", "result"): ["haystack.agent.step.tool.output"],
        ("model", "model"): ["haystack.agent.step.llm.output#replies.0.meta.model"],
        ("model", "input_tokens"): ["haystack.agent.step.llm.output#replies.0.meta.usage.prompt_tokens"],
        ("model", "output_tokens"): ["haystack.agent.step.llm.output#replies.0.meta.usage.completion_tokens"],
        ("model", "input"): ["haystack.agent.step.llm.input"],
        ("model", "output"): ["haystack.agent.step.llm.output"],
    },
    "claude_code": {
        ("run", "session_id"): ["session.id"],
        ("run", "user_id"): ["user.id"],
        ("run", "input"): ["user_prompt"],
        ("tool", "tool_name"): ["tool_name"],
        ("tool", "tool_call_id"): ["tool_use_id"],
        ("tool", "arguments"): ["tool_input", "full_command", "file_path"],
        ("model", "model"): ["model"],
        ("model", "output_tokens"): ["output_tokens"],
        ("model", "cache_read_tokens"): ["cache_read_tokens"],
        ("model", "cache_write_tokens"): ["cache_creation_tokens"],
        ("model", "input_tokens"): ["input_tokens"],
    },
    "langfuse": {
        ("run", "session_id"): ["langfuse.session.id", "session.id"],
        ("run", "user_id"): ["langfuse.user.id", "user.id"],
        ("run", "input"): ["langfuse.observation.input"],
        ("run", "output"): ["langfuse.observation.output"],
        ("tool", "arguments"): ["langfuse.observation.input"],
        ("tool", "result"): ["langfuse.observation.output"],
        ("model", "model"): ["langfuse.observation.model.name"],
        ("model", "input_tokens"): ["langfuse.observation.usage_details#input"],
        ("model", "output_tokens"): ["langfuse.observation.usage_details#output"],
        ("model", "cost_usd"): ["langfuse.observation.cost_details#total"],
        ("model", "audio_input_tokens"): ["langfuse.observation.usage_details#prompt_tokens_details.audio_tokens"],
        ("model", "audio_output_tokens"): ["langfuse.observation.usage_details#completion_tokens_details.audio_tokens"],
    },
    "laminar": {
        ("run", "session_id"): ["lmnr.association.properties.session_id"],
        ("run", "user_id"): ["lmnr.association.properties.user_id"],
        ("run", "input"): ["lmnr.span.input"],
        ("run", "output"): ["lmnr.span.output"],
        ("tool", "arguments"): ["lmnr.span.input"],
        ("tool", "result"): ["lmnr.span.output"],
    },
    "strands": {
        ("run", "session_id"): ["session.id"],
        ("model", "cache_read_tokens"): [
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
        ],
        ("model", "cache_write_tokens"): ["gen_ai.usage.cache_write_input_tokens"],
    },
}

CONTENTS = ("input", "output", "arguments", "result")


@dataclass(frozen=True)
class Case:
    """A span and what a column of its row must say."""

    shape: Shape
    kind: str
    attributes: dict[str, Any]
    column: str
    expected: Any


def forms(column: str, number: int) -> Iterator[tuple[str, Any, Any]]:
    """Values of a column as they come, and what the row says; `number` keeps them apart."""
    if column.endswith("tokens"):
        yield from (
            (type(value).__name__, value, 20 + number) for value in (20 + number, str(20 + number), 20.0 + number)
        )
    elif column == "cost_usd":
        yield from ((type(value).__name__, value, 0.25 + number) for value in (0.25 + number, str(0.25 + number)))
    elif column == "tags":
        tags = [f"x{number}", "y"]
        yield from (("array", tags, tags), ("json", json.dumps(tags), tags), ("commas", ", ".join(tags), tags))
    elif column in CONTENTS:
        text = f"said {number}"
        compact = '{"a":{"c":"ü"},"b":[1,2.5,null,true]}'
        listed = [{"role": "user", "content": text}]
        yield "string", text, text
        yield "kvlist", {"b": [1, 2.5, True], "a": {"c": "ü"}}, '{"a":{"c":"ü"},"b":[1,2.5,true]}'
        yield "array", listed, json.dumps([{"content": text, "role": "user"}], separators=(",", ":"))
        yield "json", compact, compact
    else:
        yield "string", f"x{number}", f"x{number}"
        if column not in ("agent_name", "tool_name", "provider", "tool_type", "model"):
            yield "int", 4_200 + number, str(4_200 + number)


def attribute(key: str, value: Any, shape: Shape) -> dict[str, Any]:
    """The attribute that has the value, at its path if the key has one; JSON where the dialect writes that."""
    name, _, path = key.partition("#")
    for step in reversed(path.split(".") if path else ()):
        value = [value] if step == "0" else {step: value}
    return {name: json.dumps(value) if path or shape.quoted else value}


def cases() -> Iterator[tuple[str, Case]]:
    """Every key alone in each form, and each key before the next with both in the span."""
    for dialect, columns in KEYS.items():
        for (kind, column), keys in columns.items():
            shape = SHAPES[dialect][kind]
            for number, key in enumerate(keys):
                for form, value, expected in forms(column, number):
                    if shape.quoted and column in CONTENTS and form in ("json", "kvlist", "array"):
                        expected = json.dumps(json.loads(value) if form == "json" else value)
                        value = json.loads(value) if form == "json" else value
                    of = shape.of | attribute(key, value, shape)
                    yield f"{dialect} {kind} {column} {key} {form}", Case(shape, kind, of, column, expected)
                if number + 1 < len(keys):
                    _, value, expected = next(forms(column, number))
                    _, later, _ = next(forms(column, number + 1))
                    of = shape.of | attribute(keys[number + 1], later, shape) | attribute(key, value, shape)
                    yield f"{dialect} {kind} {column} {key} first", Case(shape, kind, of, column, expected)
                    of = shape.of | attribute(keys[number + 1], later, shape) | {key.partition("#")[0]: ""}
                    _, _, expected = next(forms(column, number + 1))
                    yield f"{dialect} {kind} {column} {key} empty", Case(shape, kind, of, column, expected)


CASES = dict(cases())
TABLE = {"run": "runs", "old run": "runs", "tool": "tool_calls", "old tool": "tool_calls"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, dict[str, Any]]]]:
    """The rows of every case by table and trace, all received at once."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    bench = Bench(store)
    bench.receive(
        *(
            spans_request([span(1, case.shape.name, case.attributes, trace=number)], scope=case.shape.scope)
            for number, case in enumerate(CASES.values(), 1)
        )
    )
    bench.resolve()
    yield {name: {row["trace_id"]: row for row in rows} for name, rows in bench.everything().items()}
    store.close()


@pytest.mark.parametrize("name", CASES)
def test_key(found: dict[str, dict[str, dict[str, Any]]], name: str) -> None:
    """The row says what the key says, as the dialect means it."""
    case, number = CASES[name], list(CASES).index(name) + 1
    rows = found[TABLE.get(case.kind, "model_calls")]
    assert rows[trace_id(number)][case.column] == case.expected
