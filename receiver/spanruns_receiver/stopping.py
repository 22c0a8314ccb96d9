"""How a command that serves learns that it should end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_LEAVE_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_at_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on; a second signal ends the process at once."""
    stop = threading.Event()
    asked = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        # Not in this thread, which may hold the event's lock just now.
        threading.Thread(target=stop.set, name="stop").start()

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    return stop


def leave_behind() -> None:
    """End the process, where there are threads left that ask a server which does not answer: Python would wait for them."""
    until = time.monotonic() + _LEAVE_S
    left = [
        thread for thread in threading.enumerate() if thread is not threading.current_thread() and not thread.daemon
    ]
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    if any(thread.is_alive() for thread in left):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """`stop_at_signals` for a block; after it the signals do what they did before."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield stop_at_signals()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
