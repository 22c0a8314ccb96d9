"""smolagents: OpenInference's instrumentor leaves the span of a run that raises open, and everything after it inside.

Here that span is ended with the error, and the context is as it was before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import wrapt
from opentelemetry import context, trace

from spanruns import _clock, _guard, _outcome

MODULE: Final = "openinference.instrumentation.smolagents"


def install() -> None:
    """Stand around the instrumentor's wrapper; called whenever it has been put (back) in place."""
    agent = getattr(sys.modules.get("smolagents"), "MultiStepAgent", None)
    if agent is not None and getattr(agent.__dict__["run"], "_self_wrapper", None) is not _run:
        wrapt.wrap_function_wrapper(agent, "run", _run)


def _run(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    before = context.get_current()
    try:
        return wrapped(*args, **kwargs)
    except BaseException as error:
        with _guard.guarded("ending a run of smolagents"):
            _end_left_open(before, error, bool(getattr(instance, "interrupt_switch", False)))
        raise


def _end_left_open(before: context.Context, error: BaseException, interrupted: bool) -> None:
    span = trace.get_current_span()
    if span is trace.get_current_span(before) or not span.is_recording():
        return
    context.attach(before)
    if interrupted:
        span.set_attribute("spanruns.run.status", "cancelled")
    span.set_attribute("error.type", _outcome.type_name(error))
    span.end(_clock.now_ns())
