"""A running `spanruns up`, what it answers, and services that send to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from tests.support.up import Up

T = TypeVar("T")
HEARTBEAT_S = 1.0
COUNTS = (
    "SELECT agent_name AS name, toUInt32(assumeNotNull(spans_reported)) AS reported, toUInt32(spans_stored) AS stored "
    "FROM spanruns.runs WHERE service_name = '{service}' AND ended_at IS NOT NULL ORDER BY started_at, agent_name"
)


def until(found: Callable[[], T], timeout_s: float = 30) -> T:
    """The first answer that is something."""
    end = time.monotonic() + timeout_s
    while not (answer := found()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)
    return answer


class Stored:
    """What a running process has stored, asked over its own interfaces."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{up.ports['api']}", timeout=30)
        self._sql = httpx.Client(base_url=f"http://127.0.0.1:{up.ports['clickhouse']}", timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._sql.close()

    def runs(self, **parameters: str) -> list[dict[str, Any]]:
        """What `/api/runs` answers."""
        found: list[dict[str, Any]] = self._api.get("/api/runs", params=parameters).raise_for_status().json()["runs"]
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query answers."""
        answer = self._sql.post("/", content=f"{query} FORMAT JSONEachRow").raise_for_status().text
        return [json.loads(line) for line in answer.splitlines()]

    def counts(self, service: str, runs: int) -> list[tuple[str, int, int]]:
        """(name, spans reported, spans stored) of the runs of a service, once there are so many and none differs."""

        def found() -> list[dict[str, Any]]:
            rows = self.rows(COUNTS.format(service=service))
            return rows if len(rows) == runs and all(row["reported"] == row["stored"] for row in rows) else []

        try:
            return [(row["name"], row["reported"], row["stored"]) for row in until(found, 20)]
        except AssertionError:
            raise AssertionError(self.rows(COUNTS.format(service=service))) from None

    def start(self, script: str, **env: str) -> subprocess.Popen[str]:
        """Start a service that sends here; its input and output are pipes."""
        known = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.up.url,
            "OTEL_SERVICE_NAME": "svc",
            "SPANRUNS_HEARTBEAT_SECONDS": str(HEARTBEAT_S),
            "SPANRUNS_RAISE": "1",
            "PYTHONWARNINGS": "ignore",
        }
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, **known, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def finish(self, script: str, **env: str) -> str:
        """Run a service to its end; what it has printed."""
        process = self.start(script, **env)
        said, _ = process.communicate(timeout=180)
        assert process.returncode == 0
        return said.strip()

    def replay(self, requests: list[tuple[str, dict[str, str], bytes]]) -> None:
        """Send requests that have arrived at another endpoint."""
        with httpx.Client(base_url=self.up.url, timeout=30) as client:
            for path, headers, body in requests:
                kept: dict[str, str] = {
                    key: headers[key] for key in ("content-type", "content-encoding") if key in headers
                }
                client.post(path, content=body, headers=kept).raise_for_status()
