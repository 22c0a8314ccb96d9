"""The writer: everything in the spool is stored once, whatever the store does."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.health import Metrics
from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Spool, SpoolLimits
from spanruns_receiver.writer import Pace, Writer, inserter
from spanruns_schema.errors import StoreRejected, StoreUnavailable

from tests.support.otlp import REQUESTS, traces
from tests.support.spools import SpoolMaker
from tests.support.stores import Insert, KeepingStore

NOW = Pace(batch_bytes=2**20, interval_s=0)


def fill(spool: Spool, *requests: bytes, signal: Signal = "traces") -> None:
    """Make requests durable, with their real number of items."""
    from spanruns_receiver.decode import count

    futures = [spool.append(signal, r, count(signal, r), spool.digest(signal, r)) for r in requests]
    for future in futures:
        future.result(10)


@contextmanager
def running(spool: Spool, store: KeepingStore, pace: Pace = NOW, **more: object) -> Iterator[tuple[Writer, Metrics]]:
    """A writer at work, stopped without draining at the end."""
    metrics = Metrics()
    writer = Writer(spool, store, metrics, pace, **more)  # type: ignore[arg-type]
    writer.start()
    try:
        yield writer, metrics
    finally:
        writer.stop(0)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """A metric's value, 0 when it was never counted."""
    return metrics.registry.get_sample_value(f"spanruns_receiver_{name}", labels) or 0


def spans(*numbers: int) -> list[str]:
    """The names of spans, as `KeepingStore.names` gives them."""
    return sorted(f"span {number}." for number in numbers)


def refusing(*names: str, code: int = 6) -> Callable[[Insert], None]:
    """A store that refuses every block with one of `names` in it."""

    def fail(insert: Insert) -> None:
        if insert.names & set(names):
            raise StoreRejected(f"Code: {code}. DB::Exception: bad value", code)

    return fail


def test_every_signal_reaches_its_tables(open_spool: SpoolMaker) -> None:
    """Requests of all signals are stored, and the spool is left with nothing to store."""
    spool = open_spool()
    for signal, request in REQUESTS.items():
        fill(spool, request(1, 2), signal=signal)
    store = KeepingStore()
    with running(spool, store) as (writer, metrics):
        assert writer.wait_until_stored(20)
        assert writer.stop(5)
    assert {insert.table for insert in store.taken.values()} == {
        "otel_traces",
        "otel_logs",
        "otel_metrics_gauge",
        "otel_metrics_sum",
    }
    assert store.names("otel_traces") == spans(1, 2)
    assert store.names("otel_logs") == ["record 1.", "record 2."]
    assert spool.backlog_bytes == 0
    assert value(metrics, "stored_rows_total", table="otel_metrics_sum") == 2
    assert value(metrics, "lag_seconds_count") == 3


def test_requests_that_wait_together_are_stored_together(open_spool: SpoolMaker) -> None:
    """What is in the spool at the start is one insert, up to the size of a batch."""
    spool = open_spool()
    fill(spool, *(traces(n) for n in range(50)))
    store = KeepingStore()
    with running(spool, store) as (writer, _):
        assert writer.wait_until_stored(20)
    assert [insert.names for insert in store.attempts] == [frozenset(spans(*range(50)))]
    fill(spool, *(traces(n) for n in range(50, 100)))
    small = KeepingStore()
    with running(spool, small, Pace(batch_bytes=len(traces(50)) * 10, interval_s=0)) as (writer, _):
        assert writer.wait_until_stored(20)
    assert len(small.attempts) > 4
    assert small.names("otel_traces") == spans(*range(50, 100))


def test_first_request_does_not_wait(open_spool: SpoolMaker) -> None:
    """After a pause a request is stored at once, however far apart batches are to be."""
    spool = open_spool()
    store = KeepingStore()
    with running(spool, store, Pace(2**20, interval_s=3600)) as (writer, _):
        fill(spool, traces(1))
        assert writer.wait_until_stored(20)
        fill(spool, traces(2))
        assert writer.stop(20), "a stop does not wait for the next batch's time"
    assert store.names("otel_traces") == spans(1, 2)


