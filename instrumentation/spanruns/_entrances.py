"""Where work enters a process without OpenTelemetry telling: web servers and schedulers.

A run made by a request or a scheduled job then knows its trigger, and goes on in the caller's trace with the caller's
session and user.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import wrapt
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context

from spanruns import _guard, _ticket, _trigger
from spanruns._imports import when_imported

_SCHEDULER_MODULES: Final = tuple(
    f"apscheduler.executors.{name}" for name in ("base", "pool", "debug", "asyncio", "gevent", "tornado", "twisted")
)


def install(disabled: frozenset[str] = frozenset()) -> None:
    """Watch the entrances of the servers and schedulers that are or will be imported."""
    for name, module, watch in (
        ("starlette", "starlette.applications", _watch_starlette),
        ("flask", "flask.app", _watch_flask),
        ("apscheduler", "apscheduler.executors.pool", _watch_apscheduler),
        ("apscheduler", "apscheduler.executors.asyncio", _watch_apscheduler),
    ):
        if name not in disabled:
            when_imported(module, (module.partition(".")[0],), watch)


def _entered(tell: Callable[[], _trigger.Found | None], headers: Mapping[str, str]) -> Context:
    """The context of a request: its trigger, and its sender's trace and baggage unless a server span has them."""
    ctx = context.get_current()
    if not trace.get_current_span(ctx).get_span_context().is_valid:
        ctx = propagate.extract(headers, ctx)
    return _trigger.entered_by(tell, ctx)


def _watch_starlette() -> None:
    kind = sys.modules["starlette.applications"].Starlette
    if not isinstance(kind.__call__, wrapt.FunctionWrapper | wrapt.BoundFunctionWrapper):
        wrapt.wrap_function_wrapper(kind, "__call__", _call_asgi)


async def _call_asgi(
    wrapped: Callable[..., Awaitable[None]], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    token = None
    with _guard.guarded("entering a request"):
        scope = args[0] if args else kwargs.get("scope")
        if isinstance(scope, dict) and scope.get("type") == "http":
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope.get("headers", ())}
            token = context.attach(_entered(functools.partial(_of_scope, scope), headers))
    try:
        await wrapped(*args, **kwargs)
    except GeneratorExit:  # thrown away unfinished, maybe in another context
        token = None
        raise
    finally:
        if token is not None:
            context.detach(token)


def _of_scope(scope: Mapping[str, Any]) -> _trigger.Found:
    """Method and route, known once the request has been routed; the path only where there is no route."""
    path = getattr(scope.get("route"), "path", None) or scope.get("path", "")
    return "http", f"{scope.get('method', '')} {path}".strip()


def _watch_flask() -> None:
    kind = sys.modules["flask.app"].Flask
    if not isinstance(kind.wsgi_app, wrapt.FunctionWrapper | wrapt.BoundFunctionWrapper):
        wrapt.wrap_function_wrapper(kind, "wsgi_app", _call_wsgi)


def _call_wsgi(wrapped: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = None
    with _guard.guarded("entering a request"):
        environ = args[0] if args else kwargs.get("environ")
        if isinstance(environ, dict):
            prefix = "HTTP_"
            headers = {
                key.removeprefix(prefix).replace("_", "-").lower(): str(value)
                for key, value in environ.items()
                if key.startswith(prefix)
            }
            token = context.attach(_entered(functools.partial(_of_environ, environ), headers))
    try:
        return wrapped(*args, **kwargs)
    finally:
        if token is not None:
            context.detach(token)


def _of_environ(environ: Mapping[str, Any]) -> _trigger.Found:
    request = getattr(sys.modules.get("flask"), "request", None)
    rule = getattr(request, "url_rule", None) if request else None
    path = getattr(rule, "rule", None) or environ.get("PATH_INFO", "")
    return "http", f"{environ.get('REQUEST_METHOD', '')} {path}".strip()


def _watch_apscheduler() -> None:
    """Replace the functions that run jobs wherever they have been imported to."""
    base = sys.modules["apscheduler.executors.base"]
    for name, wrap in (("run_job", _run_job), ("run_coroutine_job", _run_coroutine_job)):
        original = getattr(base, name, None)
        if original is None or hasattr(original, "spanruns"):
            continue
        replaced = wrap(original)
        replaced.spanruns = True
        for module in _SCHEDULER_MODULES:
            if getattr(sys.modules.get(module), name, None) is original:
                setattr(sys.modules[module], name, replaced)


def _scheduled(job: Any, run_times: Any) -> Context:
    """A job was triggered by its schedule, and queued since it was due."""
    detail = str(getattr(job, "name", None) or getattr(job, "id", None) or "")
    ctx = _trigger.entered_by(lambda: ("schedule", detail))
    due = run_times[-1] if run_times else None
    return ctx if due is None else _ticket.put({"spanruns.run.queued_at": int(due.timestamp() * 1e6) * 1000}, ctx)


def _run_job(original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def run_job(job: Any, jobstore_alias: Any, run_times: Any, *args: Any, **kwargs: Any) -> Any:
        token = None
        with _guard.guarded("entering a scheduled job"):
            token = context.attach(_scheduled(job, run_times))
        try:
            return original(job, jobstore_alias, run_times, *args, **kwargs)
        finally:
            if token is not None:
                context.detach(token)

    return run_job


def _run_coroutine_job(original: Callable[..., Awaitable[Any]]) -> Any:
    @functools.wraps(original)
    async def run_coroutine_job(job: Any, jobstore_alias: Any, run_times: Any, *args: Any, **kwargs: Any) -> Any:
        token = None
        with _guard.guarded("entering a scheduled job"):
            token = context.attach(_scheduled(job, run_times))
        try:
            return await original(job, jobstore_alias, run_times, *args, **kwargs)
        except GeneratorExit:  # thrown away unfinished, maybe in another context
            token = None
            raise
        finally:
            if token is not None:
                context.detach(token)

    return run_coroutine_job
