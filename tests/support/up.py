"""A real `spanruns up` as a process of its own, and what it left in its store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60

PORTS = {
    "up": ("grpc", "http", "api", "clickhouse"),
    "receive": ("grpc", "http"),
    "query": ("api",),
}

_QUERY = """
import json, sys
from pathlib import Path
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows
store = EmbeddedStore(Path(sys.argv[1]), create=False)
print(json.dumps([rows(store, sql) for sql in sys.argv[2:]]))
store.close()
"""


class Up:
    """A started `spanruns` command that serves; `log` is what it has said on stderr."""

    def __init__(self, data: Path, *flags: str, command: str = "up", environment: dict[str, str] | None = None):
        self.data = data
        self.ready_file = data.with_name(f"{data.name}-ready.json")
        ports = [part for port in PORTS[command] for part in (f"--{port}-port", "0")]
        where = ["--ready-file", str(self.ready_file)]
        if command != "query":
            where += ["--data", str(data)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spanruns_receiver", command, *where, *ports, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SPANRUNS_MIN_FREE_BYTES": "0", **(environment or {})},
        )
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.ports = self._wait()

    @property
    def log(self) -> str:
        """Everything said on stderr."""
        return "".join(self._said)

    @property
    def url(self) -> str:
        """Where OTLP over HTTP is."""
        return f"http://127.0.0.1:{self.ports['otlp_http']}"

    @property
    def grpc(self) -> str:
        """Where OTLP over gRPC is."""
        return f"127.0.0.1:{self.ports['grpc']}"

    def stop(self) -> int:
        """SIGTERM, and the status it ended with."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._end()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self._end()

    def _end(self) -> int:
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.process.kill()
        self._listener.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def _wait(self) -> dict[str, Any]:
        """The ready file's content: it is there before the last line of the greeting is said."""
        assert self.process.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if line.startswith("Store"):
                    ports: dict[str, Any] = json.loads(self.ready_file.read_bytes())
                    return ports
        finally:
            timer.cancel()
        self._end()
        raise AssertionError(f"did not start:\n{self.log}")

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)


@contextmanager
def running_up(data: Path, *flags: str, **more: Any) -> Iterator[Up]:
    """A running process, stopped at the end."""
    up = Up(data, *flags, **more)
    try:
        yield up
    finally:
        up.stop()


def ask_store(data: Path, *queries: str) -> list[list[dict[str, Any]]]:
    """The rows of each query on the embedded store that a stopped process has left in `data`."""
    done = subprocess.run(
        [sys.executable, "-c", _QUERY, str(data / "store"), *queries],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answers: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return answers


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
