"""The processes of the demo: started with the environment that any service would be given, stopped in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spanruns_receiver.demo.scenarios import Scenario

STOP_TIMEOUT_S = 5.0
NICE = 5
"""On a small machine the receiver goes first."""
_FOREIGN = ("OTEL_", "SPANRUNS_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "LOGFIRE_")


def environment(scenario: Scenario, *, endpoint: str, openai_url: str, base: Mapping[str, str]) -> dict[str, str]:
    """`base` without what would change where telemetry goes, plus what the service needs."""
    return {
        **{name: value for name, value in base.items() if not name.startswith(_FOREIGN)},
        "NO_PROXY": "localhost,127.0.0.1",
        "OPENAI_BASE_URL": openai_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_SERVICE_NAME": scenario.service_name,
        "SPANRUNS_ENVIRONMENT": "demo",
    }


@dataclass
class Service:
    """One running scenario; what it prints is kept in `log`."""

    scenario: Scenario
    process: subprocess.Popen[bytes]
    log: Path

    def failure(self) -> str | None:
        """Why it ended badly; None while it runs or if it ended well."""
        status = self.process.poll()
        if not status:
            return None
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{self.scenario.service_name} ended with status {status}: {lines[-1] if lines else 'it said nothing'}"


class Services:
    """All of them. Use it as a context manager: nothing is left behind."""

    def __init__(self, logs: Path, *, endpoint: str, openai_url: str, once: bool) -> None:
        self._logs = logs
        self._endpoint, self._openai_url, self._once = endpoint, openai_url, once
        self._running: list[Service] = []

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, scenario: Scenario) -> None:
        """Start one scenario: for one round, or for rounds until it is stopped."""
        command = [sys.executable, "-m", scenario.module]
        if not self._once:
            command += ["--pause", str(scenario.pause_s)]
        log = self._logs / f"{scenario.service_name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=environment(scenario, endpoint=self._endpoint, openai_url=self._openai_url, base=os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for the demo, which stops them one by one
            )
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        self._running.append(Service(scenario, process, log))

    def are_done(self) -> bool:
        """Whether every one has ended."""
        return all(service.process.poll() is not None for service in self._running)

    def failures(self) -> Sequence[str]:
        """What the ones say that have ended badly."""
        return [said for service in self._running if (said := service.failure())]

    def stop(self) -> None:
        """Ask all to end, and end those that do not: nobody waits for longer than `STOP_TIMEOUT_S`."""
        for service in self._running:
            if service.process.poll() is None:
                service.process.terminate()
        end = time.monotonic() + STOP_TIMEOUT_S
        for service in self._running:
            try:
                service.process.wait(max(end - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
