"""Several receivers on one machine behind the same ports, with one ClickHouse."""

from __future__ import annotations

import re
import time
from pathlib import Path

import grpc
import httpx
import pytest
from spanruns_receiver.signals import NAMES
from spanruns_schema.store import open_store, rows

from tests.support.clickhouse_http import clickhouse_http
from tests.support.otlp import traces
from tests.support.up import Up, free_ports, running_up

CONNECTIONS = 40
NUMBER = "toUInt64(reinterpretAsUInt64(reverse(unhex(SpanId)))) - 1"


def taken(data: Path) -> set[int]:
    """The spans that a receiver took: its last segments are kept when they are stored."""
    found = (path.read_bytes() for path in (data / "spool").iterdir() if path.is_file())
    return {int(number) for content in found for number in re.findall(rb"span (\d+)\.", content)}


def send(up: Up, number: int, start_ns: int) -> None:
    """One span by a connection of its own, by turns over gRPC and HTTP."""
    payload = traces(number, start_ns=start_ns)
    if number % 2:
        with grpc.insecure_channel(up.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            channel.unary_unary(NAMES["traces"].grpc_method)(payload, timeout=30)
    else:
        headers = {"content-type": "application/x-protobuf"}
        assert httpx.post(f"{up.url}/v1/traces", content=payload, headers=headers, timeout=30).status_code == 200


@pytest.mark.slow
def test_two_receivers_share_ports_and_store(tmp_path: Path) -> None:
    """Connections are spread over both; when one has ended the other serves them all; every span is stored once."""
    grpc_port, http_port = free_ports(2)
    start_ns = time.time_ns()
    with clickhouse_http(tmp_path / "clickhouse") as clickhouse:
        flags = (
            "--store",
            clickhouse.url,
            "--reuse-port",
            "--grpc-port",
            str(grpc_port),
            "--http-port",
            str(http_port),
        )
        with running_up(tmp_path / "one", *flags, command="receive") as one:
            with running_up(tmp_path / "two", *flags, command="receive") as two:
                assert one.ports["grpc"] == two.ports["grpc"] == grpc_port
                assert one.ports["otlp_http"] == two.ports["otlp_http"] == http_port
                assert one.process.pid != two.process.pid
                for number in range(CONNECTIONS):
                    send(two, number, start_ns)
                assert two.stop() == 0
            for number in range(CONNECTIONS, 2 * CONNECTIONS):
                send(one, number, start_ns)
            assert one.stop() == 0
        store = open_store(clickhouse.url)
        stored = [row["n"] for row in rows(store, f"SELECT {NUMBER} AS n FROM otel_traces ORDER BY n")]
        store.close()
    assert stored == list(range(2 * CONNECTIONS))
    by_one, by_two = taken(tmp_path / "one"), taken(tmp_path / "two")
    assert by_one | by_two == set(stored)
    assert by_two
    assert by_one & set(range(CONNECTIONS))
    assert not by_one & by_two
