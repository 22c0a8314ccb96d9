"""Where a running spanruns is: one that was there before, or one that the demo starts as a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

DEFAULT_API = "http://localhost:8321"
DEFAULT_ENDPOINT = "http://localhost:4318"
PORTS = {"grpc": 4317, "http": 4318, "api": 8321, "clickhouse": 8123}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class NotStarted(Exception):
    """`spanruns up` ended, or did not serve in time; says what it printed last."""


@dataclass(frozen=True)
class Place:
    """The URLs of a running spanruns."""

    api_url: str
    otlp_http: str
    otlp_grpc: str | None = None
    is_alive: Callable[[], bool] = lambda: True


def existing(api: str | None, endpoint: str | None) -> Place:
    """One that somebody else runs."""
    grpc = "localhost:4317" if endpoint in (None, DEFAULT_ENDPOINT) else None
    return Place((api or DEFAULT_API).rstrip("/"), (endpoint or DEFAULT_ENDPOINT).rstrip("/"), grpc)


def free_ports() -> dict[str, int]:
    """The usual ports; 0 (any free one) for those that are taken."""
    return {name: port if _is_free(port) else 0 for name, port in PORTS.items()}


@contextmanager
def started(data: Path, ports: dict[str, int]) -> Iterator[Place]:
    """Run `spanruns up` until the block ends; what it prints goes to `<data>/up.log`. Raises `NotStarted`."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "up.log"
    with TemporaryDirectory(prefix="spanruns-demo-") as directory, log.open("wb") as output:
        ready_file = Path(directory) / "ready.json"
        command = [sys.executable, "-m", "spanruns_receiver", "up", "--data", str(data)]
        command += ["--ready-file", str(ready_file)]
        command += [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which stops its services first
        )
        try:
            ready = _wait(process, ready_file, log)
            yield Place(
                f"http://localhost:{ready['api']}",
                f"http://localhost:{ready['otlp_http']}",
                f"localhost:{ready['grpc']}",
                lambda: process.poll() is None,
            )
        finally:
            _stop(process)


def last_line(log: Path) -> str:
    """What was printed last."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _wait(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, int]:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise NotStarted(
                f"spanruns up ended with status {process.returncode}: {last_line(log)}  (all of it: {log})"
            )
        if ready_file.exists() and (text := ready_file.read_text(encoding="utf-8")):
            found: dict[str, int] = json.loads(text)
            return found
        time.sleep(0.05)
    raise NotStarted(f"spanruns up does not serve after {START_TIMEOUT_S:.0f} s: {last_line(log)}  (all of it: {log})")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
