"""How much memory the requests at the doors may take together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spanruns_schema.errors import Overloaded


class MemoryBudget:
    """Bytes of requests that the doors may hold at a time."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """Bytes held now."""
        return self._used

    @contextmanager
    def share(self, size_bytes: int = 0) -> Iterator[MemoryShare]:
        """What one request holds, `size_bytes` to begin with; all of it is free again at the end. Raises as `take` does."""
        share = MemoryShare(self)
        try:
            share.take(size_bytes)
            yield share
        finally:
            share.give(share.held_bytes)

    def grow(self, size_bytes: int, held_bytes: int) -> None:
        """Count `size_bytes` more for a request that holds `held_bytes`; raises `Overloaded` when that would be over the limit.

        A request larger than the whole limit is let in when it is alone.
        """
        with self._lock:
            alone = self._used <= held_bytes
            if size_bytes > 0 and not alone and self._used + size_bytes > self._limit:
                raise Overloaded(f"{self._used} of {self._limit} bytes of memory for requests are in use")
            self._used += size_bytes


class MemoryShare:
    """What one request holds of a budget."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.held_bytes = 0
        self._budget = budget

    def take(self, size_bytes: int) -> None:
        """Hold `size_bytes` more; raises `Overloaded` when there is no room beside what other requests hold."""
        self._budget.grow(size_bytes, self.held_bytes)
        self.held_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Hold `size_bytes` less."""
        self._budget.grow(-size_bytes, self.held_bytes)
        self.held_bytes -= size_bytes
