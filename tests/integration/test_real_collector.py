"""A real Collector, built from its own modules, with the configurations of `deploy/collector`: in front of ClickHouse, where its own
exporter writes and no receiver of ours is, and in front of a receiver.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.signals import SIGNALS
from spanruns_schema.store import Store, open_store, rows

from tests.support.beside import (
    REQUESTS,
    begun,
    captures,
    everything,
    payloads,
    raw_rows,
    received,
    resolving,
    settled,
    spanruns,
)
from tests.support.clickhouse_http import PASSWORD, USER, ClickHouseProcess, clickhouse_http
from tests.support.collector import CURRENT
from tests.support.otelcol import CONFIGURATIONS, Collector, collecting, otelcol
from tests.support.otlp import every_metric, traces
from tests.support.up import Up, ask_store, free_ports, running_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

METRICS = ("gauge", "sum", "histogram", "exp_histogram", "summary")
RAW = ("otel_traces", "otel_logs", *(f"otel_metrics_{kind}" for kind in METRICS))
KILLS = 3
REQUESTS_A_ROUND = 40
SPANS_A_REQUEST = 5
AWAITED_S = 120.0
NUMBER = "toUInt64(reinterpretAsUInt64(reverse(unhex(SpanId)))) - 1"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Build the Collector before anything is timed."""
    otelcol()


def to_clickhouse(server: ClickHouseProcess) -> dict[str, str]:
    """What `to-clickhouse.yaml` takes from the environment. ClickHouse's own compression is not what is tested."""
    return {
        "CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{server.port}?compress=none",
        "CLICKHOUSE_USER": USER,
        "CLICKHOUSE_PASSWORD": PASSWORD,
    }


def over_http(port: int) -> dict[str, Any]:
    """`to-receiver.yaml` with the other OTLP exporter in the place of its own."""
    sending = yaml.safe_load((CONFIGURATIONS / "to-receiver.yaml").read_text())["exporters"]["otlp"]
    kept = {name: sending[name] for name in ("retry_on_failure", "sending_queue")}
    return {
        "exporters": {"otlphttp": {"endpoint": f"http://127.0.0.1:{port}", **kept}},
        "service": {"pipelines": {signal: {"exporters": ["otlphttp"]} for signal in SIGNALS}},
    }


def made(store: Store) -> list[str]:
    """The statements that make the tables that are there, as the engine writes them."""
    found = rows(
        store,
        "SELECT create_table_query AS sql FROM system.tables WHERE database = currentDatabase() AND name LIKE 'otel%' "
        "ORDER BY engine = 'MaterializedView', name NOT LIKE 'otel_traces%', name",
    )
    texts = rows(
        store, "SELECT formatQuery(arrayJoin({texts:Array(String)})) AS sql", {"texts": [r["sql"] for r in found]}
    )
    kept = re.compile(rf"^CREATE (TABLE|MATERIALIZED VIEW) {store.database}\.")
    return [kept.sub(r"CREATE \1 IF NOT EXISTS ", row["sql"]).replace(f"{store.database}.", "") for row in texts]


def counted(store: Store) -> int:
    """How many spans are stored."""
    return int(rows(store, "SELECT count() AS n FROM otel_traces")[0]["n"])


def spans_in(requests: list[Any]) -> int:
    """How many spans are in requests."""
    found = [
        resource for one in requests if isinstance(one, ExportTraceServiceRequest) for resource in one.resource_spans
    ]
    return sum(len(list(scope.spans)) for resource in found for scope in resource.scope_spans)


def awaited(seen: Callable[[], int], least: int) -> None:
    """Wait until there are that many."""
    deadline = time.monotonic() + AWAITED_S
    while seen() < least:
        assert time.monotonic() < deadline, (seen(), least)
        time.sleep(0.2)  # other processes fill the store: nothing to wait on


def stored_by(up: Up) -> int:
    """How many spans a running `spanruns up` has stored."""
    query = urlencode({"query": "SELECT count() FROM spanruns.otel_traces"})
    with urlopen(f"http://127.0.0.1:{up.ports['clickhouse']}/?{query}", timeout=30) as answer:
        return int(answer.read())


