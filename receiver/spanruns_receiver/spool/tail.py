"""The youngest requests, in memory: what was just written need not be read from disk by a reader that keeps up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from spanruns_receiver.spool.record import HEADER_BYTES, Record

Requests = Sequence[tuple[Record, bytes]]
"""Records with their payloads."""


class Tail:
    """Requests in sequence without a gap, at most `most_bytes` of them. One thread adds, one takes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._requests: deque[tuple[Record, bytes]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, requests: Requests) -> None:
        """Keep `requests`, which are durable, if there is room and none before them is missing; else they are on disk only."""
        size = sum(record.size_bytes for record, _ in requests)
        with self._lock:
            follows = not self._requests or self._requests[-1][0].sequence + 1 == requests[0][0].sequence
            if follows and self._bytes + size <= self._most_bytes:
                self._requests.extend(requests)
                self._bytes += size

    def clear(self) -> None:
        """Keep none of them."""
        with self._lock:
            self._requests.clear()
            self._bytes = 0

    def take(self, first: int, last: int, limit_bytes: int) -> Requests:
        """About `limit_bytes` of the requests from `first` to `last`, which are not kept any longer; none where `first` is not here."""
        found: list[tuple[Record, bytes]] = []
        size = 0
        with self._lock:
            while self._requests and self._requests[0][0].sequence < first:
                self._drop()
            if self._requests and self._requests[0][0].sequence == first:
                while self._requests and size < limit_bytes and self._requests[0][0].sequence <= last:
                    found.append(self._drop())
                    size += HEADER_BYTES + found[-1][0].size_bytes
        return found

    def _drop(self) -> tuple[Record, bytes]:
        request = self._requests.popleft()
        self._bytes -= request[0].size_bytes
        return request
