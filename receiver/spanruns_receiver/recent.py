"""Requests seen lately, so that one that is sent again is acknowledged and not stored again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future


class RecentRequests:
    """Digests of at least the last `capacity` durable requests, and of those on their way to the disk.

    A client that got no answer (a timeout, a crash of the receiver) sends the very same bytes again: spans
    carry their ids and times, so equal bytes are the same spans, never new ones.
    """

    def __init__(self, capacity: int, digests: Iterable[bytes] = ()) -> None:
        self._capacity = capacity
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._on_their_way: dict[bytes, Future[int]] = {}
        self._lock = threading.Lock()
        for digest in digests:
            self._remember(digest)

    def once(self, digest: bytes, append: Callable[[], Future[int]]) -> tuple[Future[int] | None, bool]:
        """What to wait for (None: durable already) and whether it was seen before; else it is appended."""
        with self._lock:
            if digest in self._young or digest in self._old:
                return None, True
            known = self._on_their_way.get(digest)
            if known is not None:
                return known, True
            future = append()
            self._on_their_way[digest] = future
        future.add_done_callback(lambda done: self._landed(digest, done))
        return future, False

    def _landed(self, digest: bytes, future: Future[int]) -> None:
        with self._lock:
            self._on_their_way.pop(digest, None)
            if future.exception() is None:
                self._remember(digest)

    def _remember(self, digest: bytes) -> None:
        self._young.add(digest)
        if len(self._young) >= self._capacity:
            self._old, self._young = self._young, set()
