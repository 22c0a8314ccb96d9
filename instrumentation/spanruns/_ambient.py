"""Identity that surrounds a run: session, user, workspace, trigger, parent run, queued time.

It lives in the OpenTelemetry context, and its small part travels to other processes as W3C baggage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import baggage, context
from opentelemetry.context import Context

KEY: Final = context.create_key("spanruns-identity")
BAGGAGE: Final = ("spanruns.run.id", "spanruns.run.trigger", "session.id", "user.id")
"""All that ever travels; anything else stays in the process."""
MAX_BAGGAGE_VALUE: Final = 128
"""Characters; longer values do not travel."""
MAX_ID: Final = 64
"""Characters of a run id."""


def surrounding(ctx: Context | None = None) -> Mapping[str, Any]:
    """Attributes set around here with `identity()`."""
    found = context.get_value(KEY, ctx)
    return found if isinstance(found, Mapping) else {}


def extended(attributes: Mapping[str, Any], ctx: Context | None = None) -> Context:
    """A context in which runs get these attributes unless they have their own."""
    known = {key: value for key, value in attributes.items() if value is not None}
    ctx = context.set_value(KEY, {**surrounding(ctx), **known}, ctx)
    return to_baggage(known, ctx)


def to_baggage(attributes: Mapping[str, Any], ctx: Context | None = None) -> Context:
    """A context whose outgoing requests carry what of these attributes may travel."""
    ctx = context.get_current() if ctx is None else ctx
    for key in BAGGAGE:
        value = attributes.get(key)
        if isinstance(value, str) and 0 < len(value) <= MAX_BAGGAGE_VALUE:
            ctx = baggage.set_baggage(key, value, ctx)
    return ctx


def from_baggage(ctx: Context | None = None) -> dict[str, str]:
    """What came with the request or message that is being handled, size-limited again."""
    carried = baggage.get_all(ctx)
    return {
        key: value
        for key in BAGGAGE
        if isinstance(value := carried.get(key), str) and 0 < len(value) <= MAX_BAGGAGE_VALUE
    }


@contextmanager
def identity(
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    workspace: str | None = None,
    trigger: str | None = None,
    trigger_detail: str | None = None,
) -> Iterator[None]:
    """Give every run started inside the block, of any framework, this identity unless it has its own.

    Session, user and trigger travel with outgoing requests as W3C baggage (values up to 128 characters).
    """
    attributes = {
        "session.id": session_id,
        "user.id": user_id,
        "spanruns.workspace": workspace,
        "spanruns.run.trigger": trigger,
        "spanruns.run.trigger_detail": trigger_detail,
    }
    token = context.attach(extended(attributes))
    try:
        yield
    finally:
        context.detach(token)
