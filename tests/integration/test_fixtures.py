"""Captured requests of real frameworks through a running receiver: over the real doors, into the embedded store, and out of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.support.captures import fresh, fresh_records
from tests.support.resolving import differences, live_outcomes, outcome, records_of, untold
from tests.support.up import Up, running_up

EXPECTED = live_outcomes()
SETTLED_S = 20.0
TABLES = ("runs", "tool_calls", "model_calls")


@dataclass
class Sender:
    """Sends requests by gRPC and HTTP in turn."""

    up: Up
    doors: Iterator[str] = field(default_factory=lambda: cycle(("grpc", "http")))

    def send(self, request: ExportTraceServiceRequest) -> None:
        """Returns when it is acknowledged."""
        if next(self.doors) == "grpc":
            with grpc.insecure_channel(self.up.grpc) as channel:
                stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]
                answer = stub.Export(request, timeout=30)
            assert answer.partial_success.rejected_spans == 0
        else:
            self._post("traces", request.SerializeToString())

    def send_records(self, request: ExportLogsServiceRequest) -> None:
        """The same of log records, by HTTP."""
        self._post("logs", request.SerializeToString())

    def _post(self, signal: str, body: bytes) -> None:
        headers = {"content-type": "application/x-protobuf"}
        httpx.post(f"{self.up.url}/v1/{signal}", content=body, headers=headers, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What the store holds of each fixture when everything has been sent and resolved."""
    data: Path = tmp_path_factory.mktemp("fixtures") / "data"
    with running_up(data) as up, httpx.Client(base_url=f"http://127.0.0.1:{up.ports['api']}", timeout=30) as api:
        sender, traces = Sender(up), {}
        for name, expected in EXPECTED.items():
            now_ns = time.time_ns()
            requests, traces[name] = fresh(expected["files"], salt=name, now_ns=now_ns)
            for request in requests:
                sender.send(request)
            for records in fresh_records(expected["files"], salt=name, now_ns=now_ns):
                sender.send_records(records)
        end = time.monotonic() + SETTLED_S
        while True:
            everything = {table: _rows(api, table) for table in TABLES}
            mine = {name: _of(everything, traces[name]) for name in EXPECTED}
            found = {name: outcome(rows) | {"untold": _untold(rows)} for name, rows in mine.items()}
            awaited = any(differences(EXPECTED[name], found[name]) or _awaits(name, found[name]) for name in EXPECTED)
            if time.monotonic() > end or not awaited:
                break
            time.sleep(0.25)
        yield found


def _rows(api: httpx.Client, table: str) -> list[dict[str, Any]]:
    answer = api.post("/api/sql", json={"query": f"SELECT * FROM {table}", "format": "JSON"}).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def _of(everything: dict[str, list[dict[str, Any]]], traces: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {table: [row for row in rows if row["trace_id"] in traces] for table, rows in everything.items()}


def _untold(rows: dict[str, list[dict[str, Any]]]) -> int:
    return sum(not call["input"] for call in rows["model_calls"])


def _awaits(name: str, found: dict[str, Any]) -> bool:
    """Whether contents are missing that came as log records."""
    return bool(records_of(name) and found["untold"] > untold(name))


@pytest.mark.parametrize("name", [name for name in EXPECTED if records_of(name)])
def test_contents_of_log_records(stored: dict[str, dict[str, Any]], name: str) -> None:
    """Every model call whose input a record tells has it, although the spans came without."""
    assert stored[name]["untold"] == untold(name)


@pytest.mark.parametrize("name", EXPECTED)
def test_fixture(stored: dict[str, dict[str, Any]], name: str) -> None:
    """Every run, tool call and model call of the capture is stored, once, with its status, parent and tokens."""
    assert differences(EXPECTED[name], stored[name]) == []
