"""Beside a Collector that writes into ClickHouse itself: its own tables and spellings, our schema on top, no receiver of ours."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Signal, decode
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import Store, open_store, rows

from tests.support.captures import fresh, fresh_records
from tests.support.clickhouse_http import clickhouse_http
from tests.support.collector import CURRENT, OLDER, Exporter
from tests.support.resolving import Bench, differences, expected_outcomes, outcome
from tests.support.spans import logs_request, record

EXPECTED = expected_outcomes()
SETTLED_S = 60.0
TABLES = ("runs", "tool_calls", "model_calls")
REQUESTS: dict[Signal, type[ExportTraceServiceRequest | ExportLogsServiceRequest]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
LIVE_TRACE = 0xBEEF


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


def captures(salt: str, now_ns: int) -> tuple[list[Any], dict[str, list[str]]]:
    """Every capture as if it came in now, and the trace ids of each."""
    requests, traces = [], {}
    for name, expected in EXPECTED.items():
        some, traces[name] = fresh(expected["files"], salt=f"{salt} {name}", now_ns=now_ns)
        requests += [*some, *fresh_records(expected["files"], salt=f"{salt} {name}", now_ns=now_ns)]
    return requests, traces


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


def through_a_receiver(directory: Path, requests: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """The same requests decoded and stored by ourselves."""
    store = EmbeddedStore(directory)
    try:
        bench = Bench(store)
        for of, kind in REQUESTS.items():
            bench.receive(*(one.SerializeToString() for one in requests if isinstance(one, kind)), signal=of)
        bench.resolve()
        return everything(store)
    finally:
        store.close()


@pytest.mark.parametrize(
    "exporter", [CURRENT, pytest.param(OLDER, marks=pytest.mark.slow)], ids=lambda exporter: exporter.name
)
@pytest.mark.timeout(480)
def test_the_same_runs_without_a_receiver(exporter: Exporter, tmp_path: Path) -> None:
    """Rows from before the schema by a backfill, rows from after it by the resolver, which nobody tells of them: both as through
    a receiver of ours; a run that has only begun is seen from its lifecycle record."""
    now_ns = time.time_ns()
    old, old_traces = captures("before", now_ns - 3600 * 10**9)
    new, new_traces = captures("after", now_ns)
    begun = {"gen_ai.agent.name": "at work", "spanruns.run.started_at": now_ns}
    live = ExportLogsServiceRequest.FromString(logs_request([record("started", 1, begun, at_ms=0, trace=LIVE_TRACE)]))
    live.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = now_ns
    with clickhouse_http(tmp_path / "server") as server:
        url = server.url.replace("/spanruns", "/otel")
        exporter.create_schema(url)
        exporter.export(url, *old)
        assert spanruns("schema", "apply", "--store", url).endswith("the schema is up to date\n")
        with resolving(url, tmp_path):
            exporter.export(url, *new)
            exporter.export(url, live)
            assert "rebuilt" in spanruns("schema", "backfill", "--from", "1d", "--store", url)
            store = open_store(url, create=False)
            deadline = time.monotonic() + SETTLED_S
            while True:
                found = everything(store)
                wrong = {
                    f"{name} {when}": told
                    for when, traces in (("before", old_traces), ("after", new_traces))
                    for name in EXPECTED
                    if (told := differences(EXPECTED[name], outcome(_of(found, traces[name]))))
                }
                is_live = [run["status"] for run in found["runs"] if run["agent_name"] == "at work"] == ["running"]
                if (is_live and not wrong) or time.monotonic() > deadline:
                    break
                time.sleep(0.5)  # another process resolves: nothing to wait on
        assert (wrong, is_live) == ({}, True)
        assert found == everything(store)
        store.close()
    assert found == through_a_receiver(tmp_path / "store", [*old, *new, live])


def _of(found: dict[str, list[dict[str, Any]]], traces: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {table: [row for row in of if row["trace_id"] in traces] for table, of in found.items()}


def test_a_repeated_insert_into_its_tables_is_stored_once(tmp_path: Path) -> None:
    """A receiver that is put beside a Collector can repeat its inserts after a crash, as in tables of our own."""
    store = EmbeddedStore(tmp_path / "store")
    try:
        for statement in CURRENT.statements():
            store.command(statement)
        migrate.apply(store)
        requests, _ = captures("once", time.time_ns())
        block = decode("traces", [requests[0].SerializeToString()]).blocks["otel_traces"]
        for _ in range(2):
            store.insert("otel_traces", block.columns, block.native, token="the same")
        assert rows(store, "SELECT count() AS n FROM otel_traces") == [{"n": block.rows}]
    finally:
        store.close()
