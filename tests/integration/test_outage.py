"""ClickHouse goes away and comes back: nothing that was acknowledged is lost or doubled."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from spanruns_schema.errors import StoreError
from spanruns_schema.store import open_store, rows

from tests.support.clickhouse_http import ClickHouseProcess
from tests.support.otlp import traces
from tests.support.up import Up, running_up

NUMBER = "toUInt64(reinterpretAsUInt64(reverse(unhex(SpanId)))) - 1"


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouseProcess]:
    """ClickHouse's HTTP interface over the real engine, running."""
    process = ClickHouseProcess(tmp_path / "clickhouse")
    process.start()
    yield process
    process.stop()


def send(up: Up, *numbers: int, start_ns: int) -> None:
    """One request, which must be acknowledged."""
    answer = httpx.post(
        f"{up.url}/v1/traces",
        content=traces(*numbers, start_ns=start_ns),
        headers={"content-type": "application/x-protobuf"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.content


def waiting_bytes(up: Up) -> float:
    """How much the receiver says is not stored yet."""
    text = httpx.get(f"{up.url}/metrics", timeout=30).text
    (line,) = (line for line in text.splitlines() if line.startswith("spanruns_receiver_spool_bytes "))
    return float(line.split()[1])


def stored(clickhouse: ClickHouseProcess, at_least: int) -> list[int]:
    """The numbers of the spans in ClickHouse, asked until there are so many."""
    deadline = time.monotonic() + 60
    while True:
        try:
            store = open_store(clickhouse.url)
            found = [row["n"] for row in rows(store, f"SELECT {NUMBER} AS n FROM otel_traces ORDER BY n")]
            store.close()
        except StoreError:
            found = []
        if len(found) >= at_least or time.monotonic() > deadline:
            return found
        time.sleep(0.2)  # another process fills it: nothing to wait on


@pytest.mark.slow
def test_clickhouse_goes_away_and_the_receiver_dies_meanwhile(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """While ClickHouse is away requests are acknowledged into the spool; killing the receiver then loses
    none.
    """
    start_ns = time.time_ns()
    data, store = tmp_path / "data", ("--store", clickhouse.url)
    with running_up(data, *store, command="receive") as up:
        send(up, *range(10), start_ns=start_ns)
        assert stored(clickhouse, 10) == list(range(10))
        clickhouse.stop()
        for number in range(10, 30):
            send(up, number, start_ns=start_ns)
        assert waiting_bytes(up) > 0
        assert httpx.get(f"{up.url}/readyz", timeout=30).status_code == 200
        up.kill()
    with running_up(data, *store, command="receive") as up:
        send(up, 30, 31, start_ns=start_ns)
        assert "the store is away" in up.log
        clickhouse.start()
        assert stored(clickhouse, 32) == list(range(32))
        send(up, 32, start_ns=start_ns)
        assert stored(clickhouse, 33) == list(range(33))
        assert up.stop() == 0


@pytest.mark.slow
def test_stop_while_clickhouse_is_away(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """A stop ends within its time though nothing can be stored; the next start stores what was left."""
    start_ns = time.time_ns()
    data, store = tmp_path / "data", ("--store", clickhouse.url)
    environment = {"SPANRUNS_DRAIN_TIMEOUT_S": "0.5"}
    with running_up(data, *store, command="receive", environment=environment) as up:
        clickhouse.stop()
        send(up, 1, 2, start_ns=start_ns)
        assert up.stop() == 0
        assert "not everything is stored yet" in up.log
        assert "urllib3" not in up.log, "an outage is told once, not with every attempt"
    clickhouse.start()
    with running_up(data, *store, command="receive"):
        assert stored(clickhouse, 2) == [1, 2]


@pytest.mark.slow
def test_store_that_never_answers(tmp_path: Path) -> None:
    """One that takes connections and says nothing keeps neither the doors shut nor a question or a stop waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"clickhouse://default@127.0.0.1:{silent.getsockname()[1]}/spanruns"
        environment = {"SPANRUNS_DRAIN_TIMEOUT_S": "0.5"}
        started = time.monotonic()
        with running_up(tmp_path / "data", "--store", url, environment=environment) as up:
            send(up, 1, start_ns=time.time_ns())
            assert httpx.get(f"http://127.0.0.1:{up.ports['api']}/api/stats", timeout=30).status_code == 503
            assert up.stop() == 0
            assert time.monotonic() - started < 60
            assert "the store has not answered" in up.log


@pytest.mark.slow
def test_full_spool_tells_clients_to_wait(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """When ClickHouse is away for long the spool fills up: then requests are refused, and taken again later."""
    start_ns = time.time_ns()
    environment = {"SPANRUNS_MAX_SPOOL_BYTES": "200000", "SPANRUNS_MAX_REQUEST_BYTES": "100000"}
    with running_up(tmp_path / "data", "--store", clickhouse.url, command="receive", environment=environment) as up:
        clickhouse.stop()
        accepted = 0
        while True:
            numbers = range(accepted * 100, accepted * 100 + 100)
            answer = httpx.post(
                f"{up.url}/v1/traces",
                content=traces(*numbers, start_ns=start_ns),
                headers={"content-type": "application/x-protobuf"},
                timeout=30,
            )
            if answer.status_code != 200:
                break
            accepted += 1
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert accepted >= 5
        assert httpx.get(f"{up.url}/readyz", timeout=30).status_code == 503
        clickhouse.start()
        assert stored(clickhouse, accepted * 100) == list(range(accepted * 100))
        send(up, 10**6, start_ns=start_ns)
