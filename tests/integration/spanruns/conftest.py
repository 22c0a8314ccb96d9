"""Services in processes of their own, and a real OTLP endpoint for what they send."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sink import Sink, SinkServer

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


@pytest.fixture
def server() -> Iterator[SinkServer]:
    """A real OTLP/HTTP endpoint."""
    server = SinkServer()
    yield server
    server.close()


@pytest.fixture
def sink(server: SinkServer) -> Sink:
    """What has arrived there."""
    return server.sink


@dataclass
class Service:
    """A script of a service, with the environment it is started in."""

    path: Path
    env: dict[str, str]

    def run(self, *command: str, timeout_s: float = 60, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end; it must end with the status."""
        done = subprocess.run(
            [*(command or (sys.executable,)), str(self.path)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    def start(self) -> subprocess.Popen[str]:
        """Start it; its input and output are pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, str(self.path)], env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )


MakeService = Callable[..., Service]


@pytest.fixture
def service(tmp_path: Path, sink: Sink) -> MakeService:
    """Makes a service of a script; its spans go to the endpoint, and our own errors end it."""

    def make(script: str, **env: str) -> Service:
        path = tmp_path / "svc.py"
        path.write_text(textwrap.dedent(script))
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        ours = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "SPANRUNS_RAISE": "1", "PYTHONWARNINGS": "default"}
        return Service(path, {**inherited, **ours, **env})

    return make
