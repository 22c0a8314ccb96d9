"""How often a service works, and how it ends when it is asked to."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from spanruns_receiver.demo.agents import pace

ROUNDS = """
from spanruns_receiver.demo.agents.pace import rounds
for n in rounds():
    print(n, flush=True)
print("end", flush=True)
"""
WORK = """
import asyncio
from spanruns_receiver.demo.agents.pace import rounds, run

async def work(n):
    print(n, flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("left", flush=True)

for n in rounds():
    run(work(n))
print("end", flush=True)
"""
EXIT = """
import atexit, gc
from spanruns_receiver.demo.agents.pace import rounds

atexit.register(lambda: print(gc.get_freeze_count() > 1_000))
list(rounds())
"""
DESTRUCTOR = """
import os, signal
from spanruns_receiver.demo.agents.pace import rounds

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

for n in rounds():
    Last()
    print(n, flush=True)
print("end", flush=True)
"""
NEW_THREAD = """
import os, signal, time
from threading import Thread
from anyio import to_thread
from spanruns_receiver.demo.agents.pace import rounds, run

def start(thread, start=Thread.start):
    start(thread)
    if thread.name == "AnyIO worker thread":
        os.kill(os.getpid(), signal.SIGTERM)

async def work(n):
    await to_thread.run_sync(time.sleep, 0.01)

Thread.start = start
for n in rounds():
    run(work(n))
    print(n, flush=True)
print("end", flush=True)
"""


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """`rounds` takes the signals for itself."""
    before = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT)]
    yield
    atexit.unregister(gc.freeze)
    for one, handler in before:
        signal.signal(one, handler)


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


def test_no_garbage_is_looked_for_at_the_end() -> None:
    """What the program has made is out of the collector's sight when the interpreter ends."""
    assert subprocess.check_output([sys.executable, "-c", EXIT], text=True, timeout=20) == "True\n"


@pytest.mark.parametrize("asked_by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("program", "said"), [(ROUNDS, "end\n"), (WORK, "left\nend\n")], ids=["pause", "await"])
def test_being_asked_is_a_good_end(program: str, said: str, asked_by: signal.Signals) -> None:
    """A service that is asked to end does so at once, in its pause or at an `await`, like one that is done."""
    command = [sys.executable, "-c", program, "--pause", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.send_signal(asked_by)
        assert (process.communicate(timeout=20)[0], process.returncode) == (said, 0)


@pytest.mark.parametrize(
    ("program", "said"), [(DESTRUCTOR, "0\nend\n"), (NEW_THREAD, "0\nend\n")], ids=["del", "thread"]
)
def test_being_asked_at_an_awkward_moment(program: str, said: str) -> None:
    """A signal within a destructor is not lost; one while a framework starts a thread leaves none behind."""
    command = [sys.executable, "-c", program, "--pause", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)
