"""What decoding costs, beside the straightforward way: protobuf's objects, walked in Python.

    python benchmarks/bench_decode.py

CPU time of one process in one run; ratios are what carries over to other machines.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Limits, compiled, portable
from spanruns_receiver.decode.block import encode
from spanruns_receiver.decode.columns import TRACES, names
from spanruns_receiver.facts import NAMES, TABLE, package_facts
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore

from benchmarks.spans import SPANS_PER_TRACE, request

PAYLOADS, TRACES_EACH = 16, 32
SPANS = PAYLOADS * TRACES_EACH * SPANS_PER_TRACE
_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_CODES = ("Unset", "Ok", "Error")


def walk(payloads: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """The reference: a row a span from protobuf's own objects, nothing checked or cleaned."""
    rows = []
    for payload in payloads:
        for resource in ExportTraceServiceRequest.FromString(payload).resource_spans:
            above = _attributes(resource.resource.attributes)
            service = dict(above).get(b"service.name", b"")
            for scope in resource.scope_spans:
                name, version = scope.scope.name.encode(), scope.scope.version.encode()
                rows += [_row(span, service, above, name, version) for span in scope.spans]
    return rows


def _row(span: Any, service: bytes, above: Any, name: bytes, version: bytes) -> tuple[Any, ...]:
    return (
        span.start_time_unix_nano,
        span.trace_id.hex().encode(),
        span.span_id.hex().encode(),
        span.parent_span_id.hex().encode(),
        span.trace_state.encode(),
        span.name.encode(),
        _KINDS[span.kind].encode(),
        service,
        above,
        name,
        version,
        _attributes(span.attributes),
        span.end_time_unix_nano - span.start_time_unix_nano,
        _CODES[span.status.code].encode(),
        span.status.message.encode(),
        [event.time_unix_nano for event in span.events],
        [event.name.encode() for event in span.events],
        [_attributes(event.attributes) for event in span.events],
        [link.trace_id.hex().encode() for link in span.links],
        [link.span_id.hex().encode() for link in span.links],
        [link.trace_state.encode() for link in span.links],
        [_attributes(link.attributes) for link in span.links],
    )


def _attributes(attributes: Any) -> list[tuple[bytes, bytes]]:
    return [(attribute.key.encode(), _text(attribute.value).encode()) for attribute in attributes]


def _text(value: Any) -> str:
    which = value.WhichOneof("value")
    if which == "string_value":
        return str(value.string_value)
    if which is None:
        return ""
    found = getattr(value, which)
    return str(found) if which in ("int_value", "double_value") else json.dumps(str(found))


def cost_us(call: Callable[[], object], times: int) -> float:
    """CPU microseconds a span of `call`, which handles all spans: the least of `times` runs."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best / SPANS * 1e6


class Inserts:
    """CPU microseconds a span of inserting blocks into the real tables, all threads of the engine, no merges, no views."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        migrate.apply(store, shared=False)
        for view in ("otel_traces_trace_id_ts_mv", "event_trace_id_ts_mv"):
            store.command(f"DROP VIEW {view} SYNC")
        self._number = 0

    def cost_us(self, table: str, columns: Sequence[str], blocks: Sequence[bytes]) -> float:
        """The least of five runs."""
        self._store.command(f"SYSTEM STOP MERGES {table}")
        best = float("inf")
        for _ in range(5):
            started = time.process_time()
            for block in blocks:
                self._number += 1
                self._store.insert(table, columns, block, token=str(self._number))
            best = min(best, time.process_time() - started)
            self._store.command(f"TRUNCATE TABLE {table}")
        return best / (SPANS * len(blocks)) * 1e6


def main() -> None:
    """Measure, and print a table."""
    now = time.time_ns()
    payloads = [request(TRACES_EACH, seed, now) for seed in range(PAYLOADS)]
    limits, columns = Limits(), names("otel_traces")
    assert compiled.AVAILABLE, "the compiled decoder is not installed"
    assert compiled.decode("traces", payloads, limits) == portable.decode("traces", payloads, limits)

    plain = [(name, kind.replace("LowCardinality(String)", "String")) for name, kind in TRACES]
    batches = [[request(TRACES_EACH, 1000 * batch + seed, now) for seed in range(PAYLOADS)] for batch in range(4)]
    facts = package_facts()
    made = [compiled.decode("traces", batch, limits, (), facts).blocks for batch in batches]
    ready = [blocks["otel_traces"].native for blocks in made]
    costs = {
        "parse alone (upb)": cost_us(lambda: [ExportTraceServiceRequest.FromString(p) for p in payloads], 5),
        "walk protobuf objects to rows": cost_us(lambda: walk(payloads), 5),
        "walk protobuf objects to a block": cost_us(lambda: encode(TRACES, walk(payloads)), 5),
        "portable decoder": cost_us(lambda: portable.decode("traces", payloads, limits), 5),
        "portable decoder, with facts": cost_us(lambda: portable.decode("traces", payloads, limits, (), facts), 3),
        "compiled decoder": cost_us(lambda: compiled.decode("traces", payloads, limits), 30),
        "compiled decoder, with facts": cost_us(lambda: compiled.decode("traces", payloads, limits, (), facts), 30),
        "check at the door, compiled": cost_us(
            lambda: [compiled.validate("traces", payload, limits) for payload in payloads], 30
        ),
    }
    strings = [encode(plain, walk(batch)) for batch in batches]
    with tempfile.TemporaryDirectory() as directory:
        store = EmbeddedStore(Path(directory) / "store")
        inserts = Inserts(store)
        costs["insert of the block"] = inserts.cost_us("otel_traces", columns, ready)
        costs["insert of the block, no LowCardinality in it"] = inserts.cost_us("otel_traces", columns, strings)
        costs["insert of the facts block"] = inserts.cost_us(TABLE, NAMES, [blocks[TABLE].native for blocks in made])
        store.close()
    costs["facts, compiled"] = costs["compiled decoder, with facts"] - costs["compiled decoder"]
    costs["facts, portable"] = costs["portable decoder, with facts"] - costs["portable decoder"]
    _report(payloads, ready, costs)


def _report(payloads: Sequence[bytes], ready: Sequence[bytes], costs: dict[str, float]) -> None:
    reference, fast = costs["walk protobuf objects to rows"], costs["compiled decoder"]
    print(f"{SPANS} spans, {sum(map(len, payloads)) / SPANS:.0f} bytes each, {len(ready[0]) / SPANS:.0f} in the block")
    print("| what | CPU ms per 1,000 spans | of the object walk |")
    print("|---|---:|---:|")
    for what, cost in costs.items():
        print(f"| {what} | {cost:.2f} | {cost / reference:.3f} |")
    to_block = costs["walk protobuf objects to a block"]
    print(f"Compiled: {reference / fast:.1f} x the walk to rows, {to_block / fast:.1f} x the walk to a block.")


if __name__ == "__main__":
    main()
