"""`spanruns.tool`: one call of a tool, as a decorator or a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar, cast, overload

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanruns import _calls, _clock, _guard, _outcome, _pipeline
from spanruns._arguments import Arguments
from spanruns._recorder import Recorder
from spanruns._values import set_json

F = TypeVar("F", bound=Callable[..., Any])

ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"


class ToolCall:
    """One call of a tool that is being recorded; what `with spanruns.tool(…) as call` gives."""

    __slots__ = ("_done", "_span")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._done = False

    @property
    def span(self) -> Span:
        """The OpenTelemetry span of this call."""
        return self._span

    def set_arguments(self, arguments: object) -> None:
        """What the tool was called with; any value, kept as JSON."""
        set_json(self._span, ARGUMENTS, arguments, _pipeline.value_limit())

    def set_result(self, result: object) -> None:
        """What the tool answered; any value, kept as JSON."""
        set_json(self._span, RESULT, result, _pipeline.value_limit())

    def set_call_id(self, call_id: str) -> None:
        """The id the model gave this call."""
        self.set_attribute("gen_ai.tool.call.id", call_id)

    def set_attribute(self, key: str, value: str | bool | int | float) -> None:
        """Any other attribute of the span."""
        with _guard.guarded("setting an attribute"):
            self._span.set_attribute(key, value)

    def _context(self) -> Context:
        return trace.set_span_in_context(self._span)

    def _keep(self, result: object, limit: int) -> None:
        set_json(self._span, RESULT, result, limit)

    def _keep_json(self, text: str) -> None:
        self._span.set_attribute(RESULT, text)

    def _end(self, error: BaseException | None) -> None:
        if self._done:
            return
        self._done = True
        try:
            if error is not None:
                _outcome.mark(self._span, error)
            self._span.end(_clock.now_ns())
        except Exception:
            _guard.swallow("ending a tool call")


class ToolBlock:
    """What `spanruns.tool(name, …)` gives.

    A decorator, and a (sync or async) context manager for one call.
    """

    def __init__(
        self,
        name: str | None,
        *,
        type: str,
        call_id: str | None,
        arguments: object,
        capture: bool,
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self._name = name
        self._arguments = arguments
        self._capture = capture
        self._entered: list[Recorder[ToolCall]] = []
        self._static: dict[str, Any] = {
            **(attributes or {}),
            "spanruns.kind": "tool",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.type": type,
        }
        if call_id is not None:
            self._static["gen_ai.tool.call.id"] = call_id

    def __call__(self, function: F) -> F:
        """Record every call of the function, by any way it may be called."""
        try:
            return self._decorate(function)
        except Exception:
            _guard.swallow("decorating a tool")
            return function

    def _decorate(self, function: F) -> F:
        target = getattr(function, "__func__", function)
        name = self._name or getattr(target, "__name__", None) or type(target).__name__
        span_name, attributes = self._named(name)
        named = Arguments(target).named if self._capture else None

        def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorder[ToolCall] | None:
            if not _pipeline.wanted():
                return None
            try:
                arguments = named(args, kwargs) if named is not None and (args or kwargs) else None
                return self._start(span_name, attributes, arguments)
            except Exception:
                _guard.swallow("starting a tool call")
                return None

        return cast("F", _calls.wrap(function, start))

    def _named(self, name: str) -> tuple[str, dict[str, Any]]:
        """Name and first attributes of its spans."""
        return f"execute_tool {name}", {**self._static, "gen_ai.tool.name": name}

    def _start(self, span_name: str, attributes: Mapping[str, Any], arguments: object) -> Recorder[ToolCall]:
        span = _pipeline.tracer().start_span(span_name, None, attributes=attributes, start_time=_clock.now_ns())
        limit = _pipeline.value_limit() if self._capture else 0
        if limit and arguments is not None:
            set_json(span, ARGUMENTS, arguments, limit)
        return Recorder(ToolCall(span), limit)

    def __enter__(self) -> ToolCall:
        recorder = self._open()
        self._entered.append(recorder)
        recorder.enter()
        return recorder.handle

    def _open(self) -> Recorder[ToolCall]:
        try:
            return self._start(*self._named(self._name or "tool"), self._arguments)
        except Exception:
            _guard.swallow("starting a tool call")
            return Recorder(ToolCall(trace.INVALID_SPAN), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recorder = self._entered.pop()
        recorder.leave()
        recorder.finish(error)

    async def __aenter__(self) -> ToolCall:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    name: str | None = None,
    /,
    *,
    type: str = ...,
    call_id: str | None = ...,
    arguments: object = ...,
    capture: bool = ...,
    attributes: Mapping[str, Any] | None = ...,
) -> ToolBlock: ...


def tool(
    name: Any = None,
    /,
    *,
    type: str = "function",
    call_id: str | None = None,
    arguments: object = None,
    capture: bool = True,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Record calls of a tool: `@tool`, `@tool("name")`, or `with tool("name", arguments={…}) as call`.

    Works on functions, coroutines, generators and async generators, methods and callable objects.

    Args:
        name: Tool name; the callable's own name by default.
        type: `function`, `extension` or `datastore`, as the GenAI convention has it.
        call_id: The id the model gave the call.
        arguments: What the block is called with (a decorated callable's are taken from its signature).
        capture: False keeps arguments and result out of the span; what `set_arguments()` and `set_result()`
            are given inside is sent.
        attributes: More attributes for the span.
    """
    function = name if callable(name) or isinstance(name, (classmethod, staticmethod)) else None
    block = ToolBlock(
        None if function is not None else name,
        type=type,
        call_id=call_id,
        arguments=arguments,
        capture=capture,
        attributes=attributes,
    )
    return block if function is None else block(function)
