"""Where a running spanruns is: one that was there before, or one that the demo starts as a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from spanruns_receiver.process import read_running
from spanruns_receiver.settings import Settings

PORTS = ("grpc", "http", "api", "clickhouse")
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


def existing(settings: Settings, api: str | None = None, endpoint: str | None = None) -> Place:
    """One that somebody else runs: where `api` and `endpoint` say, else on this data directory, else on the usual ports."""
    if api or endpoint:
        return Place((api or _url(settings.api_port)).rstrip("/"), (endpoint or _url(settings.http_port)).rstrip("/"))
    ports = read_running(settings.data) or {}
    return _at(
        {
            "grpc": ports.get("grpc", settings.grpc_port),
            "otlp_http": ports.get("otlp_http", settings.http_port),
            "api": ports.get("api", settings.api_port),
        }
    )


def free_ports(settings: Settings) -> dict[str, int]:
    """The ports that `up` would take; 0 (any free one) for those that are taken."""
    wanted = {name: int(getattr(settings, f"{name}_port")) for name in PORTS}
    return {name: port if _is_free(port) else 0 for name, port in wanted.items()}


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
            process_group=0,  # Ctrl-C is for the demo, which stops its services first
        )
        try:
            ready = _wait(process, ready_file, log)
            yield replace(_at(ready), is_alive=lambda: process.poll() is None)
        finally:
            _stop(process)


def _at(ports: Mapping[str, int]) -> Place:
    return Place(_url(ports["api"]), _url(ports["otlp_http"]), f"localhost:{ports['grpc']}")


def _url(port: int) -> str:
    return f"http://localhost:{port}"


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