def test_whoever_waits_for_rows_is_told(open_spool: SpoolMaker) -> None:
    """After every batch the resolver is told; a mistake of its does not stop the writer."""
    spool = open_spool()
    told: list[int] = []

    def tell(facts: bytes) -> None:
        told.append(1)
        raise ZeroDivisionError

    with running(spool, KeepingStore(), on_stored=tell) as (writer, _):
        fill(spool, traces(1))
        assert writer.wait_until_stored(20)
        fill(spool, traces(2))
        assert writer.wait_until_stored(20)
        assert writer.stop(20)
    assert len(told) == 2


def test_store_that_is_down_for_a_while(open_spool: SpoolMaker) -> None:
    """While the store is away requests wait; when it is back they are stored under the same token."""
    spool = open_spool()
    store = KeepingStore()

    def away(insert: Insert) -> None:
        if len(store.attempts) < 4:
            raise StoreUnavailable("nobody there", 210)

    store.fail = away
    with running(spool, store) as (writer, metrics):
        fill(spool, traces(1))
        store.wait_for(lambda: bool(store.attempts))
        fill(spool, traces(2))
        assert writer.wait_until_stored(20)
    assert len({insert.token for insert in store.attempts[:4]}) == 1
    assert store.names("otel_traces") == spans(1, 2)
    assert value(metrics, "insert_errors_total", code="210") == 3


