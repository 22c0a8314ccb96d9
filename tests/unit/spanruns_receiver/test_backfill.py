"""Backfill on a real store: what it leaves is what a fresh receive of the same data leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from spanruns_receiver.backfill import Progress, Slice, backfill, slices
from spanruns_schema.dialects.dialect import BASE, load
from spanruns_schema.dialects.mapping import mapping_views
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import ConfigError
from spanruns_schema.store import rows

from tests.support.resolving import Bench, request
from tests.support.spans import START_NS, content, logs_request, record, span, spans_request, trace_id

CAPTURES = ("langgraph_openinference", "logfire_pending", "synthetic_claude_code")
START = datetime.fromtimestamp(START_NS / 1e9, UTC)
SOON = START + timedelta(minutes=10)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
RUN = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "boss"}


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A store that all tests of the module use."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield Bench(store, shared=True)
    store.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The module's store, empty, with this version's mapping."""
    shared_bench.clear()
    shared_bench.store.command("DROP TABLE IF EXISTS schema_backfills SYNC")
    _map(shared_bench)
    return shared_bench


def _map(bench: Bench, *names: str) -> None:
    """Let the store's views know these dialects only, all by default."""
    dialects = [dialect for dialect in load() if not names or dialect.name in names]
    for name, text in mapping_views(dialects).items():
        query = text.partition(" AS\n")[2]
        bench.store.command(f"ALTER TABLE {name} MODIFY QUERY {query}")


def _payloads() -> list[tuple[bytes, Any]]:
    """Captures of frameworks, and runs of our own of which one has only begun."""
    records = [
        record("started", 1, RUN, at_ms=1),
        record("heartbeat", 1, {"spanruns.run.spans": [f"{trace_id(1)}-{1:016x}"]}, at_ms=5_000),
        record("queued", 3, RUN, at_ms=2, trace=2),
    ]
    held = [content("gen_ai.user.message", 1, {"content": text}, at_ms=at) for text, at in (("hi", 3), ("you", 4))]
    own = spans_request([span(1, "invoke_agent boss", RUN), span(2, "execute_tool x", {"gen_ai.tool.name": "x"})])
    return [
        *((request(name), "traces") for name in CAPTURES),
        (own, "traces"),
        (logs_request([*records, *held, content("app.event", 1, "not this", at_ms=5)]), "logs"),
    ]


def _receive(bench: Bench) -> None:
    for payload, signal in _payloads():
        bench.receive(payload, signal=signal)


@pytest.fixture(scope="module")
def fresh(shared_bench: Bench) -> dict[str, list[dict[str, Any]]]:
    """What a fresh receive with this version's mapping gives."""
    shared_bench.clear()
    _map(shared_bench)
    _receive(shared_bench)
    shared_bench.resolve()
    return shared_bench.everything()


def _facts(bench: Bench) -> list[dict[str, Any]]:
    order = "trace_id, span_id, event, event_at"
    return rows(bench.store, f"SELECT * EXCEPT (inserted_at) FROM span_facts FINAL ORDER BY {order}")


@pytest.mark.parametrize("slice_records", [100_000, pytest.param(20, marks=pytest.mark.slow)])
def test_it_equals_a_fresh_receive(bench: Bench, fresh: dict[str, list[dict[str, Any]]], slice_records: int) -> None:
    """Rows that were received and resolved under a poorer mapping become what this version makes of them; facts too."""
    _receive(bench)
    facts = _facts(bench)
    bench.clear()
    _map(bench, BASE)
    _receive(bench)
    bench.resolve()
    assert bench.everything() != fresh
    _map(bench)
    done = backfill(bench.store, LONG_AGO, LATER, slice_records=slice_records)
    assert (_facts(bench), bench.everything()) == (facts, fresh)
    assert (done.done, done.total, done.resumed_at) == (len(facts), len(facts), None)


