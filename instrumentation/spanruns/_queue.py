"""Queued runs: what a message carries about the run it will start.

Run id, queued time and trigger travel as headers of ours, trace context and baggage as those of W3C.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from spanruns import _ambient, _clock, _guard, _identity, _pipeline, _ticket

FIELDS: Final = {
    "spanruns-run-id": "spanruns.run.id",
    "spanruns-queued-at": "spanruns.run.queued_at",
    "spanruns-trigger": "spanruns.run.trigger",
    "spanruns-trigger-detail": "spanruns.run.trigger_detail",
}
MAX_VALUE: Final = 256


def enqueue(
    name: str,
    *,
    run_id: str | None = None,
    kind: str = "job",
    trigger: str | None = None,
    trigger_detail: str | None = None,
) -> dict[str, str]:
    """Announce a run that somebody else will start, and get what its message must carry: a dict of text
    headers.

    The run is `queued` from now on, until `received(headers)` is entered on the other side and a run starts
    inside. Outside a trace it begins one, so that both sides share it. Never raises; an empty dict means
    nothing was announced.

    Args:
        name: Name of the run that will start.
        run_id: An id of yours, up to 64 characters; by default a new one.
        kind: `job`, `agent` or `workflow`.
        trigger: What starts it; by default that of `identity()` around, else `event`. A run that enqueues it is
            its parent, whose own trigger stays its own.
        trigger_detail: More about it, such as the queue's name.
    """
    headers: dict[str, str] = {}
    with _guard.guarded("enqueuing a run"):
        if _pipeline.wanted():
            _announce(headers, name, run_id, kind, trigger, trigger_detail)
    return headers


def _announce(
    headers: dict[str, str],
    name: str,
    run_id: str | None,
    kind: str,
    trigger: str | None,
    detail: str | None,
) -> None:
    now = _clock.now_ns()
    around = {} if trigger else _ambient.surrounding()
    known = {
        "spanruns.run.id": (run_id or new_run_id())[: _ambient.MAX_ID],
        "spanruns.run.queued_at": now,
        "spanruns.run.trigger": trigger or around.get("spanruns.run.trigger") or "event",
        "spanruns.run.trigger_detail": detail or around.get("spanruns.run.trigger_detail"),
    }
    span = _pipeline.tracer().start_span(f"enqueue {name}", kind=SpanKind.PRODUCER, start_time=now)
    propagate.inject(headers, trace.set_span_in_context(span))
    span.end(now)
    headers.update({header: str(known[key])[:MAX_VALUE] for header, key in FIELDS.items() if known[key]})
    pipeline = _pipeline.current()
    if pipeline is not None and span.get_span_context().trace_flags.sampled:
        named = {"spanruns.kind": "run", "spanruns.run.kind": kind, "gen_ai.agent.name": name}
        identity = {
            key: value
            for key, value in {**named, **_identity.surroundings(pipeline.settings), **known}.items()
            if value is not None
        }
        pipeline.lifecycle.emit_queued(identity, span.get_span_context().trace_id, random.getrandbits(64) or 1)


def message_headers(name: str | None, trigger: str, detail: str | None) -> dict[str, str]:
    """What a job queue's message carries: of the run it makes if `name` is that of one, else of whatever runs inside."""
    if name is not None:
        return enqueue(name, trigger=trigger, trigger_detail=detail)
    headers = {"spanruns-trigger": trigger, "spanruns-queued-at": str(_clock.now_ns())}
    if detail:
        headers["spanruns-trigger-detail"] = detail
    propagate.inject(headers)
    return headers


def flush_worker() -> None:
    """Send what a worker process has before it leaves abruptly, as long as an exit waits."""
    pipeline = _pipeline.current()
    if pipeline is not None:
        pipeline.flush(pipeline.settings.exit_s)


def new_run_id() -> str:
    """A fresh run id."""
    return uuid.uuid4().hex


@contextmanager
def received(headers: Mapping[str, Any]) -> Iterator[None]:
    """Handle a message that may carry headers of `enqueue()`: the first run that starts inside is the one
    announced.

    It goes on in the trace of the sender, with the session and user that were set there. Headers of other
    kinds are ignored; bytes are decoded; never raises.
    """
    token = None
    with _guard.guarded("reading a message's headers"):
        token = context.attach(_context_of(headers))
    try:
        yield
    finally:
        if token is not None:
            context.detach(token)


def _context_of(headers: Mapping[str, Any]) -> Context:
    texts = {str(key).lower(): _text(value) for key, value in headers.items()}
    ctx = propagate.extract(texts, context.get_current())
    known: dict[str, Any] = {key: texts[header][:MAX_VALUE] for header, key in FIELDS.items() if texts.get(header)}
    queued_at = known.pop("spanruns.run.queued_at", "")
    if queued_at.isdigit():
        known["spanruns.run.queued_at"] = int(queued_at)
    return _ticket.put(known, ctx) if known else ctx


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
