"""Services in processes of their own, and a real OTLP endpoint for what they send."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.sink import Sink, SinkServer

if TYPE_CHECKING:
    from tests.support.stored import Stored

ROOT = Path(__file__).parents[3]
SERVICES = Path(__file__).with_name("services")
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


class Scenarios:
    """One process of a service of the folder, which plays one scenario after the other."""

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self._server = SinkServer()
        self._played: dict[str, Sink] = {}
        self._errors = tempfile.TemporaryFile("a+")  # noqa: SIM115 - closed in close(); appending: reading moves no place
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        ours = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._server.sink.url,
            "OTEL_SERVICE_NAME": f"{name}_service",
            "PYTHONPATH": str(ROOT),
            "SPANRUNS_RAISE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(SERVICES / f"{name}_service.py")],
            env={**inherited, **ours, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def play(self, scenario: str) -> Sink:
        """What arrived of the scenario, which is played once."""
        if scenario not in self._played:
            self._played[scenario] = self._play(scenario)
        return self._played[scenario]

    def _play(self, scenario: str) -> Sink:
        sink, process = self._server.sink, self._process
        assert process.stdin is not None
        assert process.stdout is not None
        before = len(sink.spans), len(sink.logs), len(sink.metrics), len(sink.requests)
        process.stdin.write(scenario + "\n")
        process.stdin.flush()
        while (line := process.stdout.readline()) != "sent\n":
            assert line, self.said  # a framework may say something too, but not end
        spans, logs, metrics, requests = before
        with sink.changed:
            return Sink(
                sink.port,
                spans=sink.spans[spans:],
                logs=sink.logs[logs:],
                metrics=sink.metrics[metrics:],
                requests=sink.requests[requests:],
            )

    @property
    def said(self) -> str:
        """What the process has written to stderr so far."""
        self._errors.flush()
        self._errors.seek(0)
        return self._errors.read()

    def end(self) -> None:
        """Have the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def close(self) -> None:
        """Wait until it has ended; it must end well."""
        try:
            assert self._process.stdout is not None
            self._process.stdout.read()
            self._process.stdout.close()
            self._process.wait(30)
            assert self._process.returncode == 0, self.said
        finally:
            self._process.kill()
            self._server.close()
            self._errors.close()


class Play:
    """Plays a scenario of a service; every service (with its environment) is started once."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._started: dict[tuple[object, ...], Scenarios] = {}

    def __call__(self, name: str, scenario: str, **env: str) -> Sink:
        """What arrived at the endpoint."""
        return self.service(name, **env).play(scenario)

    def service(self, name: str, **env: str) -> Scenarios:
        """The process, started if it is not there."""
        key = (name, *sorted(env.items()))
        if key not in self._started:
            self._started[key] = Scenarios(name, {**self._env, **env})
        return self._started[key]

    def close(self) -> None:
        """End them all."""
        with ExitStack() as stack:
            for scenarios in self._started.values():
                scenarios.end()
                stack.callback(scenarios.close)


@pytest.fixture(scope="session")
def play() -> Iterator[Play]:
    """Services of real frameworks, and endpoints that speak the APIs of models."""
    # Here: most tests do with what a service itself has installed.
    from spanruns_receiver.demo.fake_openai import running_fake_openai

    from tests.support.fake_anthropic import running_fake_anthropic

    with running_fake_openai() as openai, running_fake_openai(delay_s=5) as slow, running_fake_anthropic() as anthropic:
        play = Play(
            {
                "OPENAI_BASE_URL": openai,
                "SLOW_URL": slow,
                "ANTHROPIC_BASE_URL": anthropic,
                "ANTHROPIC_API_KEY": "none",
            }
        )
        yield play
        play.close()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Everything in one process, with an embedded store."""
    from tests.support.stored import Stored
    from tests.support.up import running_up

    with running_up(tmp_path_factory.mktemp("stored") / "data") as up:
        stored = Stored(up)
        yield stored
        stored.close()
