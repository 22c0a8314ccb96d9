"""The decoder in Python: what runs where nothing is compiled, and what the compiled one is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from spanruns_schema.errors import BadInput

from spanruns_receiver.decode import wire
from spanruns_receiver.decode.block import encode
from spanruns_receiver.decode.columns import TABLES, names
from spanruns_receiver.decode.model import (
    REJECTIONS,
    Block,
    Checked,
    Decoded,
    Limits,
    Signal,
    checked,
    refusal,
)
from spanruns_receiver.decode.values import Cleaner, Pairs
from spanruns_receiver.facts import FACTS, FactMaker
from spanruns_receiver.facts import NAMES as FACT_NAMES
from spanruns_receiver.facts import TABLE as FACTS_TABLE

NAME = "portable"

Row = tuple[Any, ...]

_KINDS = (b"Unspecified", b"Internal", b"Server", b"Client", b"Producer", b"Consumer")
_STATUS_CODES = (b"Unset", b"Ok", b"Error")


class _Batch:
    """Rows by table while a batch is decoded; without `keep`, it is only checked."""

    def __init__(self, signal: Signal, limits: Limits, *, keep: bool = True) -> None:
        self.clean = Cleaner(limits)
        self.rows: dict[str, list[Row]] = {}
        self.rejected: Counter[str] = Counter()
        self.keep = keep
        self.items = 0
        self._signal = signal
        self._grown = self._may_grow = 0
        self._copied = self._may_copy = 0

    def add(self, payload: bytes, received: int) -> None:
        """Add the rows of one payload."""
        limits = self.clean.limits
        self._grown, self._may_grow = 0, limits.items
        self._copied, self._may_copy = 0, len(payload) * limits.copies + (1 << 20)
        self.clean.received_at(received)
        _ADD[self._signal](self, wire.parse(self._signal, payload))

    def table(self, name: str) -> list[Row]:
        return self.rows.setdefault(name, [])

    def grow(self, items: int) -> None:
        """Take note of more resources, scopes, metrics, rows, events, links, exemplars or quantiles."""
        self._grown += items
        if self._grown > self._may_grow:
            raise refusal(self._signal, "items")

    def copy(self, size: int, rows: int) -> None:
        """Take note of `size` bytes that are copied into each of `rows` rows."""
        self._copied += size * rows
        if self._copied > self._may_copy:
            raise refusal(self._signal, "copies")


def decode(
    signal: Signal,
    payloads: Sequence[bytes],
    limits: Limits,
    received_ns: Sequence[int] = (),
    facts: FactMaker | None = None,
) -> Decoded:
    """See `spanruns_receiver.decode.decode`."""
    batch = _Batch(signal, limits)
    for position, payload in enumerate(payloads):
        try:
            batch.add(payload, received_ns[position] if position < len(received_ns) else 0)
        except BadInput as error:
            raise type(error)(f"payload {position}: {error}") from error
    blocks = {
        table: Block(names(table), len(batch.rows[table]), encode(columns, batch.rows[table]))
        for table, columns in TABLES.items()
        if batch.rows.get(table)
    }
    if facts:
        made = [
            *facts.of_spans(batch.rows.get("otel_traces", ())),
            *facts.of_records(batch.rows.get("otel_logs", ())),
        ]
        if made:
            blocks[FACTS_TABLE] = Block(FACT_NAMES, len(made), encode(FACTS, made))
    return Decoded(blocks, dict(sorted(batch.clean.counts.items())), dict(sorted(batch.rejected.items())))


def validate(signal: Signal, payload: bytes, limits: Limits) -> Checked:
    """See `spanruns_receiver.decode.validate`."""
    batch = _Batch(signal, limits, keep=False)
    batch.add(payload, 0)
    return checked(batch.items, batch.rejected)


def _size(pairs: Pairs) -> int:
    return sum(len(key) + len(value) for key, value in pairs)


def _service(clean: Cleaner, attributes: Pairs) -> bytes:
    for key, value in attributes:
        if key == b"service.name":
            return clean.name(value)
    return b""


def _label(clean: Cleaner, labels: Sequence[bytes], value: int) -> bytes:
    if 0 <= value < len(labels):
        return labels[value]
    clean.counts["enum"] += 1
    return labels[0]


def _rejection(span: Any) -> str:
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16:
        return REJECTIONS[0]
    if not any(trace_id):
        return REJECTIONS[1]
    if len(span_id) != 8:
        return REJECTIONS[2]
    if not any(span_id):
        return REJECTIONS[3]
    return ""


def _add_traces(batch: _Batch, request: Any) -> None:
    clean, rows = batch.clean, batch.table("otel_traces")
    batch.grow(len(request.resources))
    for resource in request.resources:
        batch.grow(len(resource.scopes))
        resource_attributes = clean.attributes(resource.resource.attributes)
        service = _service(clean, resource_attributes)
        for scope in resource.scopes:
            above = (resource_attributes, clean.name(scope.scope.name), clean.name(scope.scope.version))
            batch.grow(len(scope.items))
            batch.copy(_size(resource_attributes) + len(above[1]) + len(above[2]), len(scope.items))
            for span in scope.items:
                batch.items += 1
                batch.grow(len(span.events) + len(span.links))
                reason = _rejection(span)
                if reason:
                    batch.rejected[reason] += 1
                elif batch.keep:
                    rows.append(_span(clean, span, service, above))


def _span(clean: Cleaner, span: Any, service: bytes, above: Row) -> Row:
    start, end = _times(clean, span.start, span.end)
    events, links = span.events, span.links
    return (
        start,
        span.trace_id.hex().encode(),
        span.span_id.hex().encode(),
        clean.identifier(span.parent_span_id, 8),
        clean.text(span.trace_state),
        clean.name(span.name),
        _label(clean, _KINDS, span.kind),
        service,
        *above,
        clean.attributes(span.attributes),
        end - start,
        _label(clean, _STATUS_CODES, span.status.code),
        clean.text(span.status.message),
        [clean.time(event.time, start) for event in events],
        [clean.name(event.name) for event in events],
        [clean.attributes(event.attributes) for event in events],
        [clean.identifier(link.trace_id, 16) for link in links],
        [clean.identifier(link.span_id, 8) for link in links],
        [clean.text(link.trace_state) for link in links],
        [clean.attributes(link.attributes) for link in links],
    )


def _times(clean: Cleaner, start: int, end: int) -> tuple[int, int]:
    if clean.possible(start) and clean.possible(end) and start <= end:
        return start, end
    clean.counts["time"] += 1
    if not clean.possible(start):
        start = end if clean.possible(end) else clean.received
    return start, start


def _add_logs(batch: _Batch, request: Any) -> None:
    clean, rows = batch.clean, batch.table("otel_logs")
    batch.grow(len(request.resources))
    for resource in request.resources:
        batch.grow(len(resource.scopes))
        resource_attributes = clean.attributes(resource.resource.attributes)
        service = _service(clean, resource_attributes)
        resource_url = clean.name(resource.schema_url)
        for scope in resource.scopes:
            above = (
                resource_url,
                resource_attributes,
                clean.name(scope.schema_url),
                clean.name(scope.scope.name),
                clean.name(scope.scope.version),
                clean.attributes(scope.scope.attributes),
            )
            batch.grow(len(scope.items))
            batch.copy(_size(resource_attributes) + _size(above[5]) + len(above[3]), len(scope.items))
            batch.items += len(scope.items)
            if batch.keep:
                rows.extend(_log(clean, record, service, above) for record in scope.items)


def _log(clean: Cleaner, record: Any, service: bytes, above: Row) -> Row:
    is_observed = clean.possible(record.observed)
    if record.time == 0 and is_observed:
        time = record.observed
    else:
        time = clean.time(record.time, record.observed if is_observed else clean.received)
    severity = record.severity_number
    if not 0 <= severity <= 24:
        clean.counts["enum"] += 1
        severity = 0
    return (
        time,
        clean.identifier(record.trace_id, 16),
        clean.identifier(record.span_id, 8),
        record.flags & 0xFF,
        clean.name(record.severity_text),
        severity,
        service,
        clean.value(record.body),
        *above,
        clean.attributes(record.attributes),
        clean.name(record.event_name),
    )


def _add_metrics(batch: _Batch, request: Any) -> None:
    clean = batch.clean
    batch.grow(len(request.resources))
    for resource in request.resources:
        batch.grow(len(resource.scopes))
        resource_attributes = clean.attributes(resource.resource.attributes)
        service = _service(clean, resource_attributes)
        resource_url = clean.name(resource.schema_url)
        for scope in resource.scopes:
            above = (
                resource_attributes,
                resource_url,
                clean.name(scope.scope.name),
                clean.name(scope.scope.version),
                clean.attributes(scope.scope.attributes),
                scope.scope.dropped,
                clean.name(scope.schema_url),
                service,
            )
            batch.grow(len(scope.items))
            for metric in scope.items:
                which = metric.WhichOneof("data")
                if which:
                    _add_metric(batch, metric, which, above)


def _add_metric(batch: _Batch, metric: Any, which: str, above: Row) -> None:
    clean, row = batch.clean, _POINTS[which]
    named = (clean.name(metric.name), clean.name(metric.description), clean.name(metric.unit))
    head = (*above, *named)
    data = getattr(metric, which)
    rows = batch.table(f"otel_metrics_{which}")
    size = _size(above[0]) + _size(above[4]) + sum(map(len, (above[1], above[2], above[3], above[6], *named)))
    batch.grow(len(data.points))
    batch.copy(size, len(data.points))
    for point in data.points:
        batch.grow(len(point.quantiles if which == "summary" else point.exemplars))
        batch.items += 1
        if not batch.keep:
            continue
        start = clean.time(point.start, 0) if point.start else 0
        time = clean.time(point.time, clean.received)
        rows.append((*head, clean.attributes(point.attributes), start, time, *row(clean, data, point, time)))


def _value(point: Any) -> float:
    # Unset is 0.0, as the exporter has it.
    return float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double


def _exemplars(clean: Cleaner, point: Any, time: int) -> Row:
    exemplars = point.exemplars
    return (
        [clean.attributes(exemplar.attributes) for exemplar in exemplars],
        [clean.time(exemplar.time, time) for exemplar in exemplars],
        [_value(exemplar) for exemplar in exemplars],
        [clean.identifier(exemplar.span_id, 8) for exemplar in exemplars],
        [clean.identifier(exemplar.trace_id, 16) for exemplar in exemplars],
    )


def _gauge(clean: Cleaner, data: Any, point: Any, time: int) -> Row:
    return (_value(point), point.flags, *_exemplars(clean, point, time))


def _sum(clean: Cleaner, data: Any, point: Any, time: int) -> Row:
    return (*_gauge(clean, data, point, time), data.temporality, data.monotonic)


def _histogram(clean: Cleaner, data: Any, point: Any, time: int) -> Row:
    return (
        point.count,
        point.sum,
        point.bucket_counts,
        point.explicit_bounds,
        *_exemplars(clean, point, time),
        point.flags,
        point.min,
        point.max,
        data.temporality,
    )


def _exp_histogram(clean: Cleaner, data: Any, point: Any, time: int) -> Row:
    return (
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        point.positive.offset,
        point.positive.counts,
        point.negative.offset,
        point.negative.counts,
        *_exemplars(clean, point, time),
        point.flags,
        point.min,
        point.max,
        data.temporality,
    )


def _summary(clean: Cleaner, data: Any, point: Any, time: int) -> Row:
    quantiles = point.quantiles
    return (
        point.count,
        point.sum,
        [quantile.quantile for quantile in quantiles],
        [quantile.value for quantile in quantiles],
        point.flags,
    )


_ADD: dict[Signal, Callable[[_Batch, Any], None]] = {
    "traces": _add_traces,
    "logs": _add_logs,
    "metrics": _add_metrics,
}
_POINTS: dict[str, Callable[[Cleaner, Any, Any, int], Row]] = {
    "gauge": _gauge,
    "sum": _sum,
    "histogram": _histogram,
    "exp_histogram": _exp_histogram,
    "summary": _summary,
}
