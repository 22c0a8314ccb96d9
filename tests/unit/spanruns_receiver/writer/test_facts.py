"""The writer makes the facts of its batches where the store does not; the rows are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from spanruns_receiver import decode
from spanruns_receiver.decode import compiled, count
from spanruns_receiver.facts import NAMES
from spanruns_receiver.health import Metrics
from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Batch, Plan, Spool, SpoolLimits
from spanruns_receiver.spool.plan import read_plan
from spanruns_receiver.writer import Pace, Writer
from spanruns_schema import migrate
from spanruns_schema.dialects.rules import FACTS_WRITTEN
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import StoreRejected

from tests.support.odd_requests import OddRequests
from tests.support.otlp import REQUESTS, traces
from tests.support.spans import logs_request, record
from tests.support.spools import SpoolMaker
from tests.support.stores import Insert, KeepingStore

NOW = Pace(batch_bytes=2**20, interval_s=0)
TABLES = ("otel_traces", "otel_logs", "span_facts")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store that maps what nobody else has."""
    found = EmbeddedStore(tmp_path_factory.mktemp("store"))
    migrate.apply(found)
    for table in (*TABLES, "otel_traces_trace_id_ts"):
        found.command(f"ALTER TABLE {table} REMOVE TTL")
    yield found
    found.close()


@pytest.fixture(params=["native", "portable"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each of the decoders in turn."""
    if request.param == "native" and not compiled.AVAILABLE:
        pytest.skip("the compiled decoder is not installed")
    monkeypatch.setenv("SPANRUNS_DECODER", request.param)
    decode._decoder.cache_clear()
    yield request.param
    decode._decoder.cache_clear()


def fill(spool: Spool, *requests: bytes, signal: Signal = "traces") -> None:
    """Make requests durable."""
    for future in [spool.append(signal, r, count(signal, r), spool.digest(signal, r)) for r in requests]:
        future.result(10)


def write(spool: Spool, store: Any, *, facts: bool) -> None:
    """Store all that is in the spool."""
    writer = Writer(spool, store, Metrics(), NOW, facts=facts)
    writer.start()
    assert writer.wait_until_stored(30)
    assert writer.stop(5)


def taken(store: EmbeddedStore) -> list[list[dict[str, Any]]]:
    """The rows of all tables, which are empty afterwards."""
    found = []
    for table in TABLES:
        columns = ", ".join(NAMES) if table == "span_facts" else "*"
        text = store.query(f"SELECT {columns} FROM {table} ORDER BY ALL", format="JSONEachRow")
        found.append([json.loads(line) for line in text.decode(errors="surrogateescape").split("\n") if line])
        store.command(f"TRUNCATE TABLE {table}")
    return found


def tables(inserts: Sequence[Insert]) -> set[str]:
    """Where was inserted."""
    return {insert.table for insert in inserts}


def test_rows_are_the_same(tmp_path: Path, store: EmbeddedStore, decoder: str) -> None:
    """Whoever makes the facts, the store's views or the writer, raw rows and facts are the same, each once."""
    odd = OddRequests(Random(1))
    spans, records = odd.spans(30), odd.records(30)
    found = []
    for facts in (False, True):
        spool = Spool(tmp_path / str(facts), SpoolLimits(2**30, 0))
        fill(spool, spans)
        fill(spool, records, signal="logs")
        write(spool, store, facts=facts)
        spool.close()
        found.append(taken(store))
    by_store, by_writer = found
    assert [len(rows) for rows in by_store][:2] == [30, 30]
    assert len(by_store[2]) > 30
    assert by_writer == by_store


def test_batch_brings_its_facts(open_spool: SpoolMaker, decoder: str) -> None:
    """The views, where there are some, are told to leave its raw rows alone; metrics have no facts."""
    spool = open_spool()
    for signal, request in REQUESTS.items():
        fill(spool, request(1, 2), signal=signal)
    store = KeepingStore()
    write(spool, store, facts=True)
    assert tables(store.attempts) == {
        "otel_traces",
        "otel_logs",
        "otel_metrics_gauge",
        "otel_metrics_sum",
        "span_facts",
    }
    told = tables([insert for insert in store.attempts if ("log_comment", FACTS_WRITTEN) in insert.settings])
    assert told == {"otel_traces", "otel_logs", "span_facts"}
    assert len({insert.token for insert in store.attempts}) == len(store.attempts)


def test_shared_store_maps_what_is_in_its_raw_tables(open_spool: SpoolMaker) -> None:
    """By default nothing is inserted beside the raw rows."""
    spool = open_spool()
    fill(spool, traces(1, 2, 3))
    store = KeepingStore()
    write(spool, store, facts=False)
    assert tables(store.attempts) == {"otel_traces"}


def test_replay_goes_the_way_that_was_planned(open_spool: SpoolMaker) -> None:
    """What is planned with facts is stored with them, under the same tokens, whatever the store is now."""
    spool = open_spool()
    fill(spool, traces(1, 2, 3))
    before = KeepingStore()
    write(spool, before, facts=True)
    plan = spool.plan_file
    plan.save(Plan(2, (Batch("traces", 1, 1, facts=True),)))
    assert read_plan(spool.directory / "plan").batches == (Batch("traces", 1, 1, facts=True),)
    again = KeepingStore()
    write(spool, again, facts=False)
    assert [(i.table, i.token) for i in again.attempts] == [(i.table, i.token) for i in before.attempts]


@pytest.mark.parametrize(
    ("planned", "stored"),
    [
        (Batch("traces", 1, 1), ["otel_traces", "span_facts"]),
        (Batch("traces", 1, 1, table="otel_traces"), ["otel_traces"]),
    ],
)
def test_plan_of_a_time_when_the_store_mapped(open_spool: SpoolMaker, planned: Batch, stored: list[str]) -> None:
    """Nothing maps those rows any more, so the writer does."""
    spool = open_spool()
    fill(spool, traces(1, 2, 3))
    fill(spool, logs_request([record("started", 4, at_ms=1)]), signal="logs")
    spool.plan_file.save(Plan(3, (planned,)))
    store = KeepingStore()
    write(spool, store, facts=True)
    assert [insert.table for insert in store.attempts] == stored


def test_parts_of_a_batch_go_its_way(open_spool: SpoolMaker) -> None:
    """Only what was refused is inserted again, in halves; their facts are there."""
    spool = open_spool()
    fill(spool, traces(1, 2), traces(3, 4))
    store = KeepingStore()

    def refuse(insert: Insert) -> None:
        if insert.table == "otel_traces" and len(insert.names) > 2:
            raise StoreRejected("Code: 6. DB::Exception: bad value", 6)

    store.fail = refuse
    write(spool, store, facts=True)
    assert sorted((insert.table, len(insert.names)) for insert in store.taken.values()) == [
        ("otel_traces", 2),
        ("otel_traces", 2),
        ("span_facts", 4),
    ]
