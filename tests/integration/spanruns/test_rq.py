"""RQ with a real worker that forks for every job, over a stand-in for Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakeredis import TcpFakeServer

from tests.support.sink import Sink

SERVICES = Path(__file__).with_name("services")


@pytest.fixture
def redis_url() -> Iterator[str]:
    """What RQ takes for a Redis server."""
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()


def test_jobs_are_queued_runs_and_work_horses_lose_nothing(sink: Sink, redis_url: str) -> None:
    """Each job is the run that was announced, with its queued time; a work horse has sent everything when it ends."""
    env = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "SPANRUNS_RAISE": "1",
        "PYTHONWARNINGS": "ignore",
        "REDIS_URL": redis_url,
        "PYTHONPATH": str(SERVICES),
    }
    subprocess.run([sys.executable, "-c", "import rq_jobs; rq_jobs.main()"], env=env, check=True, timeout=60)
    queued = {event.attributes["spanruns.run.id"] for event in sink.events("queued")}
    assert len(queued) == 3
    rq = str(Path(sys.executable).with_name("rq"))
    command = [rq, "worker", "--burst", "--worker-class", "rq_jobs.LocalWorker", "--url", redis_url, "jobs"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    runs = [span.attributes for span in sink.spans if span.name == "import_orders"]
    assert {run["spanruns.run.id"] for run in runs} == queued
    told = sorted((run["spanruns.run.parameters"], run["spanruns.run.status"]) for run in runs)
    assert told == [('{"number":0}', "success"), ('{"number":1}', "success"), ('{"number":2}', "failed")]
    inside = sink.span("inside")
    assert all(run["spanruns.run.queued_at"] > 0 for run in (*runs, inside.attributes))
    triggers = {(r["spanruns.run.trigger"], r["spanruns.run.trigger_detail"]) for r in (*runs, inside.attributes)}
    assert triggers == {("event", "jobs")}
