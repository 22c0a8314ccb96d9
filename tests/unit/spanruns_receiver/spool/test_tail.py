"""The youngest requests, in memory."""

from __future__ import annotations

from spanruns_receiver.spool.record import HEADER_BYTES, Record
from spanruns_receiver.spool.tail import Requests, Tail

from tests.support.spools import SpoolMaker, contents, put


def requests(first: int, last: int) -> Requests:
    """Requests of 10 bytes each."""
    return [(Record(n, "traces", 1, 7, b"", 0, 10), bytes([n]) * 10) for n in range(first, last + 1)]


def test_they_are_taken_in_order_and_once() -> None:
    """What is taken is gone; who asks for anything else gets nothing."""
    tail = Tail(1000)
    tail.add(requests(1, 3))
    tail.add(requests(4, 6))
    assert tail.take(1, 99, 2 * (HEADER_BYTES + 10)) == requests(1, 2)
    assert tail.take(1, 99, 1000) == []
    assert tail.take(3, 4, 1000) == requests(3, 4)
    assert tail.take(6, 99, 1000) == requests(6, 6)
    assert tail.take(7, 99, 1000) == []


def test_one_that_is_missing_ends_them_until_all_are_taken() -> None:
    """There is never a gap: what came when there was no room is on disk only, and so is what followed it."""
    tail = Tail(35)
    tail.add(requests(1, 3))
    tail.add(requests(4, 4))
    assert tail.take(1, 99, 1) == requests(1, 1)
    tail.add(requests(5, 5))
    assert tail.take(2, 99, 1000) == requests(2, 3)
    assert tail.take(4, 99, 1000) == []
    tail.add(requests(6, 6))
    assert tail.take(6, 99, 1000) == requests(6, 6)


def test_a_reader_that_falls_behind_goes_on_from_disk(open_spool: SpoolMaker) -> None:
    """What is more than fits in memory is read, in order, from where it fits to where it does not."""
    spool = open_spool(segment_bytes=8 * 2**20)
    bodies = [bytes([n]) * 2**20 for n in range(20)]
    put(spool, *bodies)
    first, beyond = spool.read(1, 99, 5 * 2**20)
    put(spool, *bodies)
    assert [body for _, body in first] == bodies[: beyond - 1]
    assert contents(spool) == list(enumerate(bodies * 2, 1))


def test_nothing_is_kept_after_clearing() -> None:
    """What comes then is kept again."""
    tail = Tail(35)
    tail.add(requests(1, 3))
    tail.clear()
    assert tail.take(1, 99, 1000) == []
    tail.add(requests(4, 6))
    assert tail.take(4, 99, 1000) == requests(4, 6)
