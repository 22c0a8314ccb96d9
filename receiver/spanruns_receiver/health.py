"""How the receiver is doing: counters, gauges and whether new data would be taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_ROWS = (1, 10, 100, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000)
_PREFIX = "spanruns_receiver_"


class Metrics:
    """Every number the receiver tells about itself; names are `spanruns_receiver_*`, units are in the names.

    Items are spans, log records and data points.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = self._counter("requests", "Export requests by outcome", "door", "outcome")
        self.received_bytes = self._counter("received_bytes", "Bytes of requests, uncompressed", "signal")
        self.accepted_items = self._counter("accepted_items", "Items made durable", "signal")
        self.rejected_items = self._counter("rejected_items", "Items that cannot be stored", "signal")
        self.repeated_items = self._counter("repeated_items", "Items that were sent again", "signal")
        self.acknowledge_seconds = self._histogram("acknowledge_seconds", "Request in to answer", _SECONDS)
        self.memory_bytes = self._gauge("memory_bytes", "Bytes of requests that are in memory at the doors")

        self.spool_bytes = self._gauge("spool_bytes", "Bytes that wait for the store")
        self.spool_oldest_seconds = self._gauge("spool_oldest_seconds", "Age of the oldest of them")
        self.spool_damaged_bytes = self._counter("spool_damaged_bytes", "Bytes that were damaged")
        self.dead_letter_bytes = self._gauge("dead_letter_bytes", "Bytes of requests that the store refused")
        self.dead_letters = self._counter("dead_letters", "Items the store refused", "signal")

        self.cleaned_values = self._counter("cleaned_values", "Values repaired while decoding", "reason")
        self.batches = self._counter("batches", "Batches stored", "signal")
        self.batch_rows = self._histogram("batch_rows", "Rows of one insert", _ROWS, "table")
        self.decode_seconds = self._histogram("decode_seconds", "Decoding one batch", _SECONDS, "signal")
        self.insert_seconds = self._histogram("insert_seconds", "One insert", _SECONDS, "table")
        self.insert_errors = self._counter("insert_errors", "Failed inserts by ClickHouse code", "code")
        self.splits = self._counter("batch_splits", "Batches cut to find what the store refuses")
        self.lag_seconds = self._histogram("lag_seconds", "Arrival to rows stored", _SECONDS)
        self.stored_rows = self._counter("stored_rows", "Rows inserted", "table")
        self.resolver_passes = self._gauge("resolver_passes", "Passes of the resolver since the start")
        self.resolver_facts = self._gauge("resolver_facts", "Facts resolved since the start")
        self.resolver_failures = self._gauge(
            "resolver_failures", "Passes that failed, and traces that cannot be resolved"
        )
        self.resolver_waiting = self._gauge("resolver_waiting_traces", "Traces with facts that are not resolved yet")
        self.decoder = Info(_PREFIX + "decoder", "Which decoder is in use", registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(_PREFIX + name, text, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=self.registry)


@dataclass
class Health:
    """The health of one process: its metrics, and checks that each answer why new data would be refused, or
    nothing.
    """

    metrics: Metrics = field(default_factory=Metrics)
    checks: list[Callable[[], str]] = field(default_factory=list)

    def refusals(self) -> list[str]:
        """Every reason why new data would be refused now."""
        return [reason for check in self.checks if (reason := check())]

    def ready(self) -> bool:
        """Whether new data would be taken."""
        return not self.refusals()

    def prometheus_text(self) -> bytes:
        """All metrics in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.metrics.registry)
