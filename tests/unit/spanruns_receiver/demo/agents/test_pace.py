"""How often a service works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from spanruns_receiver.demo.agents import pace

PROGRAM = "from spanruns_receiver.demo.agents.pace import rounds\nfor n in rounds(): print(n, flush=True)"


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    """`rounds` takes SIGTERM for itself."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pause there is one round."""
    monkeypatch.setattr(sys, "argv", ["service"])
    assert list(pace.rounds()) == [0]


def test_rounds_end_with_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pause the rounds go on until the process that started the service has gone."""
    parents = iter([10, 10, 10, 11])
    monkeypatch.setattr(sys, "argv", ["service", "--pause", "0.01"])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert list(pace.rounds()) == [0, 1, 2]


def test_sigterm_is_a_good_end() -> None:
    """A service that is asked to end exits like one that is done, so that its telemetry is sent."""
    command = [sys.executable, "-c", PROGRAM, "--pause", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        process.terminate()
        assert process.wait(10) == 0
