"""How a command that serves learns that it should end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


def stop_at_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on; a second signal ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop
