"""Beside a Collector that writes into ClickHouse itself: our commands as processes, captures as if they came in now, and what must
become of them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Signal
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import Store, rows

from tests.support.captures import fresh, fresh_records, spans_of
from tests.support.resolving import Bench, differences, live_outcomes, outcome
from tests.support.spans import logs_request, record

EXPECTED = live_outcomes()
SETTLED_S = 120.0
TABLES = ("runs", "tool_calls", "model_calls")
REQUESTS: dict[Signal, type[ExportTraceServiceRequest | ExportLogsServiceRequest]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
LIVE_TRACE = 0xBEEF
YEAR_NS = 365 * 86400 * 10**9


def spanruns(*arguments: str) -> str:
    """What a `spanruns` command says, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "spanruns_receiver", *arguments], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def resolving(url: str, directory: Path) -> Iterator[None]:
    """`spanruns resolve` as a process of its own; it must end cleanly."""
    ready = directory / "resolver.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "spanruns_receiver", "resolve", "--store", url, "--ready-file", str(ready)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "resolving\n"
        assert json.loads(ready.read_bytes()) == {"pid": process.pid}
        yield
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, "ERROR" in said, ready.exists()) == (0, False, False), said
    finally:
        process.kill()
        process.communicate()


def captures(salt: str, now_ns: int, *, every: int = 1) -> tuple[list[Any], dict[str, list[str]]]:
    """Every capture (or each `every`th) as if it came in now, and the trace ids of each by salt and name.

    Times of events that a receiver takes for mistakes, where a Collector writes what it gets, are those of their spans.
    """
    requests, traces = list[Any](), {}
    for name, expected in list(EXPECTED.items())[::every]:
        some, traces[f"{salt} {name}"] = fresh(expected["files"], salt=f"{salt} {name}", now_ns=now_ns)
        for span in (span for request in some for span in spans_of(request)):
            for event in span.events:
                if abs(event.time_unix_nano - span.start_time_unix_nano) > YEAR_NS:
                    event.time_unix_nano = span.end_time_unix_nano
        requests += [*some, *fresh_records(expected["files"], salt=f"{salt} {name}", now_ns=now_ns)]
    return requests, traces


def begun(now_ns: int) -> ExportLogsServiceRequest:
    """A run that has only begun: its lifecycle record."""
    said = {"gen_ai.agent.name": "at work", "spanruns.run.started_at": now_ns}
    live = ExportLogsServiceRequest.FromString(logs_request([record("started", 1, said, at_ms=0, trace=LIVE_TRACE)]))
    live.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = now_ns
    return live


def is_seen(found: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Whether the run that has only begun is there."""
    return [run["status"] for run in found["runs"] if run["agent_name"] == "at work"] == ["running"]


def payloads(requests: Iterable[Any], of: Signal) -> list[bytes]:
    """The requests of a signal, as they are sent."""
    return [one.SerializeToString() for one in requests if isinstance(one, REQUESTS[of])]


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """What people query, without what differs from pass to pass."""
    found = {}
    for table in TABLES:
        # A wrapper whose parent never comes is counted to its run when it has been awaited for two minutes, or at once by a backfill.
        without = "EXCEPT (version, spans_stored)" if table == "runs" else ""
        found[table] = rows(store, f"SELECT * {without} FROM {table} ORDER BY started_at, trace_id, span_id")
        for row in found[table]:
            if "tags" in row:
                row["tags"].sort()
    return found


def settled(store: Store, traces: Mapping[str, list[str]], *, live: bool = True) -> dict[str, list[dict[str, Any]]]:
    """What people query, as soon as the traces of each capture (and the run that has only begun) became what they must.

    `traces` is by salt and name, as of `captures`.
    """
    deadline = time.monotonic() + SETTLED_S
    while True:
        found = everything(store)
        wrong = {
            name: told
            for name, ids in traces.items()
            if (told := differences(EXPECTED[name.partition(" ")[2]], outcome(_of(found, ids))))
        }
        if not wrong and is_seen(found) == live:
            return found
        assert time.monotonic() < deadline, (wrong, is_seen(found))
        time.sleep(0.5)  # another process resolves: nothing to wait on


def raw_rows(store: Store, *tables: str) -> dict[str, list[str]]:
    """The rows of raw tables, as sorted lines of JSON; the order of attributes is nobody's promise."""
    return {
        table: sorted(json.dumps(row, sort_keys=True) for row in rows(store, f"SELECT * FROM {table}"))
        for table in tables
    }


@contextmanager
def received(directory: Path, requests: list[Any], *metrics: bytes) -> Iterator[Store]:
    """A store in which the same requests are decoded, stored and resolved by ourselves."""
    store = EmbeddedStore(directory)
    try:
        bench = Bench(store)
        for of in REQUESTS:
            bench.receive(*payloads(requests, of), signal=of)
        if metrics:
            bench.receive(*metrics, signal="metrics")
        bench.resolve()
        yield store
    finally:
        store.close()


def _of(found: dict[str, list[dict[str, Any]]], traces: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {table: [row for row in of if row["trace_id"] in traces] for table, of in found.items()}
