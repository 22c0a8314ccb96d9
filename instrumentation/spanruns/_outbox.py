"""A bounded queue with a thread of its own that packs items into requests and sends them.

Nothing here can block the service: `put` appends to a deque. Two bounds hold: items not packed yet
(`max_items`), and bytes of packed requests that no endpoint has taken yet (`max_bytes`); what does not fit is
dropped and counted, the oldest first. The thread starts with the first item and starts again in a forked
child, where what the parent had queued is forgotten (the parent sends it).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from spanruns import _fork, _guard
from spanruns._sender import Answer

T = TypeVar("T")

MAX_REQUEST: Final = 3 << 20
"""Bytes above which a request is split, below the 4 MiB many receivers allow."""
FIRST_BACKOFF_S: Final = 0.25
MAX_BACKOFF_S: Final = 5.0


class Post(Protocol):
    """The way out: a `Sender`, or a collector in memory."""

    def prepare(self) -> None: ...
    def forget(self) -> None: ...
    def close(self) -> None: ...
    def post(self, body: bytes, timeout_s: float | None = None) -> Answer: ...


@dataclass
class Counts:
    """What an outbox did with its items since the process started."""

    queued: int = 0
    sent: int = 0
    dropped: int = 0
    requests: int = 0
    retries: int = 0


@dataclass(frozen=True)
class _Parcel:
    body: bytes
    owners: Sequence[object]
    """Of each item in it."""


class Outbox(Generic[T]):
    """See the module.

    `tick`, if given, runs in the thread and says when (monotonic seconds) it wants to run again.
    """

    def __init__(
        self,
        name: str,
        ready: Callable[[T], Any],
        pack: Callable[[Sequence[Any]], bytes],
        post: Post,
        *,
        delay_s: float,
        max_items: int,
        max_bytes: int,
        batch: int = 512,
        owner: Callable[[T], object] = lambda item: None,
        dropped: Callable[[Sequence[object]], None] | None = None,
        tick: Callable[[], float | None] | None = None,
    ) -> None:
        self.name = name

        self._ready = ready
        self._pack = pack
        self._owner = owner
        self._post = post
        self._delay_s = delay_s
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._batch = batch
        self._dropped = dropped
        self._tick = tick
        self._start_fresh()
        _fork.register(self)

    def _start_fresh(self) -> None:
        self.counts = Counts()
        self._handled = 0  # queued items that have been sent or dropped
        self._queue: deque[T] = deque()
        self._parcels: deque[_Parcel] = deque()
        self._parcel_bytes = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._awake = False
        self._busy = False
        self._failing = False
        self._not_before = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        self._deadline: float | None = None
        self._closing = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """Forget the parent's items and thread."""
        self._post.forget()
        self._start_fresh()

    def put(self, item: T, *, urgent: bool = False) -> None:
        """Queue an item.

        Never blocks, never raises. `urgent` sends it at once together with what is queued.
        """
        queue = self._queue
        if self._closing or len(queue) >= self._max_items:
            self._drop([self._owner(item)], say=not self._closing)
            return
        queue.append(item)
        self.counts.queued += 1
        if urgent or len(queue) >= self._batch:
            self._hurry.set()
        if not self._awake:
            self.wake()

    def wake(self) -> None:
        """Make the thread look at once, starting it if need be."""
        self._awake = True
        self._wake.set()
        if self._thread is None:
            self._start_thread()

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._main, name=f"spanruns-{self.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is going down: close() sends what is left, in its own thread
                return
            self._thread = thread

    def _drop(self, owners: Sequence[object], *, say: bool = True) -> None:
        self.counts.dropped += len(owners)
        if say:
            _guard.warn_once(
                f"dropped {self.name}", "spanruns: dropping %s, they come faster than they can be sent", self.name
            )
        if self._dropped is not None:
            self._dropped(owners)

    def _lose(self, owners: Sequence[object]) -> None:
        """Drop items that had been queued."""
        self._handled += len(owners)
        self._drop(owners)

    def _main(self) -> None:
        mark_own_thread()
        try:
            self._post.prepare()
        except Exception:
            _guard.swallow(f"preparing to send {self.name}")
        while not self._closed:
            try:
                self._turn()
            except Exception:
                _guard.swallow(f"sending {self.name}")
                time.sleep(FIRST_BACKOFF_S)  # whatever it is, it must not spin

    def _turn(self) -> None:
        next_tick = self._tick() if self._tick is not None else None
        self._wait(next_tick)
        if self._queue:
            self._hurry.wait(self._delay_s)
        self._hurry.clear()
        self._send_round()

    def _wait(self, next_tick: float | None) -> None:
        """Sleep until there is something to do: an item, a tick, or the end of a back-off."""
        self._wake.clear()
        self._awake = False
        if self._failing or not self._queue:
            times = [t for t in (next_tick, self._not_before if self._parcels else None) if t is not None]
            self._wake.wait(max(min(times) - time.monotonic(), 0.0) if times else None)
        self._awake = True

    def _send_round(self) -> None:
        self._busy = True
        try:
            self._pack_queue()
            while self._parcels and time.monotonic() >= self._not_before and not self._closed:
                self._send_one()
        finally:
            self._busy = False
            with self._changed:
                self._changed.notify_all()

    def _pack_queue(self) -> None:
        while self._queue:
            items = [self._queue.popleft() for _ in range(min(self._batch, len(self._queue)))]
            ready, owners = [], []
            for item in items:
                owner = self._owner(item)
                try:
                    ready.append(self._ready(item))
                except Exception:
                    self._lose([owner])
                    _guard.swallow(f"preparing {self.name}")
                else:
                    owners.append(owner)
            if ready:
                self._add_parcels(ready, owners)

    def _add_parcels(self, ready: Sequence[Any], owners: Sequence[object]) -> None:
        try:
            body = self._pack(ready)
        except Exception:
            if len(ready) == 1:
                self._lose(owners)
                _guard.swallow(f"encoding {self.name}")
                return
            for item, owner in zip(ready, owners, strict=True):  # one bad item must not cost its batch
                self._add_parcels([item], [owner])
            return
        if len(body) > MAX_REQUEST and len(ready) > 1:
            half = len(ready) // 2
            self._add_parcels(ready[:half], owners[:half])
            self._add_parcels(ready[half:], owners[half:])
            return
        self._parcels.append(_Parcel(body, owners))
        self._parcel_bytes += len(body)
        while self._parcel_bytes > self._max_bytes and len(self._parcels) > 1:
            self._lose(self._take_parcel().owners)

    def _take_parcel(self) -> _Parcel:
        parcel = self._parcels.popleft()
        self._parcel_bytes -= len(parcel.body)
        return parcel

    def _send_one(self) -> None:
        parcel = self._parcels[0]
        left = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.05)
        answer = self._post.post(parcel.body, left)
        self.counts.requests += 1
        if answer.outcome == "retry":
            self._back_off(answer)
            return
        self._failing = False
        self._backoff_s = FIRST_BACKOFF_S
        self._take_parcel()
        if answer.outcome == "accepted":
            self._handled += len(parcel.owners)
            self.counts.sent += len(parcel.owners) - answer.rejected_items
            self.counts.dropped += answer.rejected_items
            if answer.rejected_items:
                _guard.warn_once("partial", "spanruns: the endpoint refused some %s: %s", self.name, answer.reason)
            return
        self._lose(parcel.owners)
        _guard.warn_once(f"rejected {self.name}", "spanruns: the endpoint refuses %s: %s", self.name, answer.reason)

    def _back_off(self, answer: Answer) -> None:
        self.counts.retries += 1
        self._failing = True
        wait_s = answer.retry_after_s or self._backoff_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries
        if self._deadline is not None:
            wait_s = min(wait_s, FIRST_BACKOFF_S)
        self._not_before = time.monotonic() + wait_s
        self._backoff_s = min(self._backoff_s * 2, MAX_BACKOFF_S)
        _guard.warn_once(
            "unreachable",
            "spanruns: no OTLP endpoint takes our data (%s); keeping it in memory and trying again",
            answer.reason,
        )

    @property
    def is_empty(self) -> bool:
        """True once everything that was put has been sent or dropped."""
        return not (self._queue or self._parcels or self._busy)

    def flush(self, timeout_s: float, patience_s: float | None = None) -> bool:
        """Send everything that has been queued by now.

        False if `timeout_s` ran out, or nothing was taken for `patience_s` meanwhile.
        """
        if self._closed:
            return self.is_empty
        end = time.monotonic() + timeout_s
        patience_s = timeout_s if patience_s is None else patience_s
        give_up, sent = time.monotonic() + patience_s, self.counts.sent
        queued = self.counts.queued  # what comes meanwhile is not waited for: there may be no end of it

        def done() -> bool:
            return self.is_empty or self._handled >= queued

        self._deadline, self._not_before = end, 0.0
        try:
            while not done() and (now := time.monotonic()) < min(end, give_up):
                self._hurry.set()
                self.wake()
                if self._thread is None:
                    self._send_round()
                with self._changed:
                    self._changed.wait_for(done, min(0.05, end - now))
                if self.counts.sent != sent:
                    give_up, sent = time.monotonic() + patience_s, self.counts.sent
            return done()
        finally:
            self._deadline = None

    def close(self, timeout_s: float, patience_s: float | None = None) -> bool:
        """Take no more items, and send those that are there."""
        self._closing = True
        done = self.flush(timeout_s, patience_s)
        self._closed = True
        self._wake.set()
        self._hurry.set()
        return done


def mark_own_thread() -> None:
    """Keep other instrumentation (requests, urllib3, logging) from recording what this thread does."""
    from opentelemetry import context

    own = context.get_current()
    for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"):
        key = getattr(context, name, None)
        if isinstance(key, str):
            own = context.set_value(key, True, own)
    context.attach(own)
