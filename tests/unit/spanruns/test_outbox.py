"""The bounded way out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from spanruns import _guard
from spanruns._outbox import MAX_REQUEST, Counts, Outbox
from spanruns._sender import Answer

ACCEPTED = Answer("accepted")
RETRY = Answer("retry", "down")


class Way:
    """A way out that keeps what it is given and answers as told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[Answer] = []
        self.otherwise = ACCEPTED
        self.changed = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()

    def prepare(self) -> None:
        """Nothing to prepare."""

    def forget(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to close."""

    def post(self, body: bytes, timeout_s: float | None = None) -> Answer:
        self.hold.wait(5)
        with self.changed:
            answer = self.answers.pop(0) if self.answers else self.otherwise
            self.bodies.append(body)
            self.changed.notify_all()
            return answer

    def wait(self, count: int) -> None:
        """Until this many requests have been made."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.bodies) >= count, 10), self.bodies


Make = Callable[..., Outbox[str]]


@pytest.fixture
def way() -> Way:
    """What the outbox sends with."""
    return Way()


@pytest.fixture
def make(way: Way) -> Iterator[Make]:
    """Makes outboxes of short strings, and closes them."""
    made: list[Outbox[str]] = []

    def make(**settings: Any) -> Outbox[str]:
        def pack(items: Sequence[str]) -> bytes:
            if "bad" in items:
                raise ValueError("cannot be encoded")
            return ",".join(items).encode()

        known = {"delay_s": 0.01, "max_items": 100, "max_bytes": 10_000, **settings}
        made.append(Outbox("things", str.strip, pack, way, owner=str, **known))
        return made[-1]

    yield make
    way.hold.set()
    for outbox in made:
        outbox.close(0.1)


def test_items_leave_together_after_the_delay(make: Make, way: Way) -> None:
    """Items of the same moment share a request."""
    outbox = make(delay_s=0.2)
    for item in "abc":
        outbox.put(item)
    way.wait(1)
    assert way.bodies == [b"a,b,c"]
    assert outbox.flush(5)
    assert outbox.counts == Counts(queued=3, sent=3, requests=1)


def test_urgent_item_does_not_wait(make: Make, way: Way) -> None:
    """An urgent item takes along what waits."""
    outbox = make(delay_s=60)
    outbox.put("a")
    outbox.put("b", urgent=True)
    way.wait(1)
    assert way.bodies == [b"a,b"]


def test_full_batch_does_not_wait(make: Make, way: Way) -> None:
    """A batch that is full is sent at once."""
    outbox = make(delay_s=60, batch=2)
    outbox.put("a")
    outbox.put("b")
    way.wait(1)
    assert way.bodies == [b"a,b"]


def test_put_never_blocks_and_counts_what_it_drops(make: Make, way: Way) -> None:
    """When items come faster than they leave, those beyond the bound are dropped, counted and named."""
    dropped: list[str] = []
    outbox = make(max_items=2, delay_s=60, dropped=dropped.extend)
    start = time.monotonic()
    for item in "abcd":
        outbox.put(item)
    assert time.monotonic() - start < 1
    assert (outbox.counts.dropped, dropped) == (2, ["c", "d"])


def test_refused_request_is_sent_again(make: Make, way: Way) -> None:
    """The same bytes go again until they are taken."""
    way.answers = [RETRY, RETRY]
    outbox = make()
    outbox.put("a")
    way.wait(3)
    assert way.bodies == [b"a"] * 3
    assert outbox.flush(5)
    assert (outbox.counts.retries, outbox.counts.sent, outbox.counts.dropped) == (2, 1, 0)


def test_order_is_kept_over_an_outage(make: Make, way: Way) -> None:
    """What was queued first arrives first, also after the endpoint was away."""
    way.answers = [RETRY]
    outbox = make(batch=1)
    for item in "abc":
        outbox.put(item)
    way.wait(4)
    assert way.bodies == [b"a", b"a", b"b", b"c"]


def test_backlog_is_bounded_in_bytes(make: Make, way: Way) -> None:
    """While nobody takes anything, the oldest requests make room, and are counted."""
    way.otherwise = RETRY
    outbox = make(batch=1, max_bytes=30)
    outbox.put("first-of-all")
    way.wait(1)
    for number in range(5):
        outbox.put(f"later-{number}-x")
    assert not outbox.flush(0.5)
    way.otherwise = ACCEPTED
    assert outbox.flush(5)
    assert outbox.counts.dropped == 3
    assert way.bodies[-3:] == [b"later-2-x", b"later-3-x", b"later-4-x"]


def test_permanent_refusal_drops_and_goes_on(make: Make, way: Way) -> None:
    """A request that will never be taken must not hold up the others."""
    way.answers = [Answer("rejected", "status 400")]
    outbox = make(batch=1)
    outbox.put("a")
    outbox.put("b")
    way.wait(2)
    assert outbox.flush(5)
    assert (outbox.counts.dropped, outbox.counts.sent) == (1, 1)


def test_partly_refused_request_is_counted(make: Make, way: Way) -> None:
    """Items refused out of an accepted request count as dropped."""
    way.answers = [Answer("accepted", "too old", rejected_items=2)]
    outbox = make()
    for item in "abc":
        outbox.put(item)
    assert outbox.flush(5)
    assert (outbox.counts.sent, outbox.counts.dropped) == (1, 2)


def test_item_that_cannot_be_encoded_costs_only_itself(make: Make, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its batch is sent."""
    monkeypatch.setattr(_guard, "_raise", False)
    outbox = make(delay_s=0.2)
    for item in ("a", "bad", "b"):
        outbox.put(item)
    assert outbox.flush(5)
    assert (way.bodies, outbox.counts.dropped) == ([b"a", b"b"], 1)


def test_large_requests_are_split(make: Make, way: Way) -> None:
    """No request is larger than what receivers commonly allow."""
    outbox = make(delay_s=0.2, max_bytes=100 << 20)
    items = [str(number) * (MAX_REQUEST // 3) for number in range(4)]
    for item in items:
        outbox.put(item)
    assert outbox.flush(10)
    assert b",".join(way.bodies).decode() == ",".join(items)
    assert max(map(len, way.bodies)) <= MAX_REQUEST


def test_flush_gives_up_on_a_silent_endpoint(make: Make, way: Way) -> None:
    """Flushing takes no longer than the patience for an endpoint that takes nothing."""
    way.otherwise = RETRY
    outbox = make()
    outbox.put("a")
    start = time.monotonic()
    assert not outbox.flush(30, patience_s=0.3)
    assert time.monotonic() - start < 3


def test_flush_of_nothing_starts_no_thread(make: Make) -> None:
    """An outbox that is not used costs nothing."""
    outbox = make()
    assert outbox.flush(1)
    assert outbox._thread is None


def test_flush_waits_for_what_is_there(make: Make, way: Way) -> None:
    """A thread that goes on putting items does not hold up who flushes."""
    outbox = make(max_items=1_000_000)
    stop = threading.Event()

    def forever() -> None:
        while not stop.wait(0.0005):
            outbox.put("more")

    thread = threading.Thread(target=forever)
    thread.start()
    try:
        outbox.put("a")
        assert outbox.flush(10)
        assert outbox.close(10)
        sent = outbox.counts.sent
        assert outbox.flush(10)
    finally:
        stop.set()
        thread.join()
    assert outbox.counts.sent == sent
    assert any(b"a" in body.split(b",") for body in way.bodies)


def test_closed_outbox_takes_nothing(make: Make, way: Way) -> None:
    """After closing items are dropped, and counted."""
    outbox = make()
    outbox.put("a")
    assert outbox.close(5)
    outbox.put("b")
    assert (way.bodies, outbox.counts.dropped) == ([b"a"], 1)


def test_idle_thread_sleeps(make: Make, way: Way) -> None:
    """With nothing to do the thread does not wake up by itself."""
    ticks: list[float] = []
    outbox = make(tick=lambda: ticks.append(1.0))
    outbox.put("a")
    assert outbox.flush(5)
    before = len(ticks)
    time.sleep(0.3)  # the point is that nothing happens meanwhile
    assert len(ticks) - before <= 1


def test_tick_runs_when_it_asked_to(make: Make) -> None:
    """The thread wakes up for a tick although nothing is put."""
    ticked = threading.Event()
    due = time.monotonic() + 0.05

    def tick() -> float | None:
        if time.monotonic() >= due:
            ticked.set()
            return None
        return due

    make(tick=tick).wake()
    assert ticked.wait(5)


def test_child_forgets_what_the_parent_queued(make: Make, way: Way) -> None:
    """After a fork nothing of the parent is sent by the child, and the child can send its own."""
    way.hold.clear()
    outbox = make(delay_s=60)
    outbox.put("parent's")
    outbox.after_fork()
    way.hold.set()
    outbox.put("child's", urgent=True)
    assert outbox.flush(5)
    assert way.bodies == [b"child's"]