def test_twice_is_once(bench: Bench, fresh: dict[str, list[dict[str, Any]]]) -> None:
    """A finished backfill begins anew and changes nothing."""
    _receive(bench)
    for _ in range(2):
        assert backfill(bench.store, LONG_AGO, LATER).resumed_at is None
    assert bench.everything() == fresh


@pytest.mark.slow
def test_a_mapping_that_comes_back(bench: Bench) -> None:
    """From one mapping to another and back: the last one wins, although its facts were all there before."""
    few = [dialect for dialect in load() if dialect.name == BASE]
    _receive(bench)
    facts = _facts(bench)
    backfill(bench.store, LONG_AGO, LATER, dialects=few)
    assert _facts(bench) != facts
    backfill(bench.store, LONG_AGO, LATER)
    assert _facts(bench) == facts


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(bench: Bench, fresh: dict[str, list[dict[str, Any]]]) -> None:
    """After a stop only what is left is done; with `restart` everything."""
    _map(bench, BASE)
    _receive(bench)
    bench.resolve()
    _map(bench)
    told: list[Progress] = []

    def stop_after_two(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(bench.store, LONG_AGO, LATER, slice_records=20, on_progress=stop_after_two)
    reached = told[-1]
    assert 0 < reached.done < reached.total
    told.clear()
    done = backfill(bench.store, LONG_AGO, LATER, slice_records=20, on_progress=told.append)
    assert told[0] == Progress(reached.done, reached.total, reached.until, reached.until)
    assert done == Progress(reached.total, reached.total, LATER, reached.until)
    assert bench.everything() == fresh


@pytest.mark.slow
def test_restart_begins_anew(bench: Bench) -> None:
    """What an earlier one has done is done again, also when the mapping is another one."""
    _receive(bench)

    def stop(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(bench.store, LONG_AGO, LATER, slice_records=20, on_progress=stop)
    few = [dialect for dialect in load() if dialect.name == BASE]
    assert backfill(bench.store, LONG_AGO, LATER, dialects=few).resumed_at is None
    assert backfill(bench.store, LONG_AGO, LATER, restart=True).resumed_at is None


def test_what_arrives_meanwhile_is_there_once(bench: Bench, fresh: dict[str, list[dict[str, Any]]]) -> None:
    """Requests that come in while slices are rebuilt are stored and resolved like all others."""
    payloads = _payloads()
    half = len(payloads) // 2
    for payload, signal in payloads[:half]:
        bench.receive(payload, signal=signal)
    begun = threading.Event()

    def receive_the_rest() -> None:
        begun.wait(60)
        for payload, signal in payloads[half:]:
            bench.receive(payload, signal=signal)

    thread = threading.Thread(target=receive_the_rest)
    thread.start()
    backfill(bench.store, LONG_AGO, LATER, slice_records=20, on_progress=lambda _: begun.set())
    thread.join(60)
    bench.resolve()
    assert bench.everything() == fresh


@pytest.mark.slow
def test_spans_from_before_the_schema(bench: Bench, fresh: dict[str, list[dict[str, Any]]]) -> None:
    """Raw rows that were there before our views have neither facts nor trace times: both are made."""
    _receive(bench)
    bench.store.command("TRUNCATE TABLE span_facts")
    bench.store.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    backfill(bench.store, LONG_AGO, LATER)
    assert bench.everything() == fresh


def _insert_fact(bench: Bench, trace: int, span_id: str, event: str, dialect: str) -> None:
    """A fact of another mapping, made from a row of 1 ms after the start."""
    at = "fromUnixTimestamp64Milli({ms:Int64}, 'UTC')"
    bench.store.command(
        "INSERT INTO span_facts (trace_id, span_id, event, event_at, started_at, dialect, role, name, service_name) "
        f"SELECT {{trace:String}}, {{span:String}}, {{event:String}}, {at if event else 0}, {at}, {{dialect:String}}, "
        "'run', 'ghost', 'shop'",
        {
            "trace": trace_id(trace),
            "span": span_id,
            "event": event,
            "dialect": dialect,
            "ms": START_NS // 10**6 + 1,
        },
    )


def test_facts_that_the_mapping_no_longer_gives(bench: Bench) -> None:
    """Facts made from rows that are there go, with their runs; facts that outlived their raw row stay."""
    bench.receive(spans_request([span(1, "invoke_agent boss", RUN)]))
    bench.receive(logs_request([record("started", 1, RUN, at_ms=1)]), signal="logs")
    facts = _facts(bench)
    _insert_fact(bench, 1, "stale span", "", "logfire")
    _insert_fact(bench, 1, "stale event", "waiting", "spanruns")
    _insert_fact(bench, 9, "raw row is gone", "", "logfire")
    bench.resolve()
    assert sorted(run["agent_name"] for run in bench.rows("runs")) == ["boss", "ghost", "ghost"]
    backfill(bench.store, START - timedelta(hours=1), SOON)
    assert [fact["span_id"] for fact in _facts(bench) if fact not in facts] == ["raw row is gone"]
    assert [run["agent_name"] for run in bench.rows("runs")] == ["boss"]


def test_contents_are_made_again(bench: Bench) -> None:
    """From records that came before anything read them; and what they no longer hold is gone."""
    bench.receive(spans_request([span(1, "invoke_agent boss", RUN)]))
    bench.receive(logs_request([content("gen_ai.user.message", 1, {"content": "hi"}, at_ms=1)]), signal="logs")
    bench.resolve()
    fresh, facts = bench.everything(), _facts(bench)
    assert fresh["runs"][0]["input"] == '[{"role":"user","content":"hi"}]'
    bench.store.command("TRUNCATE TABLE span_facts")
    _insert_fact(bench, 1, "stale record", "content", BASE)
    _insert_fact(bench, 9, "raw record is gone", "content", BASE)
    done = backfill(bench.store, START - timedelta(hours=1), SOON)
    assert [fact for fact in _facts(bench) if fact["span_id"] != "raw record is gone"] == facts
    assert (bench.everything(), done.total) == (fresh, 2)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (SOON, START, "--from 2025-10-09 09:03:20 UTC is not before --to 2025-10-09 08:53:20 UTC"),
        (LATER, LATER + timedelta(days=1), "--from 2100-01-01 00:00:00 UTC is in the future"),
        (
            SOON,
            SOON + timedelta(days=1),
            "nothing to rebuild between 2025-10-09 09:03:20 UTC and 2025-10-10 09:03:20 UTC: "
            "the store's spans go from 2025-10-09 08:53:20 UTC to 2025-10-09 08:53:20 UTC",
        ),
    ],
)
def test_a_range_that_cannot_be_meant(bench: Bench, start: datetime, end: datetime, message: str) -> None:
    """The error says what is wrong with the range."""
    bench.receive(spans_request([span(1, "invoke_agent boss", RUN)]))
    with pytest.raises(ConfigError) as error:
        backfill(bench.store, start, end)
    assert str(error.value) == message


def test_an_empty_store(bench: Bench) -> None:
    """Without any span there is nothing to rebuild."""
    with pytest.raises(ConfigError, match="there are no spans"):
        backfill(bench.store, LONG_AGO, SOON)


def test_slices_adapt(bench: Bench) -> None:
    """Crowded hours are cut to minutes and seconds, quiet ones are whole; each record lies in exactly one slice."""
    minute, hour = 60_000, 3_600_000
    starts = [*range(0, 2 * minute, 10_000), 5 * hour, 5 * hour + 1, 9 * hour]
    bench.receive(spans_request([span(n, "x", {}, start_ms=ms, end_ms=ms + 1) for n, ms in enumerate(starts, start=1)]))
    found = list(slices(bench.store, START, START + timedelta(days=1), 7))
    assert [piece.records for piece in found] == [4, 6, 2, 2, 1]
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert found[0] == Slice(START, START.replace(minute=54, second=0), 4)
    assert found[-2].end - found[-2].start == timedelta(hours=1)
