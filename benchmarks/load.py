"""A client under whose load others are measured: `python benchmarks/load.py --target HOST:PORT --spans N`, a process of its own.

Requests are made before anything is measured: `templates` of `spans.py`, whose trace ids and times are set anew in their bytes each
time they are sent, so that no request is like another and making one costs next to nothing. Prints one line of JSON at its end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import spans

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRY_S = 0.2
GIVE_UP_S = 60.0


class Template:
    """A request whose trace ids and times can be set; the spans are else the same each time."""

    def __init__(self, traces: int, seed: int) -> None:
        began_ns = 1_700_000_000 * 10**9
        self.spans = traces * spans.SPANS_PER_TRACE
        self._began_ns = began_ns
        payload = spans.request(traces, seed, began_ns)
        self._bytes = np.frombuffer(payload, dtype=np.uint8).copy()
        request = ExportTraceServiceRequest.FromString(payload)
        ids = {
            span.trace_id
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }
        self._ids = np.array([at for one in ids for at in _found(payload, b"\x0a\x10" + one, 2)], dtype=np.int64)
        times = {
            moment
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            for moment in (span.start_time_unix_nano, span.end_time_unix_nano)
        }
        found = [at for one in times for at in _found(payload, struct.pack("<Q", one), 0)]
        self._times = np.array(sorted(found), dtype=np.int64)
        assert len(self._ids) == self.spans
        assert len(self._times) == 2 * self.spans

    def request(self, number: int, now_ns: int) -> bytes:
        """The request with trace ids that belong to `number`, its spans begun at `now_ns`."""
        fresh = self._bytes.copy()
        # The first eight of the sixteen bytes; the others still tell the traces of the request apart.
        fresh[self._ids[:, None] + np.arange(8)] = np.frombuffer(
            struct.pack(">Q", number * 0x9E3779B97F4A7C15 % 2**64), np.uint8
        )
        at = self._times[:, None] + np.arange(8)
        moments = fresh[at].view("<u8") + np.uint64(now_ns - self._began_ns)
        fresh[at] = moments.view(np.uint8).reshape(-1, 8)
        return fresh.tobytes()


@dataclass
class Sent:
    """What came of the sending; `acknowledge_s` has the time that each answer took."""

    spans: int = 0
    payload_bytes: int = 0
    refused: int = 0
    acknowledge_s: list[float] = field(default_factory=list)
    acknowledged_at: list[float] = field(default_factory=list)


def main() -> None:
    """Send, print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=0, help="send for so long, instead of a number of spans")
    parser.add_argument("--rate", type=float, default=0, help="spans a second; as fast as answers come without")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--traces", type=int, default=32, help="of 16 spans, in each request")
    parser.add_argument("--templates", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--go", type=Path, help="begin when this file is there")
    arguments = parser.parse_args()
    templates = [Template(arguments.traces, arguments.seed * 1000 + n) for n in range(arguments.templates)]
    if arguments.go:
        print("ready", flush=True)
        while not arguments.go.exists():
            time.sleep(0.02)
    sent, seconds = _send(arguments, templates)
    took = sorted(sent.acknowledge_s)
    json.dump(
        {
            "spans": sent.spans,
            "payload_bytes": sent.payload_bytes,
            "refused": sent.refused,
            "seconds": seconds,
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[len(took) * 99 // 100],
        },
        sys.stdout,
    )


def _send(arguments: argparse.Namespace, templates: list[Template]) -> tuple[Sent, float]:
    began = time.monotonic()
    numbers = _numbers(arguments, began, templates[0].spans)
    lock = threading.Lock()
    sent = Sent()

    def connection() -> None:
        # Without its own pool all channels of a process share one connection.
        with grpc.insecure_channel(arguments.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export = channel.unary_unary(METHOD)
            while True:
                with lock:
                    found = next(numbers, None)
                if found is None:
                    return
                number, due = found
                if (early := due - time.monotonic()) > 0:
                    time.sleep(early)
                template = templates[number % len(templates)]
                payload = template.request(arguments.seed * 10**9 + number, time.time_ns())
                _export(export, payload, template.spans, sent, lock)

    threads = [threading.Thread(target=connection) for _ in range(arguments.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent, time.monotonic() - began


def _export(export: grpc.UnaryUnaryMultiCallable, payload: bytes, count: int, sent: Sent, lock: threading.Lock) -> None:
    """Until it is acknowledged, as every client does it; not for ever."""
    give_up_at = time.monotonic() + GIVE_UP_S
    while True:
        began = time.perf_counter()
        try:
            export(payload, timeout=60)
        except grpc.RpcError as error:
            retryable = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
            if not retryable or time.monotonic() > give_up_at:
                raise
            with lock:
                sent.refused += 1
            time.sleep(RETRY_S)
            continue
        with lock:
            sent.acknowledge_s.append(time.perf_counter() - began)
            sent.spans += count
            sent.payload_bytes += len(payload)
        return


def _numbers(arguments: argparse.Namespace, began: float, each: int) -> Iterator[tuple[int, float]]:
    """Numbers of requests, each with the time when it is due."""
    for number in itertools.count():
        if arguments.seconds:
            if time.monotonic() > began + arguments.seconds:
                return
        elif number * each >= arguments.spans:
            return
        yield number, began + (number * each / arguments.rate if arguments.rate else 0)


def _found(payload: bytes, wanted: bytes, skip: int) -> list[int]:
    places, at = [], payload.find(wanted)
    while at >= 0:
        places.append(at + skip)
        at = payload.find(wanted, at + 1)
    return places


if __name__ == "__main__":
    main()
