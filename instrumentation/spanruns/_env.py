"""Variables of OpenTelemetry whose value it cannot read: it raises where it reads them, some at its very import.

A service that never used OpenTelemetry has never seen that, and must not because of us: while we import it and set it
up, such variables are not there. Every one is told once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from spanruns import _guard


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _installed(group: str) -> Callable[[str], bool]:
    """True if every name of a list is an entry point of the group."""

    def check(text: str) -> bool:
        from importlib.metadata import entry_points

        known = entry_points(group=group).names | {"none", "*"}
        return all(name.strip() in known for name in text.split(","))

    return check


_LIMITS: Final = (
    *("ATTRIBUTE_COUNT", "ATTRIBUTE_VALUE_LENGTH", "SPAN_ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH"),
    *("SPAN_EVENT_COUNT", "SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT"),
    *("LOGRECORD_ATTRIBUTE_COUNT", "LOGRECORD_ATTRIBUTE_VALUE_LENGTH"),
)
READABLE: Final[dict[str, Callable[[str], bool]]] = {
    **{f"OTEL_{name}_LIMIT": _is_count for name in _LIMITS},
    "OTEL_PROPAGATORS": _installed("opentelemetry_propagator"),
    "OTEL_PYTHON_CONTEXT": _installed("opentelemetry_context"),
    "OTEL_PYTHON_TRACER_PROVIDER": _installed("opentelemetry_tracer_provider"),
    "OTEL_PYTHON_METER_PROVIDER": _installed("opentelemetry_meter_provider"),
    "OTEL_PYTHON_LOGGER_PROVIDER": _installed("opentelemetry_logger_provider"),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": _installed("opentelemetry_resource_detector"),
    "OTEL_METRICS_EXEMPLAR_FILTER": lambda text: text.lower() in ("always_on", "always_off", "trace_based"),
}
"""What makes OpenTelemetry raise, or log a traceback, where it cannot read it."""


@contextmanager
def readable() -> Iterator[None]:
    """Inside the block, variables that OpenTelemetry cannot read are not set."""
    hidden = {}
    for name, is_readable in READABLE.items():
        value = os.environ.get(name)
        if value and not is_readable(value):
            hidden[name] = os.environ.pop(name)
            _guard.warn_once(f"env {name}", "spanruns: OpenTelemetry cannot read %s=%r; it is ignored", name, value)
    try:
        yield
    finally:
        for name, value in hidden.items():
            os.environ.setdefault(name, value)


with readable():
    import opentelemetry.context
    import opentelemetry.propagate  # noqa: F401
