"""Cutting batches in two, down to one item, to find what the store refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from spanruns_receiver.decode import wire
from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Batch, Record


def halves(batch: Batch, table: str, records: Sequence[Record]) -> list[Batch]:
    """`batch`, for `table` only, cut in two; empty when it is a single item already.

    The same batch is always cut in the same way.
    """
    only = replace(batch, table=table)
    if len(records) > 1:
        middle = records[len(records) // 2].sequence
        return [replace(only, last=middle - 1), replace(only, first=middle)]
    if not records:
        return []
    sequence = records[0].sequence
    start, end = batch.items or (0, records[0].items)
    if end - start < 2:
        return []
    middle = (start + end) // 2
    within = replace(only, first=sequence, last=sequence)
    return [replace(within, items=(start, middle)), replace(within, items=(middle, end))]


def slice_request(signal: Signal, payload: bytes, start: int, end: int) -> bytes:
    """The request with only its items (spans, log records, data points) from `start` to below `end`."""
    request = wire.parse(signal, payload)
    position = 0

    def wanted() -> bool:
        nonlocal position
        position += 1
        return start < position <= end

    for resource in request.resources:
        for scope in resource.scopes:
            if signal == "metrics":
                _keep(scope.items, lambda metric: _keep_points(metric, wanted))
            else:
                _keep(scope.items, lambda item: wanted())
        _keep(resource.scopes, lambda scope: bool(scope.items))
    _keep(request.resources, lambda resource: bool(resource.scopes))
    found: bytes = request.SerializeToString()
    return found


def _keep_points(metric: Any, wanted: Callable[[], bool]) -> bool:
    kind = metric.WhichOneof("data")
    if kind is None:
        return False
    points = getattr(metric, kind).points
    _keep(points, lambda point: wanted())
    return bool(points)


def _keep(repeated: Any, wanted: Callable[[Any], bool]) -> None:
    kept = [item for item in repeated if wanted(item)]
    if len(kept) < len(repeated):
        copies = [type(item).FromString(item.SerializeToString()) for item in kept]
        del repeated[:]
        repeated.extend(copies)
