"""A `spanruns` process that is measured: started with a temporary data directory, watched from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

START_TIMEOUT_S = 120
POLL_S = 0.5


class Watched:
    """A process and its children: their CPU and their memory."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def cpu_s(self) -> float:
        """CPU seconds, user and system, since the start."""
        return sum(sum(process.cpu_times()[:2]) for process in self._tree())

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return sum(process.memory_info().rss for process in self._tree())

    def idle_share(self, seconds: float) -> float:
        """CPU used over the next `seconds`, as a part of one core."""
        before = self.cpu_s()
        time.sleep(seconds)
        return (self.cpu_s() - before) / seconds

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


class Starting:
    """A `spanruns up` or `receive` that was just started, and may not answer yet."""

    def __init__(self, data: Path, *flags: str, command: str = "up", environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.command = command
        self._ready = data.with_name(f"{data.name}-ready.json")
        self._ready.unlink(missing_ok=True)
        names = ("grpc", "http", "api", "clickhouse") if command == "up" else ("grpc", "http")
        ports = [part for name in names for part in (f"--{name}-port", "0")]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spanruns_receiver",
                command,
                "--data",
                data,
                "--ready-file",
                self._ready,
                *ports,
                *flags,
            ],
            stdout=subprocess.DEVNULL,
            env={"SPANRUNS_LOG_LEVEL": "error", **os.environ, **(environment or {})},
        )

    def ports(self) -> dict[str, Any]:
        """Wait until it answers; where."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise SystemExit(f"spanruns {self.command} did not start")
            time.sleep(0.1)
        found: dict[str, Any] = json.loads(self._ready.read_bytes())
        return found

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


class Served:
    """A running `spanruns up` or `receive`."""

    def __init__(self, started: Starting) -> None:
        self.data = started.data
        self.process = started.process
        self.ports = started.ports()
        self.watched = Watched(self.process.pid)

    @property
    def grpc(self) -> str:
        """Where OTLP over gRPC is."""
        return f"127.0.0.1:{self.ports['grpc']}"

    def metrics(self) -> dict[str, float]:
        """Every number of `/metrics`, by its name with labels, without the common prefix."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['otlp_http']}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("spanruns_receiver_"): float(value) for name, value in pairs}

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, by the ClickHouse-HTTP port."""
        url = f"http://127.0.0.1:{self.ports['clickhouse']}/?default_format=JSONEachRow"
        request = urllib.request.Request(url, sql.encode(), {"X-ClickHouse-Database": "spanruns"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def wait_until_quiet(self, timeout_s: float = 600) -> tuple[float, float]:
        """Return when nothing waits in the spool and the resolver has nothing more to do: the time when that came about, and the CPU
        that had been used by then.
        """
        deadline = time.monotonic() + timeout_s
        last: tuple[float, ...] = ()
        since = cpu_s = 0.0
        while time.monotonic() < deadline:
            found = self.metrics()
            state = (found["spool_bytes"], found["resolver_facts"], found["resolver_passes"])
            behind = found["resolver_facts"] < found.get('batch_rows_sum{table="span_facts"}', 0.0)
            if state != last or state[0] or behind:
                last, since, cpu_s = state, time.monotonic(), self.watched.cpu_s()
            elif time.monotonic() - since > 3 * POLL_S:
                return since, cpu_s
            time.sleep(POLL_S)
        raise SystemExit(f"not everything was stored within {timeout_s} s")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(120)
            finally:
                self.process.kill()


class Sender:
    """`load.py` in a process of its own; it makes its requests first and sends after `go`."""

    def __init__(self, target: str, **flags: object) -> None:
        self._go = Path(tempfile.mkdtemp(prefix="spanruns-go-")) / "go"
        options = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
        script = Path(__file__).with_name("load.py")
        self._process = subprocess.Popen(
            [sys.executable, script, "--target", target, "--go", self._go, *options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise SystemExit("the sender did not start")

    def go(self) -> None:
        """Begin to send."""
        self._go.touch()

    def running(self) -> bool:
        """Whether it still sends."""
        return self._process.poll() is None

    def result(self) -> dict[str, float]:
        """Wait for its end; what it counted."""
        out, _ = self._process.communicate()
        shutil.rmtree(self._go.parent, ignore_errors=True)
        if self._process.returncode:
            raise SystemExit("the sender failed")
        found: dict[str, float] = json.loads(out)
        return found


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary directory."""
    path = Path(tempfile.mkdtemp(prefix="spanruns-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
