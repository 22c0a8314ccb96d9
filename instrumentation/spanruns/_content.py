"""What leaves the process: masked, cut to size, and only as much content as the mode allows.

It is applied where data goes out, so it holds for what the service, its frameworks and we ourselves put into
spans, events and logs alike. It fails closed: a value that cannot be cleaned is replaced, not sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from spanruns import _guard
from spanruns._encode import SLACK
from spanruns._secrets import MASK, is_secret_key, mask_emails, mask_secrets
from spanruns._settings import Settings

Role = Literal["tool", "other"]

UNCLEAN: Final = "[could not be masked]"
REMOVED: Final = "[removed]"

_METADATA: Final = frozenset(
    """
    agent.name agent_name model_name model name tool_name tool_use_id span.type event.name
    gen_ai.operation.name gen_ai.provider.name gen_ai.system gen_ai.agent.id gen_ai.agent.name
    gen_ai.agent.version gen_ai.agent.call.id gen_ai.tool.name gen_ai.tool.type gen_ai.tool.call.id
    gen_ai.workflow.name gen_ai.conversation.id gen_ai.data_source.id gen_ai.output.type gen_ai.token.type
    gen_ai.evaluation.name gen_ai.evaluation.score.label gen_ai.tool.status
    spanruns.kind spanruns.workspace spanruns.run.id spanruns.run.parent_id spanruns.run.kind
    spanruns.run.trigger spanruns.run.trigger_detail spanruns.run.status spanruns.run.tags
    spanruns.run.parent_span_id spanruns.run.waiting_for spanruns.run.spans
    session.id user.id enduser.id error.type exception.type
    openinference.span.kind tool.name tool.id tool_call.id llm.model_name llm.provider llm.system
    llm.request.model_name llm.response.model_name embedding.model_name graph.node.id graph.node.name
    graph.node.parent_id tag.tags
    traceloop.span.kind traceloop.entity.name traceloop.workflow.name llm.request.type
    traceloop.association.properties.session_id traceloop.association.properties.thread_id
    traceloop.association.properties.user_id traceloop.association.properties.ls_provider
    logfire.span_type logfire.msg_template logfire.pending_parent_id logfire.tags
    mlflow.spanType mlflow.traceRequestId mlflow.llm.model mlflow.llm.provider mlflow.chat.tokenUsage
    langsmith.span.kind langsmith.metadata.ls_provider langsmith.metadata.ls_model_name
    langsmith.metadata.ls_integration langsmith.metadata.lc_agent_name langsmith.metadata.session_id
    langsmith.metadata.thread_id langsmith.metadata.user_id langsmith.span.tags
    ai.operationId ai.model.id ai.model.provider ai.response.model ai.toolCall.name ai.toolCall.id
    ai.telemetry.functionId resource.name operation.name
    gcp.vertex.agent.invocation_id gcp.vertex.agent.session_id gcp.vertex.agent.event_id
    crewai.agent.role crewai.execution_uuid haystack.tool.name
    http.request.method http.route url.scheme jsonrpc.request.id rpc.system rpc.service rpc.method
    rpc.system.name rpc.response.status_code db.system.name db.operation.name messaging.system
    messaging.destination.name messaging.operation.type
    """.split()  # noqa: SIM905 - a list of names reads better as words
)
_METADATA_PREFIXES: Final = (
    "gen_ai.request.",
    "gen_ai.response.",
    "gen_ai.usage.",
    "gen_ai.aggregated_usage.",
    "mcp.",
    "server.",
    "network.",
    "code.",
    "thread.",
    "llm.token_count.",
    "fastmcp.component.",
)
_NEVER_CONTENT: Final = frozenset(("spanruns.run.spans", "spanruns.run.id", "spanruns.run.parent_id"))
"""Ids of ours: no pattern can match them, and a heartbeat has hundreds."""

_TOOL_KEYS: Final = frozenset(
    """
    arguments args tool_input tool_args kwargs tool_arguments tool_response tool_output tool_result
    """.split()  # noqa: SIM905
)
_TOOL_NODES: Final = frozenset(
    """
    tool function tool_call_response tool_result tool-return tool_return function_call_output ToolMessage
    tool_call_output retry-prompt toolResult tool_use tool_call function_call tool-call toolUse
    """.split()  # noqa: SIM905
)
_TOOL_BODIES: Final = frozenset(("content", "response", "result", "output", "input"))
_TOOL_ATTRIBUTE_PARTS: Final = (
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    ".tool_call.function.arguments",
    ".tool_calls.",
    "tool_arguments",
    "tool_response",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "ai.response.toolCalls",
)


class Cleaner:
    """Applies the content settings of a process; `truncated` counts the values that were cut."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.content
        self._limit = settings.max_value_bytes
        self._mask_secrets = settings.mask_secrets
        self._mask_emails = settings.mask_emails
        self._callbacks = settings.mask
        self.truncated = 0

    @property
    def keeps_messages(self) -> bool:
        """False if error messages and log texts are content that must not leave."""
        return self._mode != "metadata_only"

    def attributes(self, attributes: Mapping[str, Any] | None, role: Role = "other") -> dict[str, Any]:
        """Attributes as they may leave.

        Masked, cut (with `<key>.size`, bytes, beside a cut value), filtered.
        """
        clean: dict[str, Any] = {}
        for key, value in (attributes or {}).items():
            if isinstance(value, (bool, int, float)):
                clean[key] = value  # also a size that was noted when the value was taken: it knows more
                continue
            if not self._may_leave(key, role):
                continue
            try:
                self._add(clean, key, value, role)
            except Exception:
                clean[key] = UNCLEAN
                _guard.swallow("masking")
        return clean

    def resource(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes that say what a service is: masked and cut, but none of them is content."""
        clean: dict[str, Any] = {}
        for key, value in attributes.items():
            try:
                self._add(clean, key, value, "other")
            except Exception:
                clean[key] = UNCLEAN
                _guard.swallow("masking")
        return clean

    def text(self, key: str, text: str) -> str:
        """One text, masked and cut."""
        try:
            return self._cut(self._mask(key, text))[0]
        except Exception:
            _guard.swallow("masking")
            return UNCLEAN

    def _may_leave(self, key: str, role: Role) -> bool:
        if self._mode == "full":
            return True
        if self._mode == "metadata_only" or role == "tool":
            return key in _METADATA or key.startswith(_METADATA_PREFIXES)
        return not any(part in key for part in _TOOL_ATTRIBUTE_PARTS)

    def _add(self, clean: dict[str, Any], key: str, value: Any, role: Role) -> None:
        if key in _NEVER_CONTENT:
            clean[key] = value
            return
        if is_secret_key(key) and self._mask_secrets:
            clean[key] = MASK
            return
        if not isinstance(value, str):
            clean[key] = self._tree(key, value)
            return
        if self._mode == "no_tool_content" and value[:1] in "[{":
            value = _without_tools(value)
        kept, whole = self._shorten(value)
        text, size = self._cut(self._mask(key, kept))
        clean[key] = text
        if size is not None:
            size = max(size, whole)
            clean[f"{key}.size"] = max(clean.get(f"{key}.size", 0), size)
            self.truncated += 1

    def _tree(self, key: str, value: Any) -> Any:
        """A list or map as an attribute value (newer SDKs): every text in it is cleaned."""
        if isinstance(value, str):
            return self._cut(self._mask(key, value))[0]
        if isinstance(value, Mapping):
            return {
                self._mask(key, str(name)): MASK
                if self._mask_secrets and is_secret_key(str(name))
                else self._tree(str(name), item)
                for name, item in value.items()
                if self._mode != "no_tool_content" or name not in _TOOL_KEYS
            }
        if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
            return [self._tree(key, item) for item in value]
        if isinstance(value, (bytes, bytearray)):
            text = value.decode("latin-1")
            return value if self._mask(key, text) == text else MASK
        return value

    def _mask(self, key: str, text: str) -> str:
        if self._mask_secrets:
            text = mask_secrets(text)
        if self._mask_emails:
            text = mask_emails(text)
        for callback in self._callbacks:
            text = callback(key, text)
            if not isinstance(text, str):
                raise TypeError(f"a masking callback gave {type(text).__name__}, not str")
        return text

    def _shorten(self, text: str) -> tuple[str, int]:
        """What is worth masking of a giant text, and the size of all of it in bytes if that is not all."""
        if len(text) <= self._limit + SLACK:
            return text, 0
        return text[: self._limit + SLACK], len(text.encode(errors="replace"))

    def _cut(self, text: str) -> tuple[str, int | None]:
        """The text within the limit, and its size in bytes if it had to be cut."""
        if len(text) * 4 <= self._limit:
            return text, None
        data = text.encode(errors="replace")
        if len(data) <= self._limit:
            return text, None
        return data[: self._limit].decode(errors="ignore"), len(data)


def _without_tools(text: str) -> str:
    """JSON messages without what tools were given and answered; JSON that cannot be read is removed."""
    try:
        return json.dumps(_strip(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return REMOVED


def _strip(node: Any) -> Any:
    if isinstance(node, list):
        return [_strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    marks = {str(node.get(mark)) for mark in ("type", "role", "part_kind", "kind", "__class__")}
    is_tool = not marks.isdisjoint(_TOOL_NODES)
    return {
        key: REMOVED if key in _TOOL_KEYS or (is_tool and key in _TOOL_BODIES) else _strip(item)
        for key, item in node.items()
    }
