"""How often a service of the demo works: once, or again and again until the demo ends or somebody asks it to.

A service that is asked to end (SIGTERM, Ctrl-C) is told so where it is ready to hear it: between two rounds, at the
`await` it is at, or where it asks. Its signal handler raises nothing. An exception out of nowhere is dropped by a
destructor that happens to run, or leaves a framework's new thread behind that nobody knows and the interpreter waits
for at its exit.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import gc
import os
import random
import select
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


@dataclass
class Asked:
    """Whether this process was asked to end, and what wants to know at once."""

    to_end: bool = False
    wake: tuple[int, int] = field(default_factory=os.pipe)
    """Can be read as soon as it was asked; a lock would not do, for the handler may interrupt who holds it."""
    cancel: Callable[[], object] | None = None

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Note it, and pass it on to who waits."""
        if not self.to_end:
            self.to_end = True
            os.write(self.wake[1], b"\0")
            if self.cancel is not None:
                self.cancel()


_asked = Asked()


def rounds() -> Iterator[int]:
    """0, and with `--pause SECONDS` on the command line 1, 2, … with about that pause between them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pause", type=float, default=0.0)
    pause_s: float = parser.parse_args().pause
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, _asked.on_signal)
    # Else the interpreter looks through all that the frameworks have made before it ends, for up to two seconds.
    atexit.register(gc.freeze)
    parent = os.getppid()
    number = 0
    while not _asked.to_end:
        yield number
        if not pause_s or not _sleep(pause_s * random.uniform(0.6, 1.4), parent):  # noqa: S311
            return
        number += 1


def is_asked_to_end() -> bool:
    """Work that takes long asks now and then, and leaves off."""
    return _asked.to_end


def run(work: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run`, cancelled when the process is asked to end."""
    with suppress(asyncio.CancelledError):
        asyncio.run(_cancellable(work))


async def _cancellable(work: Coroutine[Any, Any, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work)
    _asked.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
    try:
        if _asked.to_end:
            task.cancel()
        await task
    finally:
        _asked.cancel = None


def _sleep(seconds: float, parent: int) -> bool:
    """False as soon as this process is asked to end, or the demo that started it has gone."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select(_asked.wake[:1], (), (), min(left, 1.0))[0] or os.getppid() != parent:
            return False
    return not _asked.to_end
