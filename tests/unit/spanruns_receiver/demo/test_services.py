"""The demo's processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
from spanruns_receiver.demo.scenarios import Scenario
from spanruns_receiver.demo.services import Services, environment

ENDS_WELL = Scenario("well", "none", "this", ())
ENDS_BADLY = Scenario("badly", "none", "no_such_module", ())


def test_environment() -> None:
    """What would send telemetry elsewhere is taken out, the rest stays, and the service is told where to send."""
    scenario = Scenario("desk", "none", "m", ())
    base = {"PATH": "/bin", "OTEL_SDK_DISABLED": "true", "SPANRUNS_TRIGGER": "x", "LANGSMITH_TRACING": "true"}
    assert environment(scenario, endpoint="http://r:1", openai_url="http://o:2/v1", base=base) == {
        "PATH": "/bin",
        "NO_PROXY": "localhost,127.0.0.1",
        "OPENAI_BASE_URL": "http://o:2/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://r:1",
        "OTEL_SERVICE_NAME": "desk",
        "SPANRUNS_ENVIRONMENT": "demo",
    }


def wait_until_done(services: Services) -> None:
    """Until every process has ended."""
    end = time.monotonic() + 20
    while not services.are_done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ends_are_told(tmp_path: Path) -> None:
    """One that ends badly is named with its last words; what they print goes to their logs."""
    with Services(tmp_path, endpoint="http://localhost:1", openai_url="", once=True) as services:
        services.start(ENDS_WELL)
        services.start(ENDS_BADLY)
        wait_until_done(services)
        (failure,) = services.failures()
    assert failure.startswith("badly ended with status 1: ")
    assert failure.endswith("No module named no_such_module")
    assert "Beautiful is better than ugly." in (tmp_path / "well.log").read_text()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A service that would go on for ever ends with the block, however it takes being asked to."""
    before = set(psutil.Process().children(recursive=True))
    with Services(tmp_path, endpoint="http://localhost:1", openai_url="", once=False) as services:
        services.start(Scenario("forever", "none", "spanruns_receiver.demo.agents.batch", (), pause_s=60))
        (process,) = set(psutil.Process().children(recursive=True)) - before
        assert process.is_running()
        assert os.getpgid(process.pid) != os.getpgid(0)
    assert not psutil.pid_exists(process.pid)