def test_outage_does_not_slow_down_what_comes_after_it(open_spool: SpoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distance between inserts follows what they take, not how long the store was away."""
    monkeypatch.setattr(inserter, "_LONGEST_DELAY_S", 0.05)
    spool = open_spool()
    store = KeepingStore()
    back_at = time.monotonic() + 2

    def away(insert: Insert) -> None:
        if time.monotonic() < back_at:
            raise StoreUnavailable("nobody there", 210)
        time.sleep(0.1)  # what an insert takes

    store.fail = away
    with running(spool, store) as (writer, _):
        for number in (1, 2, 3):
            fill(spool, traces(number))
            while spool.plan_file.plan.next_sequence <= number:  # each is to be a batch of its own
                assert time.monotonic() < back_at
                time.sleep(0.01)
        store.wait_for(lambda: len(store.taken) == 3)
        fill(spool, traces(4))
        assert writer.wait_until_stored(1)


def test_stop_leaves_a_store_that_does_not_answer(open_spool: SpoolMaker) -> None:
    """It is waited for as long as it is told, for both threads together; the next process makes that insert again."""
    spool = open_spool()
    over = threading.Event()

    def silent(insert: Insert) -> None:
        over.wait(30)

    store = KeepingStore(fail=silent)
    with running(spool, store) as (writer, _):
        fill(spool, traces(1))
        store.wait_for(lambda: bool(store.attempts))
        fill(spool, traces(2))
        started = time.monotonic()
        assert not writer.stop(0.1, leave_s=0.2)
        assert time.monotonic() - started < 5
        over.set()


def test_error_that_nobody_expected_is_retried(open_spool: SpoolMaker) -> None:
    """A mistake in the store's driver costs a repetition, no data."""
    spool = open_spool()
    store = KeepingStore()

    def fail(insert: Insert) -> None:
        if len(store.attempts) == 1:
            raise ZeroDivisionError

    store.fail = fail
    with running(spool, store) as (writer, metrics):
        fill(spool, traces(1))
        assert writer.wait_until_stored(20)
    assert value(metrics, "insert_errors_total", code="-1") == 1


@pytest.mark.parametrize("together", [1, 3, 7])
def test_poison_is_put_aside_and_the_rest_is_stored(
    open_spool: SpoolMaker, together: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of many requests the one bad span becomes a dead letter; every other span is stored once."""
    spool = open_spool()
    numbers = list(range(100, 121))
    fill(spool, *(traces(*numbers[at : at + together]) for at in range(0, 21, together)))
    store = KeepingStore(refusing("span 113."))
    with running(spool, store) as (writer, metrics):
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(*(n for n in numbers if n != 113))
    (letter,) = spool.dead
    assert (letter.table, letter.items, letter.code) == ("otel_traces", 1, 6)
    assert letter.reason == "Code: 6. DB::Exception: bad value"
    found = ExportTraceServiceRequest.FromString(spool.dead.payload(letter))
    assert [s.name for s in found.resource_spans[0].scope_spans[0].spans] == ["span 113."]
    assert value(metrics, "dead_letters_total", signal="traces") == 1
    assert value(metrics, "batch_splits_total") >= 1
    assert not [said for said in caplog.messages if "wait in the spool" in said], "a refusal is no outage"


def test_only_the_table_that_refuses_is_split(open_spool: SpoolMaker) -> None:
    """What other tables took whole is not inserted a second time in pieces."""
    spool = open_spool()
    fill(spool, *(REQUESTS["metrics"](n) for n in range(8)), signal="metrics")
    store = KeepingStore()
    refused: list[str] = []

    def fail(insert: Insert) -> None:
        if insert.table == "otel_metrics_sum" and not refused:
            refused.append(insert.token)
            raise StoreRejected("Code: 6.", 6)

    store.fail = fail
    with running(spool, store) as (writer, metrics):
        assert writer.wait_until_stored(20)
    tables = [insert.table for insert in store.attempts]
    assert sorted(tables) == ["otel_metrics_gauge"] + ["otel_metrics_sum"] * 3
    assert value(metrics, "stored_rows_total", table="otel_metrics_sum") == 8
    assert not list(spool.dead)


def test_too_many_days_in_a_batch(open_spool: SpoolMaker) -> None:
    """A block with more partitions than ClickHouse takes at once is stored in smaller ones."""
    spool = open_spool()
    fill(spool, traces(*range(16)))

    def fail(insert: Insert) -> None:
        if len(insert.names) > 4:
            raise StoreUnavailable("Code: 252. Too many partitions for single INSERT block", 252)

    store = KeepingStore(fail)
    with running(spool, store) as (writer, _):
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(*range(16))
    assert not list(spool.dead)


def test_failure_in_a_view(open_spool: SpoolMaker) -> None:
    """When a view fails the rows are in already: the batch is not cut, the other views get theirs."""
    spool = open_spool()
    fill(spool, traces(*range(4)))

    def fail(insert: Insert) -> None:
        if not insert.settings:
            raise StoreRejected("Code: 395. thrown: while pushing to view spanruns.facts", 395)

    store = KeepingStore(fail)
    with running(spool, store) as (writer, _):
        assert writer.wait_until_stored(20)
    (first, second) = store.attempts
    assert first.token == second.token
    assert second.settings == (("materialized_views_ignore_errors", 1),)


def test_view_that_fails_whatever_it_is_told(open_spool: SpoolMaker) -> None:
    """What does not pass is tried again with pauses, as while the store is away; nothing is cut or given up."""
    spool = open_spool()
    fill(spool, traces(*range(4)))

    def fail(insert: Insert) -> None:
        raise StoreRejected("Code: 395. thrown: while pushing to view spanruns.facts", 395)

    store = KeepingStore(fail)
    with running(spool, store) as (writer, _):
        assert not writer.wait_until_stored(2)
    assert 2 < len(store.attempts) < 20
    assert len({(insert.token, insert.settings) for insert in store.attempts[1:]}) == 1
    assert not list(spool.dead)


def test_schema_that_is_not_there_yet(open_spool: SpoolMaker) -> None:
    """Where the table lacks columns no span is to blame: the writer waits for the schema."""
    spool = open_spool()
    fill(spool, traces(1))
    store = KeepingStore(refusing("span 1.", code=16), columns_are_there=False)
    with running(spool, store) as (writer, _):
        store.wait_for(lambda: len(store.attempts) >= 2)
        assert not list(spool.dead)
        store.fail = lambda insert: None
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(1)


def test_request_that_does_not_decode_is_put_aside(open_spool: SpoolMaker) -> None:
    """Bytes in the spool that no decoder takes become a dead letter, and cost no other request."""
    spool = open_spool()
    fill(spool, traces(1))
    spool.append("traces", b"\x0a\xff", 1, spool.digest("traces", b"\x0a\xff")).result(10)
    fill(spool, traces(2))
    store = KeepingStore()
    with running(spool, store) as (writer, _):
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(1, 2)
    (letter,) = spool.dead
    assert (letter.table, spool.dead.payload(letter)) == ("", b"\x0a\xff")


def test_stop_during_an_outage(open_spool: SpoolMaker) -> None:
    """A stop while the store is away ends in time, and the next process stores what was left."""
    spool = open_spool()
    fill(spool, traces(1), traces(2))
    away = KeepingStore()

    def fail(insert: Insert) -> None:
        raise StoreUnavailable("away")

    away.fail = fail
    with running(spool, away) as (writer, _):
        away.wait_for(lambda: bool(away.attempts))
        assert not writer.stop(0.01)
    spool.close()
    again, store = open_spool(), KeepingStore()
    with running(again, store) as (writer, _):
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(1, 2)
    assert [insert.token for insert in store.attempts] == [away.attempts[0].token]


@pytest.mark.parametrize(
    ("facts", "tables"),
    [
        (False, ["otel_traces"]),
        (True, ["otel_traces", "span_facts"]),
    ],
    ids=["shared", "own"],
)
def test_crash_at_every_insert(tmp_path: Path, facts: bool, tables: list[str]) -> None:
    """Wherever a process dies, within splits too, the next one makes the same inserts: each span is stored
    once.

    Before and after each insert a copy of the spool's files is what a crash at that moment would have left.
    """
    spool = Spool(tmp_path / "spool", SpoolLimits(2**30, 0))
    fill(spool, *(traces(*range(n, n + 5)) for n in range(0, 30, 5)))
    store = KeepingStore(refusing("span 7.", "span 22."))
    crashes: list[tuple[Path, dict[str, Insert]]] = []
    refuse = store.fail

    def crash() -> None:
        copy = tmp_path / f"crash-{len(crashes)}"
        shutil.copytree(spool.directory, copy, ignore=shutil.ignore_patterns("lock", ".*.tmp"))
        crashes.append((copy, dict(store.taken)))

    def fail(insert: Insert) -> None:
        crash()
        refuse(insert)
        store.taken.setdefault(insert.token, insert)
        crash()

    store.fail = fail
    with running(spool, store, Pace(batch_bytes=500, interval_s=0), facts=facts) as (writer, _):
        assert writer.wait_until_stored(30)
    spool.close()
    good = spans(*(n for n in range(30) if n not in (7, 22)))
    assert [store.names(table) for table in tables] == [good] * len(tables)
    assert len(crashes) > 20
    for directory, taken in crashes:
        again = Spool(directory, SpoolLimits(2**30, 0))
        after = KeepingStore(refuse, taken=taken)
        with running(again, after, facts=facts) as (writer, _):
            assert writer.wait_until_stored(30)
        assert [after.names(table) for table in tables] == [good] * len(tables)
        letters = sorted((letter.table, letter.items) for letter in again.dead)
        assert letters == [(table, 1) for table in tables for _ in range(2)]
        again.close()


def test_replayed_dead_letters_go_into_their_own_table(open_spool: SpoolMaker) -> None:
    """A request that is for one table alone leaves the others alone, whatever it is planned together with, and split or not."""
    spool = open_spool()
    futures = [
        spool.append("traces", payload, 2, spool.digest("traces", payload), table)
        for payload, table in (
            (traces(1, 2), ""),
            (traces(3, 4), "otel_traces"),
            (traces(5, 6), "span_facts"),
            (traces(7, 8), "otel_traces"),
            (traces(9, 10), ""),
        )
    ]
    for future in futures:
        future.result(10)
    store = KeepingStore(fail=refusing("span 7."))
    with running(spool, store, facts=True) as (writer, _):
        assert writer.wait_until_stored(20)
    assert store.names("otel_traces") == spans(1, 2, 3, 4, 8, 9, 10)
    assert store.names("span_facts") == spans(1, 2, 5, 6, 9, 10)
    assert [(letter.table, letter.items) for letter in spool.dead] == [("otel_traces", 1)]
