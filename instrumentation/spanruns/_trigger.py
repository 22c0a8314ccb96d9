"""What started a root run, as far as it can be seen from inside the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

Found = tuple[str, str | None]
"""(trigger, detail)"""

KEY: Final = context.create_key("spanruns-trigger")

_SCHEDULER_PARENTS: Final = ("cron", "crond", "anacron", "atd", "fcron")


def entered_by(tell: Callable[[], Found | None], ctx: Context | None = None) -> Context:
    """A context whose root runs were triggered by what `tell` says when they start."""
    return context.set_value(KEY, tell, ctx)


def detect(ctx: Context | None = None) -> Found | None:
    """The trigger of a root run starting in this context; None if nothing tells."""
    tell = context.get_value(KEY, ctx)
    if callable(tell) and (found := tell()) is not None:
        return found  # type: ignore[no-any-return] # only entered_by() sets it
    return _from_span(trace.get_current_span(ctx)) or (of_process() if _look else None)


def _from_span(span: trace.Span) -> Found | None:
    """A run inside a request that is being served was triggered by that request."""
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    kind = getattr(span, "kind", None)
    if "mcp.method.name" in attributes and kind is SpanKind.SERVER:
        return "mcp", attributes.get("gen_ai.tool.name") or attributes.get("mcp.method.name")
    if kind is SpanKind.CONSUMER or "messaging.system" in attributes:
        return "event", attributes.get("messaging.destination.name")
    if kind is not SpanKind.SERVER:
        return None
    method = attributes.get("http.request.method") or attributes.get("http.method")
    if method:
        route = attributes.get("http.route") or attributes.get("url.path") or attributes.get("http.target") or ""
        return "http", f"{method} {str(route).partition('?')[0]}".strip()
    if "rpc.system" in attributes or "rpc.system.name" in attributes:
        return "api", attributes.get("rpc.method")
    return None


@contextmanager
def unknown() -> Iterator[None]:
    """Do not look at the process itself (tests: the result would depend on who runs them)."""
    global _look
    before, _look = _look, False
    try:
        yield
    finally:
        _look = before


_look = True


@cache
def of_process() -> Found | None:
    """What started the process: a scheduler's environment, cron, or a person at a terminal."""
    env = os.environ
    if unit := env.get("TRIGGER_UNIT"):  # systemd sets it for a service started by a timer
        return "schedule", unit
    if dag := env.get("AIRFLOW_CTX_DAG_ID"):
        return "schedule", dag
    if event := env.get("GITHUB_EVENT_NAME"):
        return ("schedule" if event == "schedule" else "event"), env.get("GITHUB_WORKFLOW")
    if _parent_name() in _SCHEDULER_PARENTS:
        return "schedule", "cron"
    if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
        return "cli", Path(sys.argv[0]).name if sys.argv and sys.argv[0] else None
    return None


def _parent_name() -> str | None:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
