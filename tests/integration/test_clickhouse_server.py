"""A real ClickHouse server in a container: the same schema, the same rows. Needs a Docker engine; skipped without one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from spanruns_schema import migrate
from spanruns_schema.server import ServerStore
from spanruns_schema.store import rows

from tests.support.resolving import Bench, differences, expected_outcomes, outcome

IMAGE = "clickhouse/clickhouse-server:26.8"
PASSWORD = "spanruns"


def _engine_runs() -> bool:
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run([str(docker), "info"], capture_output=True, timeout=20).returncode == 0


pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not _engine_runs(), reason="no Docker engine here"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerStore]:
    """A store on a server of its own."""
    from testcontainers.community.clickhouse import ClickHouseContainer

    with ClickHouseContainer(IMAGE, username="default", password=PASSWORD, dbname="default") as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(8123)
        store = ServerStore.from_url(f"clickhouse://default:{PASSWORD}@{host}:{port}/spanruns")
        yield store
        store.close()


def test_the_schema_applies_and_stays(server: ServerStore) -> None:
    """Every migration and view is accepted by a server, and a second apply finds nothing to do."""
    migrate.apply(server)
    assert migrate.apply(server) == []


@pytest.mark.parametrize("name", ["pydantic_ai", "mcp_native", "google_adk", "langgraph_events_otel"])
def test_captures_become_the_same_rows(server: ServerStore, name: str) -> None:
    """What is inserted and resolved over the wire is what the embedded engine gives."""
    bench = Bench(server, shared=True)
    bench.clear()
    expected = expected_outcomes()[name]
    bench.receive_captures(*expected["files"])
    bench.resolve()
    assert differences(expected, outcome(bench.everything())) == []


def test_the_same_token_inserts_once(server: ServerStore) -> None:
    """A repeated insert changes nothing, in the table and behind its views."""
    bench = Bench(server, shared=True)
    bench.clear()
    columns = ["Timestamp", "TraceId", "SpanId"]
    line = b"\t".join([b"2026-11-21 00:00:00", b"a" * 32, b"b" * 16]) + b"\n"
    for _ in range(2):
        server.insert("otel_traces", columns, line, format="TSV", token="t")
    assert rows(server, "SELECT count() AS n FROM otel_traces") == [{"n": 1}]
    assert rows(server, "SELECT count() AS n FROM span_facts") == [{"n": 1}]
