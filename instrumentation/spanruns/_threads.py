"""Runs over pools: work handed to another thread or process stays inside the run that handed it over.

Only work that is handed over inside a run is touched, and threads as such are not: many outlive the run in
which they happen to be started. A decorated run that waits in a pool's queue gets the time it waited.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar, cast

import wrapt
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context

from spanruns import _clock, _guard, _pipeline, _ticket
from spanruns._imports import when_imported

F = TypeVar("F", bound=Callable[..., Any])

RUN_MARK: Final = "__spanruns_run__"
"""Attribute of callables decorated with `run`."""


def install() -> None:
    """Carry runs over the pools of `concurrent.futures` from now on."""
    when_imported("concurrent.futures.thread", ("concurrent",), partial(_wrap_submit, "thread"))
    when_imported("concurrent.futures.process", ("concurrent",), partial(_wrap_submit, "process"))


def _wrap_submit(kind: str) -> None:
    module = sys.modules[f"concurrent.futures.{kind}"]
    pool = module.ThreadPoolExecutor if kind == "thread" else module.ProcessPoolExecutor
    if not isinstance(pool.submit, wrapt.BoundFunctionWrapper | wrapt.FunctionWrapper):
        wrapt.wrap_function_wrapper(pool, "submit", _submit_to_thread if kind == "thread" else _submit_to_process)


def bind(function: F) -> F:
    """The function as work of the run this code is in, for a thread of your own: `Thread(target=bind(work))`.

    Pools of `concurrent.futures` and asyncio tasks need no help.
    """
    return cast("F", functools.wraps(function)(_Inside(function, context.get_current())))


def _inside_run() -> bool:
    pipeline = _pipeline.current()
    span_id = trace.get_current_span().get_span_context().span_id
    return pipeline is not None and pipeline.registry.run_of(span_id) is not None


def _is_run(function: object) -> bool:
    return hasattr(function, RUN_MARK) and _pipeline.current() is not None


class _Inside:
    """A callable that runs in the context it was handed over from."""

    def __init__(self, function: Callable[..., Any], ctx: Context) -> None:
        self._function = function
        self._context = ctx

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = context.attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            context.detach(token)


class _InsideOf:
    """The same for another process: the context travels as text."""

    def __init__(self, function: Callable[..., Any], headers: Mapping[str, str]) -> None:
        self._function = function
        self._headers = dict(headers)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from spanruns._queue import received

        with received(self._headers):
            return self._function(*args, **kwargs)


def _submit_to_thread(
    wrapped: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with _guard.guarded("handing work to a thread pool"):
        if args and (_inside_run() or _is_run(args[0])):
            ctx = context.get_current()
            if _is_run(args[0]):
                ctx = _ticket.put({"spanruns.run.queued_at": _clock.now_ns()}, ctx)
            args = (_Inside(args[0], ctx), *args[1:])
    return wrapped(*args, **kwargs)


def _submit_to_process(
    wrapped: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with _guard.guarded("handing work to a process pool"):
        if args and (_inside_run() or _is_run(args[0])):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            if _is_run(args[0]):
                headers["spanruns-queued-at"] = str(_clock.now_ns())
            args = (_InsideOf(args[0], headers), *args[1:])
    return wrapped(*args, **kwargs)
