"""RQ with a real worker that forks for every job, over a stand-in for Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis import Redis, ResponseError

from tests.support.sink import Sink

SERVICES = Path(__file__).with_name("services")


class KeptConnection(TCPFakeRequestHandler):
    """A connection that outlives an error, as Redis keeps it.

    The stand-in says the error and then closes: whether the client's next command (RQ's, after `INFO`, which the
    stand-in does not know) meets a closed connection and takes a new one, or is lost in one that is just being closed,
    is a matter of luck.
    """

    def setup(self) -> None:
        """Have errors of commands be answers like others."""
        super().setup()
        read = self.current_client.read_response

        def answer(**options: Any) -> Any:
            try:
                return read(**options)
            except ResponseError as error:
                return error

        self.current_client.read_response = answer  # type: ignore[method-assign]


@pytest.fixture
def redis_url() -> Iterator[str]:
    """What RQ takes for a Redis server."""
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.RequestHandlerClass = KeptConnection
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_error_leaves_the_connection_open(redis_url: str) -> None:
    """What stands in for Redis answers on the same connection after an error, however soon it is asked."""
    with Redis.from_url(redis_url, single_connection_client=True) as client:
        before = client.client_id()
        for _ in range(50):
            with pytest.raises(ResponseError, match="unknown command 'no-such'"):
                client.execute_command("no-such")
            assert client.client_id() == before


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
    assert "could not connect" not in done.stderr
    runs = [span.attributes for span in sink.spans if span.name == "import_orders"]
    assert {run["spanruns.run.id"] for run in runs} == queued
    told = sorted((run["spanruns.run.parameters"], run["spanruns.run.status"]) for run in runs)
    assert told == [('{"number":0}', "success"), ('{"number":1}', "success"), ('{"number":2}', "failed")]
    inside = sink.span("inside")
    assert all(run["spanruns.run.queued_at"] > 0 for run in (*runs, inside.attributes))
    triggers = {(r["spanruns.run.trigger"], r["spanruns.run.trigger_detail"]) for r in (*runs, inside.attributes)}
    assert triggers == {("event", "jobs")}
