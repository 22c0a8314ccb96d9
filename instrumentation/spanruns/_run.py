"""`spanruns.run`: one execution of an agent, workflow or job, as a decorator or a block."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, TypeVar, cast, overload

from opentelemetry import trace
from opentelemetry.context import Context

from spanruns import _ambient, _calls, _clock, _guard, _pipeline
from spanruns._arguments import Arguments
from spanruns._handle import Run
from spanruns._recorder import Recorder
from spanruns._values import as_json

F = TypeVar("F", bound=Callable[..., Any])
Kind = Literal["agent", "workflow", "job"]

_OPERATIONS = {"agent": "invoke_agent", "workflow": "invoke_workflow"}


def open_run(
    name: str,
    attributes: Mapping[str, Any],
    capture: bool,
    parent: Context | None = None,
    links: Sequence[trace.Link] = (),
) -> Recorder[Run]:
    """Start the span of a run in the current (or the given) context."""
    pipeline = _pipeline.current()
    operation = attributes.get("gen_ai.operation.name")
    span = _pipeline.tracer().start_span(
        f"{operation} {name}" if operation else name,
        parent,
        attributes=attributes,
        links=links,
        start_time=_clock.now_ns(),
    )
    state = pipeline.registry.run_of(span.get_span_context().span_id) if pipeline is not None else None
    return Recorder(Run(span, state), _pipeline.value_limit() if capture else 0)


def static_attributes(
    *,
    kind: str,
    agent_id: str | None,
    version: str | None,
    trigger: str | None,
    trigger_detail: str | None,
    session_id: str | None,
    user_id: str | None,
    workspace: str | None,
    sla: float | timedelta | None,
    tags: Sequence[str],
    dry_run: bool | None,
) -> dict[str, Any]:
    """Attributes that are the same for every run of a block; what is None is left out."""
    sla_s = sla.total_seconds() if isinstance(sla, timedelta) else sla
    values = {
        "spanruns.kind": "run",
        "spanruns.run.kind": kind,
        "gen_ai.operation.name": _OPERATIONS.get(kind),
        "gen_ai.agent.id": agent_id,
        "gen_ai.agent.version": version,
        "spanruns.run.trigger": trigger,
        "spanruns.run.trigger_detail": trigger_detail,
        "session.id": session_id,
        "user.id": user_id,
        "spanruns.workspace": workspace,
        "spanruns.run.sla_ms": None if sla_s is None else int(sla_s * 1000),
        "spanruns.run.tags": tuple(map(str, tags)) or None,
        "spanruns.run.dry_run": dry_run,
    }
    return {key: value for key, value in values.items() if value is not None}


class RunBlock:
    """What `spanruns.run(name, …)` gives: a decorator, and a (sync or async) context manager for one run."""

    def __init__(
        self,
        name: str | None,
        *,
        attributes: dict[str, Any],
        run_id: str | None = None,
        parent_run_id: str | None = None,
        queued_at: datetime | int | None = None,
        parameters: Mapping[str, object] | None = None,
        input: object = None,
        capture: bool = True,
        parent: Context | None = None,
        links: Sequence[trace.Link] = (),
        event: str | None = None,
    ) -> None:
        self._name = name
        self._event = event
        self._links = links
        self._attributes = attributes
        self._capture = capture
        self._parent = parent
        self._parameters = parameters
        self._input = input
        self._entered: list[Recorder[Run]] = []
        if run_id is not None:
            attributes["spanruns.run.id"] = str(run_id)[: _ambient.MAX_ID]
        if parent_run_id is not None:
            attributes["spanruns.run.parent_id"] = str(parent_run_id)[: _ambient.MAX_ID]
        if queued_at is not None:
            attributes["spanruns.run.queued_at"] = _unix_ns(queued_at)

    def __call__(self, function: F) -> F:
        """Make every call of the function a run, by any way it may be called."""
        try:
            return self._decorate(function)
        except Exception:
            _guard.swallow("decorating a run")
            return function

    def _decorate(self, function: F) -> F:
        target = getattr(function, "__func__", function)
        name = self._name or getattr(target, "__name__", None) or type(target).__name__
        static = self._named(name)
        arguments = Arguments(target)

        def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorder[Run] | None:
            if not _pipeline.wanted():
                return None
            try:
                named = arguments.named(args, kwargs) if self._capture and (args or kwargs) else None
                return self._start(name, static, named)
            except Exception:
                _guard.swallow("starting a run")
                return None

        wrapped = _calls.wrap(function, start)
        with _guard.guarded("marking a run"):
            getattr(wrapped, "__func__", wrapped).__spanruns_run__ = name  # pools and queues look for it
        return cast("F", wrapped)

    def _named(self, name: str) -> dict[str, Any]:
        attributes = {**self._attributes, "gen_ai.agent.name": name}
        if attributes["spanruns.run.kind"] == "workflow":
            attributes["gen_ai.workflow.name"] = name
        return attributes

    def _start(
        self, name: str, attributes: Mapping[str, Any], parameters: Mapping[str, object] | None
    ) -> Recorder[Run]:
        if self._capture and parameters is not None:
            attributes = {**attributes, **self._captured(parameters)}
        return open_run(name, attributes, self._capture, self._parent, self._links)

    def _captured(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = as_json("spanruns.run.parameters", parameters, _pipeline.value_limit())
        if isinstance(parameters.get("dry_run"), bool) and "spanruns.run.dry_run" not in self._attributes:
            found["spanruns.run.dry_run"] = parameters["dry_run"]
        return found

    def __enter__(self) -> Run:
        recorder = self._open()
        self._entered.append(recorder)
        recorder.enter()
        return recorder.handle

    def _open(self) -> Recorder[Run]:
        try:
            name = self._name or "run"
            recorder = self._start(name, self._named(name), self._parameters)
            if self._capture and self._input is not None:
                recorder.handle.set_input(self._input)
            if self._event is not None:
                recorder.handle._emit(self._event)
            return recorder
        except Exception:
            _guard.swallow("starting a run")
            return Recorder(Run(trace.INVALID_SPAN, None), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recorder = self._entered.pop()
        recorder.leave()
        recorder.finish(error)

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def _unix_ns(at: datetime | int | float) -> int:
    """A datetime, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970, as
    nanoseconds.
    """
    if isinstance(at, datetime):
        return int(at.timestamp() * 1_000_000) * 1_000
    if not isinstance(at, numbers.Real):
        raise TypeError(f"queued_at is {type(at).__name__}, not a datetime or a number")
    for scale, bound in ((1_000_000_000, 1e11), (1_000_000, 1e14), (1_000, 1e17)):
        if at < bound:
            return int(at * scale)
    return int(at)


@overload
def run(function: F, /) -> F: ...


@overload
def run(
    name: str | None = None,
    /,
    *,
    kind: Kind = ...,
    agent_id: str | None = ...,
    version: str | None = ...,
    run_id: str | None = ...,
    parent_run_id: str | None = ...,
    trigger: str | None = ...,
    trigger_detail: str | None = ...,
    session_id: str | None = ...,
    user_id: str | None = ...,
    workspace: str | None = ...,
    parameters: Mapping[str, object] | None = ...,
    input: object = ...,
    queued_at: datetime | int | None = ...,
    sla: float | timedelta | None = ...,
    tags: Sequence[str] = ...,
    dry_run: bool | None = ...,
    capture: bool = ...,
) -> RunBlock: ...


def run(
    name: Any = None,
    /,
    *,
    kind: Kind = "job",
    agent_id: str | None = None,
    version: str | None = None,
    run_id: str | None = None,
    parent_run_id: str | None = None,
    trigger: str | None = None,
    trigger_detail: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    workspace: str | None = None,
    parameters: Mapping[str, object] | None = None,
    input: object = None,
    queued_at: datetime | int | None = None,
    sla: float | timedelta | None = None,
    tags: Sequence[str] = (),
    dry_run: bool | None = None,
    capture: bool = True,
) -> Any:
    """Record runs: `@run`, `@run("name", kind="agent")`, or `with run("name") as current:`.

    Works on functions, coroutines, generators and async generators, methods and callable objects. An
    exception that leaves the run makes it `failed`; a cancelled task makes it `cancelled`; closing a
    generator early is a success.

    Args:
        name: The run's name (agent, workflow or job); the callable's own name by default.
        kind: `job`, `agent` or `workflow`.
        agent_id: Id of the agent, where its name is not enough.
        version: Version of the agent or job.
        run_id: An id of yours, up to 64 characters; by default the store makes one of trace and span id.
        parent_run_id: The run that started this one, where the trace does not show it.
        trigger: `manual`, `schedule`, `api`, `http`, `mcp`, `cli`, `webhook`, `agent`, `user`, `event`, or
        your own
            word; found by itself where possible.
        trigger_detail: More about it: a route, a schedule's name, a queue.
        session_id: Session or conversation.
        user_id: The user it works for.
        workspace: Workspace or tenant.
        parameters: What the block is started with (a decorated callable's are taken from its signature).
        input: What it works on.
        queued_at: When it was asked for: a datetime, or seconds to nanoseconds since 1970.
        sla: Seconds (or a timedelta) it should take at most.
        tags: Tags.
        dry_run: It only pretends; taken from an argument named `dry_run` if there is one.
        capture: False keeps parameters, input and returned value out of the span; what `set_input()` and its
            like are given inside is sent.
    """
    function = name if callable(name) or isinstance(name, (classmethod, staticmethod)) else None
    block = RunBlock(
        None if function is not None else name,
        attributes=static_attributes(
            kind=kind,
            agent_id=agent_id,
            version=version,
            trigger=trigger,
            trigger_detail=trigger_detail,
            session_id=session_id,
            user_id=user_id,
            workspace=workspace,
            sla=sla,
            tags=tags,
            dry_run=dry_run,
        ),
        run_id=run_id,
        parent_run_id=parent_run_id,
        queued_at=queued_at,
        parameters=parameters,
        input=input,
        capture=capture,
    )
    return block if function is None else block(function)
