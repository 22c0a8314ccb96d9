"""How an operation ended, from the exception that left it; and how a span says so."""

from __future__ import annotations

import sys
from typing import Final, Literal

from opentelemetry.trace import Span, StatusCode

from spanruns import _clock

Outcome = Literal["success", "failed", "cancelled"]

_CANCELLED: Final = frozenset(("CancelledError", "Cancelled", "KeyboardInterrupt", "GeneratorExit"))
"""By name: asyncio, concurrent.futures, anyio and trio each have their own, and importing them costs."""
MAX_DESCRIPTION: Final = 8_192


def outcome_of(error: BaseException | None) -> Outcome:
    """`success` without an exception or on a clean exit, `cancelled` where the work was called off, else
    `failed`.
    """
    if error is None:
        return "success"
    if any(kind.__name__ in _CANCELLED for kind in type(error).__mro__):
        return "cancelled"
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "success"
    return "failed"


def called_off_by() -> str | None:
    """The name of the cancellation that is being handled here, if one is.

    A generator that is closed early is no cancellation: its consumer has had enough.
    """
    error = sys.exception()
    if error is None or isinstance(error, GeneratorExit) or outcome_of(error) != "cancelled":
        return None
    return type_name(error)


def type_name(error: BaseException) -> str:
    """The class as OpenTelemetry names it: fully qualified, builtins bare."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """The exception's own text, or nothing if it cannot say."""
    try:
        return str(error)[:MAX_DESCRIPTION]
    except Exception:
        return ""


def mark(span: Span, error: BaseException | None) -> Outcome:
    """Write the outcome on the span.

    A cancelled one is no error: its status stays unset, its `error.type` tells.
    """
    outcome = outcome_of(error)
    if error is None or outcome == "success":
        return outcome
    name = type_name(error)
    span.set_attribute("error.type", name)
    if outcome == "failed":
        message = message_of(error)
        try:
            span.record_exception(error, timestamp=_clock.now_ns())
        except Exception:  # an exception that cannot be printed
            span.add_event("exception", {"exception.type": name}, timestamp=_clock.now_ns())
        span.set_status(StatusCode.ERROR, f"{name}: {message}" if message else name)
    return outcome
