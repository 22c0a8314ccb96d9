"""Looking at a spool that another process may own: nothing is locked, nothing is changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_schema.errors import NotFound

from spanruns_receiver.signals import Signal
from spanruns_receiver.spool.dead import DeadLetter, DeadLetters
from spanruns_receiver.spool.plan import Plan, read_plan
from spanruns_receiver.spool.record import Record
from spanruns_receiver.spool.segment import Segment, seeds_in, segment_paths

_IDS = ("traceId", "spanId", "parentSpanId")
_REQUESTS: dict[Signal, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


@dataclass(frozen=True)
class Summary:
    """What is in a spool now; `oldest_ns` is when the oldest waiting request came, None when none waits."""

    requests: int
    items: int
    size_bytes: int
    segments: int
    oldest_ns: int | None
    plan: Plan
    dead: tuple[DeadLetter, ...]
    damaged: int


def inspect(directory: Path) -> Summary:
    """Count what is in the spool in `directory`; raises `NotFound` when there is none."""
    if not directory.is_dir():
        raise NotFound(f"there is no spool in {directory}: set --data")
    paths = segment_paths(directory)
    requests = items = 0
    oldest_ns: int | None = None
    for record in waiting(directory):
        requests += 1
        items += record.items
        oldest_ns = record.received_at_ns if oldest_ns is None else oldest_ns
    return Summary(
        requests,
        items,
        sum(path.stat().st_size for path in paths),
        len(paths),
        oldest_ns,
        read_plan(directory / "plan"),
        tuple(DeadLetters(directory / "dead")),
        len(list((directory / "damaged").glob("*"))),
    )


def waiting(directory: Path, limit: int | None = None) -> Iterator[Record]:
    """Requests that are not known to be stored, oldest first."""
    return islice(_waiting(directory), limit)


def content(directory: Path, name: str) -> str:
    """A dead letter's request as JSON; raises `NotFound`."""
    dead = DeadLetters(directory / "dead")
    for letter in dead:
        if letter.name == name:
            payload = dead.payload(letter)
            try:
                return json.dumps(_otlp_json(_REQUESTS[letter.signal].FromString(payload)), indent=2)
            except DecodeError as error:
                return f"not a request ({error}), {len(payload)} bytes: {payload[:2000].hex()}"
    raise NotFound(f"there is no dead letter {name} in {directory}")


def _otlp_json(message: Message) -> Any:
    """`message` as OTLP/JSON has it: ids as hex digits, as people know them, and enums as numbers."""

    def hexed(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: hexed(member, key) for key, member in value.items()}
        if isinstance(value, list):
            return [hexed(member) for member in value]
        return base64.b64decode(value).hex() if name in _IDS else value

    return hexed(MessageToDict(message, use_integers_for_enums=True))


def _waiting(directory: Path) -> Iterator[Record]:
    plan = read_plan(directory / "plan")
    paths = segment_paths(directory)
    seeds = seeds_in(paths)
    for path in paths:
        segment = Segment.open(path, seeds, read_only=True)
        if segment is None:
            continue
        with closing(segment):
            for record in segment.headers():
                planned = any(
                    (b.signal, b.alone) == (record.signal, record.table) and b.first <= record.sequence <= b.last
                    for b in plan.batches
                )
                if planned or record.sequence >= plan.next_sequence:
                    yield record
