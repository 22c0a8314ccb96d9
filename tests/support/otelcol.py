"""A real OpenTelemetry Collector: built once by its own builder, run as a process of its own.

What is in it says `fixtures/collector/otelcol.yaml`. It is kept in the user's cache folder, under a name made of that file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from spanruns_receiver.signals import NAMES, Signal

from tests.support.up import free_ports

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "tests" / "fixtures" / "collector" / "otelcol.yaml"
CONFIGURATIONS = ROOT / "deploy" / "collector"
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.165.0"
BUILD_TIMEOUT_S = 1800
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
READY = "Everything is ready"


def otelcol() -> Path:
    """The binary; skips the test where Go, or what Go has to download, is not to be had."""
    key = hashlib.sha256(MANIFEST.read_bytes() + BUILDER.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanruns"
    binary = cache / f"otelcol-{key}"
    if not binary.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _build(binary)
    return binary


def _build(binary: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain to build an OpenTelemetry Collector with")
    had = subprocess.run(["go", "mod", "download", BUILDER], capture_output=True, text=True, timeout=300, cwd="/")
    if had.returncode:
        pytest.skip(f"Go modules are not to be had: {had.stderr.strip()}")
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
        manifest = yaml.safe_load(MANIFEST.read_text())
        manifest["dist"]["output_path"] = folder
        (Path(folder) / "builder.yaml").write_text(yaml.safe_dump(manifest))
        done = subprocess.run(
            ["go", "run", BUILDER, f"--config={folder}/builder.yaml"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout
        (Path(folder) / "otelcol").replace(binary)


class Collector:
    """One that runs with a configuration of `deploy/collector`; `log` is what it has said.

    `changes` is laid over the configuration, beside the ports, which are free ones.
    """

    def __init__(self, configuration: str, directory: Path, environment: dict[str, str], changes: dict[str, Any]):
        self.grpc, self._http = (f"127.0.0.1:{port}" for port in free_ports(2))
        doors = {"grpc": {"endpoint": self.grpc}, "http": {"endpoint": self._http}}
        overlay = directory / f"{configuration}-overlay.yaml"
        overlay.write_text(
            yaml.safe_dump(
                {
                    "receivers": {"otlp": {"protocols": doors}},
                    "service": {"telemetry": {"metrics": {"level": "none"}}},
                }
            )
        )
        more = directory / f"{configuration}-changes.yaml"
        more.write_text(yaml.safe_dump(changes))
        files = [CONFIGURATIONS / f"{configuration}.yaml", overlay, more]
        self._said: list[str] = []
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [otelcol(), *(f"--config=file:{file}" for file in files)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        assert self._ready.wait(START_TIMEOUT_S), f"did not start:\n{self.log}"
        assert self._process.poll() is None, f"did not start:\n{self.log}"

    @property
    def errors(self) -> list[str]:
        """The lines of its log with an error, also one after which it tried again."""
        return [line for line in self.log.splitlines() if "error" in line]

    @property
    def log(self) -> str:
        """Everything said."""
        return "".join(self._said)

    def send(self, signal_: Signal, *payloads: bytes) -> None:
        """Have OTLP requests acknowledged."""
        with grpc.insecure_channel(self.grpc) as channel:
            export = channel.unary_unary(NAMES[signal_].grpc_method)
            for payload in payloads:
                export(payload, timeout=30)

    def stop(self) -> None:
        """SIGTERM: it sends what it has, and ends."""
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(STOP_TIMEOUT_S) == 0, self.log
        finally:
            self.kill()

    def kill(self) -> None:
        """Whatever state it is in."""
        self._process.kill()
        self._process.wait()
        self._listener.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if READY in line:
                self._ready.set()
        self._ready.set()


@contextmanager
def collecting(
    configuration: str, directory: Path, environment: dict[str, str], changes: dict[str, Any] | None = None
) -> Iterator[Collector]:
    """A running Collector, killed at the end unless it was stopped."""
    collector = Collector(configuration, directory, environment, changes or {})
    try:
        yield collector
    finally:
        collector.kill()
