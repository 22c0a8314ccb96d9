"""Exporters of the service that already send to our endpoint.

They go on doing so, with what they send cleaned.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

LOCAL: Final = ("127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - compared with, never bound to
MAX_PENDING: Final = 10_000
MAX_DEPTH: Final = 8
_PARTS: Final = ("on_end", "on_emit", "export", "_exporter")
"""Methods and attributes of processors, exporters and the SDK's batches."""


class Pending:
    """What is only known when a span ends, until the service's own exporter takes that span."""

    def __init__(self) -> None:
        self._of_span: OrderedDict[int, Any] = OrderedDict()

    def put(self, span_id: int, item: Any) -> None:
        """Keep it; the oldest is forgotten beyond a bound."""
        self._of_span[span_id] = item
        if len(self._of_span) > MAX_PENDING:
            self._of_span.popitem(last=False)

    def take(self, span_id: int) -> Any:
        """Give it once; None if nothing is kept."""
        return self._of_span.pop(span_id, None)


class CleaningExporter:
    """Stands for an exporter of the service: cleans the items, then has it send them."""

    def __init__(self, exporter: Any, clean: Callable[[Any], Any]) -> None:
        self._exporter = exporter
        self._clean = clean

    def export(self, items: Sequence[Any]) -> Any:
        return self._exporter.export([self._clean(item) for item in items])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


def take_over(processors: Iterable[Any], url: str, clean: Callable[[Any], Any]) -> list[Any]:
    """Clean what these processors' exporters send to the receiver at `url`; gives the processors that do."""
    found = []
    for processor in processors:
        for holder, name, exporter in _exporters(processor):
            if isinstance(exporter, CleaningExporter):
                found.append(processor)
            elif _sends_to(exporter, url):
                setattr(holder, name, CleaningExporter(exporter, clean))
                found.append(processor)
    return found


def _exporters(processor: Any) -> Iterator[tuple[Any, str, Any]]:
    """Exporters inside a processor, with the object and attribute that hold them.

    Distributions put processors into processors and exporters into exporters, so whatever is one of these is looked
    into, to a depth that no honest set-up has.
    """
    seen: set[int] = set()
    waiting = [(processor, 0)]
    while waiting:
        holder, depth = waiting.pop()
        if id(holder) in seen or depth > MAX_DEPTH:
            continue
        seen.add(id(holder))
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            if isinstance(value, CleaningExporter) or _is_otlp(value):
                yield holder, name, value
                continue
            for part in value if isinstance(value, (list, tuple)) else (value,):
                if any(hasattr(part, method) for method in _PARTS):
                    waiting.append((part, depth + 1))


def _is_otlp(value: object) -> bool:
    """True for the SDK's OTLP exporters, also when a distribution has its own subclass."""
    return any(
        kind.__module__.startswith("opentelemetry.exporter.otlp.") and kind.__name__.endswith("Exporter")
        for kind in type(value).__mro__
    )


def _sends_to(exporter: Any, url: str) -> bool:
    endpoint = getattr(exporter, "_endpoint", None)
    return isinstance(endpoint, str) and same_endpoint(endpoint, url)


def same_endpoint(one: str, other: str) -> bool:
    """True if both URLs lead to the same OTLP receiver.

    Its gRPC port 4317 and HTTP port 4318 count as one. Paths count where both have one, so that two receivers
    behind one gateway are told apart; gRPC has none.
    """

    def place(url: str) -> tuple[tuple[str, int], str]:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = "localhost" if parts.hostname in LOCAL else parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return ((host, 4318), "") if port == 4317 else ((host, port), parts.path.strip("/"))

    (host, path), (other_host, other_path) = place(one), place(other)
    return host == other_host and (path == other_path or not path or not other_path)


def processors_of(provider: Any) -> tuple[Any, ...]:
    """The processors of a tracer or logger provider, also behind another distribution's proxy."""
    provider = getattr(provider, "provider", provider)
    spans = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
    many = getattr(provider, "_multi_log_record_processor", None)
    return tuple(spans) or tuple(getattr(many, "_log_record_processors", ()))


def has(provider: Any, processor: object) -> bool:
    """True if the processor is on the provider already."""
    return any(found is processor for found in processors_of(provider))
