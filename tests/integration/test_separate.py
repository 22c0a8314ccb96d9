"""Every role a process of its own, on ClickHouse's HTTP interface: receive, resolve elsewhere, query."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.support.captures import fresh
from tests.support.clickhouse_http import clickhouse_http
from tests.support.up import Up, running_up

SEEN_S = 60.0
AGENTS = ["failing_agent", "parent_agent", "sub_agent", "typed_agent", "weather_agent"]


def names(query: Up) -> list[str]:
    """The runs that it answers, by name; none while the store has no schema yet."""
    answer = httpx.get(f"http://127.0.0.1:{query.ports['api']}/api/runs", timeout=60)
    return sorted(run["agent_name"] for run in answer.json()["runs"]) if answer.status_code == 200 else []


def test_what_one_process_receives_another_one_answers(tmp_path: Path) -> None:
    """The query process is there first, answers when there is something, and leaves nothing open."""
    requests, _ = fresh(["pydantic_ai"], salt="separate", now_ns=time.time_ns())
    with clickhouse_http(tmp_path / "clickhouse") as clickhouse:
        store = ("--store", clickhouse.url)
        with running_up(tmp_path / "query", *store, command="query") as query:
            assert set(query.ports) == {"api", "pid", "host"}
            assert names(query) == []
            with running_up(tmp_path / "data", *store, command="receive") as receive:
                for request in requests:
                    body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
                    httpx.post(f"{receive.url}/v1/traces", content=body, headers=headers, timeout=60).raise_for_status()
                deadline = time.monotonic() + SEEN_S
                while len(names(query)) < len(AGENTS) and time.monotonic() < deadline:
                    time.sleep(0.2)  # another process resolves: nothing to wait on
            assert names(query) == AGENTS
            assert query.stop() == 0
        assert not query.ready_file.exists()


def test_the_embedded_store_is_not_shared(tmp_path: Path) -> None:
    """A query process on a data directory is refused with what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "spanruns_receiver", "query", "--api-port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--store clickhouse://" in done.stderr
