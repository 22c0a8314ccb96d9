"""Admission: what is acknowledged is on disk, and why something is not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from spanruns_receiver.admit import Admission
from spanruns_receiver.health import Metrics
from spanruns_receiver.memory import MemoryBudget
from spanruns_receiver.recent import RecentRequests
from spanruns_receiver.signals import SIGNALS, ExportResult, Signal
from spanruns_receiver.spool import Spool
from spanruns_schema.errors import Malformed, Overloaded, TooLarge

from tests.support.otlp import REQUESTS, traces
from tests.support.spools import SpoolMaker, contents


def admission(spool: Spool, *, limit: int = 10_000, memory: int = 100_000, remember: int = 100) -> Admission:
    """An admission over `spool` with metrics of its own."""
    recent = RecentRequests(remember, spool.digests()) if remember else None
    return Admission(spool, Metrics(), max_request_bytes=limit, memory=MemoryBudget(memory), recent=recent)


def count(admission: Admission, name: str, **labels: str) -> float:
    """A metric's value, 0 when it was never counted."""
    return admission.metrics.registry.get_sample_value(f"spanruns_receiver_{name}", labels) or 0


@pytest.mark.parametrize("signal", SIGNALS)
def test_accepted_means_on_disk(open_spool: SpoolMaker, signal: Signal) -> None:
    """When `export` returns, a new process finds the request in the spool."""
    spool = open_spool()
    front = admission(spool)
    payload = REQUESTS[signal](1, 2)
    items = 4 if signal == "metrics" else 2
    assert front.export(signal, payload, door="grpc") == ExportResult(items)
    assert count(front, "requests_total", door="grpc", outcome="accepted") == 1
    assert count(front, "accepted_items_total", signal=signal) == items
    spool.close()
    assert contents(open_spool()) == [(1, payload)]


def test_empty_request_is_fine_and_not_spooled(open_spool: SpoolMaker) -> None:
    """A request without items succeeds and leaves nothing behind."""
    spool = open_spool()
    front = admission(spool)
    assert front.export("traces", b"", door="http") == ExportResult(0)
    assert spool.next_sequence == 1
    assert count(front, "requests_total", door="http", outcome="empty") == 1


def test_bad_spans_do_not_cost_the_good_ones(open_spool: SpoolMaker) -> None:
    """Spans that cannot be stored are told as rejected, the others are accepted."""
    spool = open_spool()
    front = admission(spool)
    result = front.export("traces", traces(1, 2, bad=3), door="grpc")
    assert (result.accepted, result.rejected) == (2, 3)
    assert "trace id is not 16 bytes" in result.message
    assert spool.next_sequence == 2
    only_bad = front.export("traces", traces(bad=2), door="grpc")
    assert (only_bad.accepted, only_bad.rejected) == (0, 2)
    assert spool.next_sequence == 2
    assert count(front, "rejected_items_total", signal="traces") == 5


@pytest.mark.parametrize("signal", SIGNALS)
def test_malformed_request_is_refused(open_spool: SpoolMaker, signal: Signal) -> None:
    """Bytes that are no protobuf never reach the spool."""
    spool = open_spool()
    front = admission(spool)
    with pytest.raises(Malformed):
        front.export(signal, b"\x0a\xff\xff", door="grpc")
    assert spool.next_sequence == 1


def test_too_large_request_is_refused(open_spool: SpoolMaker) -> None:
    """A request over the limit is refused for good, with both sizes in the message."""
    front = admission(open_spool(), limit=100)
    with pytest.raises(TooLarge, match="has 101 bytes, the limit is 100"):
        front.export("traces", bytes(101), door="grpc")


def test_repeated_request_is_stored_once(open_spool: SpoolMaker) -> None:
    """A client that sends a request again, also after a restart, is told yes, and it is in the spool once."""
    spool = open_spool()
    front = admission(spool)
    payload = traces(1, 2)
    assert front.export("traces", payload, door="grpc") == front.export("traces", payload, door="http")
    assert count(front, "repeated_items_total", signal="traces") == 2
    spool.close()
    again = open_spool()
    assert admission(again).export("traces", payload, door="grpc") == ExportResult(2)
    assert contents(again) == [(1, payload)]


def test_request_that_is_sent_again_on_purpose(open_spool: SpoolMaker) -> None:
    """A dead letter that is sent again is spooled again, although its bytes are known."""
    spool = open_spool()
    front = admission(spool)
    front.export("traces", traces(1), door="http")
    front.export("traces", traces(1), door="http", again=True)
    assert contents(spool) == [(1, traces(1)), (2, traces(1))]


def test_repetitions_can_be_stored(open_spool: SpoolMaker) -> None:
    """Where nothing is remembered every request is stored."""
    spool = open_spool()
    front = admission(spool, remember=0)
    for _ in range(3):
        front.export("traces", traces(1), door="grpc")
    assert spool.next_sequence == 4


def test_equal_requests_at_the_same_time(open_spool: SpoolMaker) -> None:
    """Of many equal requests at once one is stored, and all return only when it is durable."""
    spool = open_spool()
    front = admission(spool)
    barrier = threading.Barrier(8)

    def send() -> int:
        barrier.wait(10)
        front.export("traces", traces(5), door="grpc")
        return spool.next_sequence

    with ThreadPoolExecutor(8) as pool:
        seen = [future.result(20) for future in [pool.submit(send) for _ in range(8)]]
    assert seen == [2] * 8


def test_full_spool_is_overload(open_spool: SpoolMaker) -> None:
    """Without room in the spool nothing is accepted, and the refusal says when to come back."""
    spool = open_spool(min_free_bytes=2**60)
    front = admission(spool)
    with pytest.raises(Overloaded, match="disk is full"):
        front.export("traces", traces(1), door="grpc")
    assert front.refusal().startswith("the disk is full")