def send_spans(collector: Collector, numbers: Iterator[int], start_ns: int) -> None:
    """A round of requests with the next numbers."""
    for _ in range(REQUESTS_A_ROUND):
        collector.send("traces", traces(*islice(numbers, SPANS_A_REQUEST), start_ns=start_ns))


def test_into_our_tables(tmp_path: Path) -> None:
    """With the schema applied first and the configuration as it stands: raw rows of all signals, runs and calls are those that a
    receiver of ours makes of the same requests."""
    now_ns = time.time_ns()
    requests, ids = captures("collected", now_ns)
    requests.append(begun(now_ns))
    metrics = every_metric(now_ns)
    with clickhouse_http(tmp_path / "server") as server:
        spanruns("schema", "apply", "--store", server.url)
        with resolving(server.url, tmp_path), collecting("to-clickhouse", tmp_path, to_clickhouse(server)) as collector:
            for of in REQUESTS:
                collector.send(of, *payloads(requests, of))
            collector.send("metrics", metrics)
            store = open_store(server.url, create=False)
            found = settled(store, ids)
            collector.stop()
            assert collector.errors == []
        raw = raw_rows(store, *RAW)
        store.close()
    with received(tmp_path / "store", requests, metrics) as ours:
        assert raw == raw_rows(ours, *RAW)
        assert found == everything(ours)


@pytest.mark.parametrize("version", ["26.9.2.1", "25.8.1.1"], ids=["text indexes", "bloom filters"])
def test_over_its_tables(version: str, tmp_path: Path) -> None:
    """With tables of its own, made before the schema: our imitation has the same; rows from before, and from after when it finds ours
    there at its next start, give the runs."""
    now_ns = time.time_ns()
    old, old_ids = captures("before", now_ns - 3600 * 10**9, every=12)
    new, new_ids = captures("after", now_ns, every=12)
    new.append(begun(now_ns))
    changes = {"exporters": {"clickhouse": {"database": "otel", "create_schema": True, "ttl": "72h"}}}
    with clickhouse_http(tmp_path / "server", version) as server:
        url = server.url.replace("/spanruns", "/otel")
        with collecting("to-clickhouse", tmp_path, to_clickhouse(server), changes) as collector:
            store = open_store(url, create=False)
            if version == "26.9.2.1":
                assert made(store) == CURRENT.statements()
            for of in REQUESTS:
                collector.send(of, *payloads(old, of))
            awaited(lambda: counted(store), spans_in(old))
            collector.stop()
            assert collector.errors == []
        spanruns("schema", "apply", "--store", url)
        with (
            resolving(url, tmp_path),
            collecting("to-clickhouse", tmp_path, to_clickhouse(server), changes) as collector,
        ):
            for of in REQUESTS:
                collector.send(of, *payloads(new, of))
            spanruns("schema", "backfill", "--from", "1d", "--store", url)
            found = settled(store, old_ids | new_ids)
            collector.stop()
            assert collector.errors == []
        store.close()
    with received(tmp_path / "store", [*old, *new]) as ours:
        assert found == everything(ours)


@pytest.mark.parametrize("door", ["grpc", "http"])
def test_nothing_is_lost_when_the_receiver_is_killed(door: str, tmp_path: Path) -> None:
    """The Collector keeps what a receiver that is away cannot take, and sends again what it got no answer for: each span is stored
    once."""
    ports = dict(zip(("grpc", "http"), free_ports(2), strict=True))
    flags = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
    environment = {"SPANRUNS_ENDPOINT": f"127.0.0.1:{ports['grpc']}"}
    changes = {} if door == "grpc" else over_http(ports["http"])
    data, start_ns = tmp_path / "data", time.time_ns()
    numbers = count()
    with collecting("to-receiver", tmp_path, environment, changes) as collector:
        for _ in range(KILLS):
            with running_up(data, *flags) as up:
                before = stored_by(up)
                send_spans(collector, numbers, start_ns)
                awaited(lambda: stored_by(up), before + 1)
                send_spans(collector, numbers, start_ns)
                up.kill()
        sent = next(numbers)
        with running_up(data, *flags) as up:
            awaited(lambda: stored_by(up), sent)
            collector.stop()
            assert up.stop() == 0
    (stored,) = ask_store(data, f"SELECT {NUMBER} AS number FROM otel_traces ORDER BY number")
    assert [row["number"] for row in stored] == list(range(sent))
