"""Places for queries: so many run at a time, others wait for their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spanruns_schema.errors import Overloaded

RETRY_AFTER_S = 2


class Turns:
    """`places` of which whoever asks takes one, after at most `wait_s` seconds."""

    def __init__(self, places: int, wait_s: float) -> None:
        self._free = threading.BoundedSemaphore(places)
        self._wait_s = wait_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """One of the places. Raises `Overloaded` when none gets free in time."""
        if not self._free.acquire(timeout=self._wait_s):
            raise Overloaded("too many queries at a time", retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._free.release()
