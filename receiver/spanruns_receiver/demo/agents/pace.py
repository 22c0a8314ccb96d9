"""How often a service of the demo works: once, or again and again until the demo ends."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType


def rounds() -> Iterator[int]:
    """0, and with `--pause SECONDS` on the command line 1, 2, … with about that pause between them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pause", type=float, default=0.0)
    pause_s: float = parser.parse_args().pause
    signal.signal(signal.SIGTERM, _leave)
    parent = os.getppid()
    number = 0
    while True:
        yield number
        if not pause_s or not _sleep(pause_s * random.uniform(0.6, 1.4), parent):  # noqa: S311
            return
        number += 1


def _sleep(seconds: float, parent: int) -> bool:
    """False as soon as the demo that started this process has gone."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        if os.getppid() != parent:
            return False
    return True


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """End like a program that is done, so that what was measured is sent."""
    sys.exit(0)
