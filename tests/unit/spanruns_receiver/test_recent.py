"""Telling requests that are sent again."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from spanruns_receiver.recent import RecentRequests
from spanruns_schema.errors import Overloaded


def digest(number: int) -> bytes:
    """A digest of its own for every number."""
    return number.to_bytes(16, "big")


def never() -> Future[int]:
    """An append that must not be asked for."""
    raise AssertionError("appended again")


def done(sequence: int = 1) -> Future[int]:
    """A request that is durable at once."""
    future: Future[int] = Future()
    future.set_result(sequence)
    return future


def test_durable_request_is_not_appended_again() -> None:
    """The second time there is nothing to wait for and nothing to write."""
    recent = RecentRequests(10)
    future, repeated = recent.once(digest(1), done)
    assert (future is not None and future.result(), repeated) == (1, False)
    assert recent.once(digest(1), never) == (None, True)


def test_repetition_waits_for_the_request_on_its_way() -> None:
    """Two equal requests at once are written once, and both wait for the same disk write."""
    recent = RecentRequests(10)
    pending: Future[int] = Future()
    assert recent.once(digest(1), lambda: pending) == (pending, False)
    assert recent.once(digest(1), never) == (pending, True)
    pending.set_result(7)
    assert recent.once(digest(1), never) == (None, True)


def test_failed_request_may_come_again() -> None:
    """What was refused is not remembered: its repetition is a first time."""
    recent = RecentRequests(10)
    failed: Future[int] = Future()
    recent.once(digest(1), lambda: failed)
    failed.set_exception(Overloaded("disk"))
    _, repeated = recent.once(digest(1), done)
    assert not repeated

    def refuse() -> Future[int]:
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        recent.once(digest(2), refuse)
    _, repeated = recent.once(digest(2), done)
    assert not repeated


def test_digests_on_disk_are_remembered() -> None:
    """What a process before this one made durable is known."""
    assert RecentRequests(10, [digest(1), digest(2)]).once(digest(2), never) == (None, True)


def test_memory_is_bounded_and_the_youngest_stay() -> None:
    """The last `capacity` requests are always known, those older than twice that are not."""
    recent = RecentRequests(10)
    for number in range(35):
        recent.once(digest(number), done)
    assert all(recent.once(digest(number), never) == (None, True) for number in range(25, 35))
    assert not any(recent.once(digest(number), done)[1] for number in range(15))
