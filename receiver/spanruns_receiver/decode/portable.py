"""The decoder in Python: what runs where nothing is compiled, and what the compiled one is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spanruns_schema.errors import Malformed

from spanruns_receiver.decode import wire
from spanruns_receiver.decode.block import encode
from spanruns_receiver.decode.columns import TABLES, names
from spanruns_receiver.decode.model import REJECTIONS, Block, Checked, Decoded, Limits, Signal
from spanruns_receiver.decode.values import Cleaner, Pairs, possible

Row = tuple[Any, ...]

_KINDS = (b"Unspecified", b"Internal", b"Server", b"Client", b"Producer", b"Consumer")
_STATUS_CODES = (b"Unset", b"Ok", b"Error")


class _Batch:
    """Rows by table while a batch is decoded."""

    def __init__(self, limits: Limits) -> None:
        self.clean = Cleaner(limits)
        self.rows: dict[str, list[Row]] = {}
        self.rejected: Counter[str] = Counter()

    def table(self, name: str) -> list[Row]:
        return self.rows.setdefault(name, [])


def decode(
    signal: Signal, payloads: Sequence[bytes], limits: Limits, received_ns: Sequence[int] = ()
) -> Decoded:
    """See `spanruns_receiver.decode.decode`."""
    batch = _Batch(limits)
    add = _ADD[signal]
    for position, payload in enumerate(payloads):
        try:
            request = wire.parse(signal, payload)
        except Malformed as error:
            raise Malformed(f"payload {position}: {error}") from error
        received = received_ns[position] if position < len(received_ns) else 0
        add(batch, request, received if possible(received) else 0)
    blocks = {
        table: Block(names(table), len(batch.rows[table]), encode(columns, batch.rows[table]))
        for table, columns in TABLES.items()
        if batch.rows.get(table)
    }
    return Decoded(blocks, dict(sorted(batch.clean.counts.items())), dict(sorted(batch.rejected.items())))


def validate(signal: Signal, payload: bytes) -> Checked:
    """See `spanruns_receiver.decode.validate`."""
    request = wire.parse(signal, payload)
    if signal != "traces":
        return Checked(_count(signal, request))
    reasons: Counter[str] = Counter()
    items = 0
    for span in _items(request):
        items += 1
        reason = _rejection(span)
        if reason:
            reasons[reason] += 1
    message = ", ".join(f"{count} spans: {reason}" for reason, count in sorted(reasons.items()))
    return Checked(items, reasons.total(), message)


def _count(signal: Signal, request: Any) -> int:
    if signal != "metrics":
        return sum(len(scope.items) for resource in request.resources for scope in resource.scopes)
    total = 0
    for metric in _items(request):
        which = metric.WhichOneof("data")
        total += len(getattr(metric, which).points) if which else 0
    return total


def _items(request: Any) -> Iterator[Any]:
    for resource in request.resources:
        for scope in resource.scopes:
            yield from scope.items


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


def _add_traces(batch: _Batch, request: Any, received: int) -> None:
    clean, rows = batch.clean, batch.table("otel_traces")
    for resource in request.resources:
        resource_attributes = clean.attributes(resource.resource.attributes)
        service = _service(clean, resource_attributes)
        for scope in resource.scopes:
            scope_name, scope_version = clean.name(scope.scope.name), clean.name(scope.scope.version)
            for span in scope.items:
                reason = _rejection(span)
                if reason:
                    batch.rejected[reason] += 1
                else:
                    rows.append(
                        _span(clean, span, service, resource_attributes, scope_name, scope_version, received)
                    )


def _span(
    clean: Cleaner,
    span: Any,
    service: bytes,
    resource_attributes: Pairs,
    scope_name: bytes,
    scope_version: bytes,
    received: int,
) -> Row:
    start, end = _times(clean, span.start, span.end, received)
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
        resource_attributes,
        scope_name,
        scope_version,
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


def _times(clean: Cleaner, start: int, end: int, received: int) -> tuple[int, int]:
    if possible(start) and possible(end) and start <= end:
        return start, end
    clean.counts["time"] += 1
    if not possible(start):
        start = end if possible(end) else received
    return start, start


def _add_logs(batch: _Batch, request: Any, received: int) -> None:
    clean, rows = batch.clean, batch.table("otel_logs")
    for resource in request.resources:
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
            rows.extend(_log(clean, record, service, above, received) for record in scope.items)


def _log(clean: Cleaner, record: Any, service: bytes, above: Row, received: int) -> Row:
    if record.time == 0 and possible(record.observed):
        time = record.observed
    else:
        time = clean.time(record.time, record.observed if possible(record.observed) else received)
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


def _add_metrics(batch: _Batch, request: Any, received: int) -> None:
    clean = batch.clean
    for resource in request.resources:
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
            for metric in scope.items:
                which = metric.WhichOneof("data")
                if which:
                    _add_metric(batch, metric, which, above, received)


def _add_metric(batch: _Batch, metric: Any, which: str, above: Row, received: int) -> None:
    clean, row = batch.clean, _POINTS[which]
    head = (*above, clean.name(metric.name), clean.text(metric.description), clean.name(metric.unit))
    data = getattr(metric, which)
    rows = batch.table(f"otel_metrics_{which}")
    for point in data.points:
        start = clean.time(point.start, 0) if point.start else 0
        time = clean.time(point.time, received)
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


_ADD: dict[Signal, Callable[[_Batch, Any, int], None]] = {
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
