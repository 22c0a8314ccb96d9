"""The spool: requests in the order of their arrival, on disk before they are acknowledged."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from spanruns_schema.errors import Overloaded

from spanruns_receiver.signals import Signal
from spanruns_receiver.spool.dead import DeadLetters
from spanruns_receiver.spool.lock import DirectoryLock
from spanruns_receiver.spool.plan import PlanFile
from spanruns_receiver.spool.record import (
    HEADER_BYTES,
    Damage,
    Record,
    digest_of,
    pack_header,
)
from spanruns_receiver.spool.segment import Segment
from spanruns_receiver.spool.segments import Segments
from spanruns_receiver.spool.tail import Requests, Tail

_log = logging.getLogger(__name__)

_FREE_SPACE_MAX_AGE_S = 1.0
_WRITE_ERROR_RETRY_S = 5.0
_FULL_RETRY_S = 2.0
_USUAL_REQUEST_BYTES = 2**20
_TAIL_BYTES = 16 * 2**20
_FAR_BEHIND_BYTES = 4 * _TAIL_BYTES
"""With a backlog larger than this the youngest requests are not kept in memory: their turn comes much later."""


@dataclass(frozen=True)
class SpoolLimits:
    """What the spool may take, in bytes: `max_bytes` counts requests not stored yet and dead letters."""

    max_bytes: int
    min_free_bytes: int
    segment_bytes: int = 32 * 2**20


@dataclass(frozen=True, slots=True)
class _Pending:
    signal: Signal
    payload: bytes
    items: int
    digest: bytes
    received_at_ns: int
    table: str
    durable: Future[int]

    @property
    def size_bytes(self) -> int:
        return HEADER_BYTES + len(self.payload)

    def record(self, sequence: int, offset: int) -> Record:
        size_bytes = len(self.payload)
        return Record(
            sequence, self.signal, self.items, self.received_at_ns, self.digest, offset, size_bytes, self.table
        )


class Spool:
    """Append-only segments in `directory`, owned by this process while it is open.

    Any thread may append; one thread writes, and one `fdatasync` covers whatever came in meanwhile. Reading
    is for one thread. `on_damage` is told of bytes that are no sound record; they are kept in `damaged/`.
    """

    def __init__(
        self,
        directory: Path,
        limits: SpoolLimits,
        *,
        on_damage: Callable[[Damage], None] = lambda damage: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._limits = limits
        self._segment_bytes = min(limits.segment_bytes, max(limits.max_bytes // 8, 4096))
        self._clock = clock
        with ExitStack() as opened:
            self._lock_file = opened.enter_context(closing(DirectoryLock(directory)))
            self._plan_file = opened.enter_context(closing(PlanFile(directory / "plan")))
            self.dead = DeadLetters(directory / "dead")
            self._segments = Segments(directory, on_damage)
            opened.pop_all()
        self._tail = Tail(_TAIL_BYTES)
        self.next_sequence = max(1, self._plan_file.plan.next_sequence, self._segments.next_sequence)
        youngest = self._segments.youngest
        self._seed = youngest.seed if youngest else secrets.randbits(64)
        self._active: Segment | None = None  # a new process writes a new segment
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._closing = False
        self._failed_at = float("-inf")
        self._free = (float("-inf"), 0)
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._durable = threading.Condition(lock)
        self._thread = threading.Thread(target=self._commit_loop, name="spool-commit", daemon=True)
        self._thread.start()

    # --- appending

    def digest(self, signal: Signal, payload: bytes) -> bytes:
        """16 bytes that stand for this request in this spool."""
        return digest_of(signal, payload, self._seed)

    def append(self, signal: Signal, payload: bytes, items: int, digest: bytes, table: str = "") -> Future[int]:
        """Queue a request, for `table` only if one is given; the future has its sequence once it is durable, or raises
        `Overloaded`.

        Raises `Overloaded` at once when there is no room for it.
        """
        pending = _Pending(signal, payload, items, digest, self._clock(), table, Future())
        with self._work:
            refusal = self._refusal(pending.size_bytes)
            if refusal:
                raise Overloaded(refusal, _FULL_RETRY_S)
            self._pending.append(pending)
            self._pending_bytes += pending.size_bytes
            self._work.notify()
        return pending.durable

    def refusal(self) -> str:
        """Why a request of usual size would be refused now, empty when it would not."""
        with self._work:
            if time.monotonic() - self._failed_at < _WRITE_ERROR_RETRY_S:
                return "the spool could not be written a moment ago"
            return self._refusal(min(_USUAL_REQUEST_BYTES, self._limits.max_bytes // 10))

    @property
    def backlog_bytes(self) -> int:
        """Bytes of the segments that hold requests not stored yet."""
        return self._segments.size_from(self._plan_file.plan.stored_below, self.next_sequence)

    def _refusal(self, size_bytes: int) -> str:
        if self._closing:
            return "the receiver is shutting down"
        dead = self.dead.size_bytes
        used = self.backlog_bytes + self._pending_bytes + dead
        if used + size_bytes > self._limits.max_bytes:
            letters = f" or are dead letters ({dead}, see `spanruns spool`)" if dead else ""
            return f"the spool is full: {used} of {self._limits.max_bytes} bytes wait for the store{letters}"
        if self._free_bytes() - size_bytes < self._limits.min_free_bytes:
            return f"the disk is full: under {self._limits.min_free_bytes} bytes are free in {self.directory}"
        return ""

    def _free_bytes(self) -> int:
        """Free bytes on the disk, asked at most once a second, less what has been queued since."""
        at, free = self._free
        if time.monotonic() - at > _FREE_SPACE_MAX_AGE_S:
            status = os.statvfs(self.directory)
            free = status.f_bavail * status.f_frsize
            self._free = (time.monotonic(), free)
        return free - self._pending_bytes

    # --- committing

    def _commit_loop(self) -> None:
        while batch := self._take():
            try:
                first = self._commit(batch)
            except Exception as error:  # this thread must live: without it nothing is ever acknowledged
                self._refuse(batch, error)
            else:
                for sequence, pending in enumerate(batch, first):
                    pending.durable.set_result(sequence)

    def _take(self) -> list[_Pending]:
        with self._work:
            while not self._pending and not self._closing:
                self._work.wait()
            batch, self._pending = self._pending, []
            return batch

    def _commit(self, batch: list[_Pending]) -> int:
        segment = self._writable_segment()
        first, offset = self.next_sequence, segment.size_bytes
        buffers: list[bytes] = []
        requests: list[tuple[Record, bytes]] = []
        for sequence, pending in enumerate(batch, first):
            record = pending.record(sequence, offset + HEADER_BYTES)
            offset = record.end
            buffers += (pack_header(record), pending.payload)
            requests.append((record, pending.payload))
        segment.append(buffers)
        if self.backlog_bytes > _FAR_BEHIND_BYTES:
            self._tail.clear()
        else:
            self._tail.add(requests)
        with self._durable:
            self.next_sequence = first + len(batch)
            self._pending_bytes -= sum(pending.size_bytes for pending in batch)
            self._failed_at = float("-inf")
            self._durable.notify_all()
        return first

    def _writable_segment(self) -> Segment:
        if self._active is None or self._active.size_bytes >= self._segment_bytes:
            self._active = self._segments.add(self.next_sequence, self._seed)
        return self._active

    def _refuse(self, batch: list[_Pending], error: Exception) -> None:
        """Take back what may have been written of `batch`, and tell its senders to try again."""
        if not isinstance(error, OSError):
            _log.error("the spool cannot be written", exc_info=error)
        elif self._failed_at == float("-inf"):  # once, until it can be written again
            _log.error(
                "the spool cannot be written, requests are refused until it can: %s in %s", error, self.directory
            )
        if self._active is not None:
            self._segments.abandon(self._active)
            self._active = None
        with self._work:
            self._pending_bytes -= sum(pending.size_bytes for pending in batch)
            self._failed_at = time.monotonic()
            self._free = (float("-inf"), 0)
        for pending in batch:
            pending.durable.set_exception(Overloaded(f"the spool cannot be written: {error}", _WRITE_ERROR_RETRY_S))

    # --- reading

    @property
    def plan_file(self) -> PlanFile:
        """What is being inserted."""
        return self._plan_file

    def wait_for(self, sequence: int, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the request with this `sequence` is durable; False when `stopped` or closed before.

        `stopped` is asked again at every `wake`.
        """
        with self._durable:
            while self.next_sequence <= sequence:
                if self._closing or stopped():
                    return False
                self._durable.wait()
            return True

    def wake(self) -> None:
        """Let a `wait_for` ask its `stopped` again."""
        with self._durable:
            self._durable.notify_all()

    def read(self, first: int, last: int, limit_bytes: int) -> tuple[Requests, int]:
        """About `limit_bytes` of the durable requests from `first` to `last`; the first one not covered."""
        last = min(last, self.next_sequence - 1)
        found = self._tail.take(first, last, limit_bytes)
        return (found, found[-1][0].sequence + 1) if found else self._segments.read(first, last, limit_bytes)

    def release(self) -> None:
        """Remove segments whose requests are all stored, as the plan on disk says."""
        self._segments.release(self._plan_file.plan.stored_below)

    def digests(self) -> Iterator[bytes]:
        """The digests of the youngest requests on disk, for telling repetitions after a restart."""
        return self._segments.digests()

    def close(self) -> None:
        """Commit what is queued, refuse the rest, and let another process have the directory."""
        with self._work:
            if self._closing:
                return
            self._closing = True
            self._work.notify_all()
            self._durable.notify_all()
        self._thread.join()
        self._segments.close()
        self._plan_file.close()
        self._lock_file.close()
