"""The query side on what really came in: captured spans through the doors of a running process, asked in every way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.support.captures import fresh
from tests.support.up import Up, running_up

FILES = ["pydantic_ai", "langgraph_otel"]
SALT = "query"
SEEN_S = 20.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running process whose store has the runs of one capture, told by its own events that they are there."""
    requests, traces = fresh(FILES, salt=SALT, now_ns=time.time_ns())
    with running_up(tmp_path_factory.mktemp("query") / "data") as up:
        with httpx.stream("GET", f"{api(up)}/api/events", timeout=SEEN_S) as stream:
            for request in requests:
                body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
                httpx.post(f"{up.url}/v1/traces", content=body, headers=headers, timeout=30).raise_for_status()
            waiting = set(traces)
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    run = json.loads(line.removeprefix("data: "))
                    waiting.discard(run["trace_id"])
                if not waiting:
                    break
        yield up


def api(up: Up) -> str:
    """Where the query API is."""
    return f"http://127.0.0.1:{up.ports['api']}"


def get(up: Up, path: str, **parameters: str) -> Any:
    """The JSON of a GET."""
    return httpx.get(f"{api(up)}{path}", params=parameters, timeout=30).raise_for_status().json()


def sql(up: Up, query: str) -> list[dict[str, Any]]:
    """What `spanruns sql` prints, found by the data directory alone."""
    done = subprocess.run(
        [sys.executable, "-m", "spanruns_receiver", "sql", "--data", str(up.data), "--format", "JSONEachRow", query],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_way_tells_the_same(up: Up) -> None:
    """List, statistics, facets, histogram and SQL agree about what there is."""
    page = get(up, "/api/runs", limit="200")
    stats = get(up, "/api/stats")
    facets = get(up, "/api/facets")["facets"]
    statuses = {row["value"]: row["count"] for row in facets["status"]}
    (counted,) = sql(up, "SELECT count() AS runs, sum(tool_call_count) AS tools, uniq(agent_name) AS agents FROM runs")
    runs = page["runs"]
    assert runs
    assert len(runs) == page["total_count"] == stats["total"] == int(counted["runs"]) == sum(statuses.values())
    assert {status: stats[status] for status in statuses} == statuses
    assert sum(run["tool_call_count"] for run in runs) == int(counted["tools"])
    assert len(stats["by_agent"]) == len(facets["agent"]) == int(counted["agents"])
    starts = get(up, "/api/histogram")["buckets"]
    assert sum(sum(value for value in bucket.values() if isinstance(value, int)) for bucket in starts) == len(runs)


def test_a_run_and_its_calls_belong_together(up: Up) -> None:
    """What a run counts is what its lists and its tree show."""
    runs = get(up, "/api/runs", limit="200")["runs"]
    assert any(run["tool_call_count"] for run in runs)
    for run in runs:
        path = f"/api/runs/{run['run_id']}"
        detail, tree = get(up, path), get(up, f"{path}/timeline")
        tools, models = get(up, f"{path}/tool-calls"), get(up, f"{path}/model-calls")
        assert detail["status"] == run["status"]
        assert tools["total_count"] == run["tool_call_count"]
        assert models["total_count"] == run["model_call_count"]
        spans = _flat(tree["spans"])
        assert tree["span_count"] == len(spans)
        types = {span["span_id"]: (span["type"], span["label"]) for span in spans}
        assert types[run["span_id"]] == ("run", run["agent_name"])
        for call in tools["tool_calls"]:
            assert types[call["span_id"]] == ("tool", call["tool_name"])
        for call in models["model_calls"]:
            assert types[call["span_id"]] == ("model", call["model"])


def test_filters_on_calls(up: Up) -> None:
    """Runs are found by the tools and models that they called."""
    facets = get(up, "/api/facets")["facets"]
    for name in ("tool", "model"):
        assert facets[name]
        for row in facets[name]:
            assert get(up, "/api/runs", **{name: row["value"]})["total_count"] == row["count"]


def test_the_store_cannot_be_changed_or_left(up: Up, tmp_path: Path) -> None:
    """Through the running process too, SQL reads the store and nothing else."""
    for query in ("DROP TABLE runs_data", "SELECT file('/etc/hostname')", f"SELECT 1 INTO OUTFILE '{tmp_path}/out'"):
        answer = httpx.post(f"{api(up)}/api/sql", json={"query": query}, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert list(tmp_path.iterdir()) == []
    assert get(up, "/api/runs")["total_count"] > 0


def test_clickhouse_clients_need_no_server(up: Up) -> None:
    """The official client reads the embedded store of the running process, and cannot write."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=up.ports["clickhouse"], database="spanruns")
    try:
        (row,) = client.query("SELECT count(), uniq(agent_name) FROM runs").result_rows
        assert row[0] == get(up, "/api/runs")["total_count"]
        with pytest.raises(ClickHouseError, match="only SELECT"):
            client.command("TRUNCATE TABLE runs_data")
    finally:
        client.close()


def test_the_page_is_served(up: Up) -> None:
    """The page and the documentation are where the greeting says."""
    assert "<title>Runs" in httpx.get(f"{api(up)}/").text
    assert httpx.get(f"{api(up)}/docs").status_code == 200
    assert httpx.get(f"{api(up)}/healthz").json() == {"status": "ok"}


def _flat(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, todo = [], list(spans)
    while todo:
        span = todo.pop()
        found.append(span)
        todo += span["children"]
    return found
