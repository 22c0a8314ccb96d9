"""Facts that are kept: what is computed from a block in memory is what the store computes from its rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from spanruns_receiver.decode import decode
from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.arrivals import NEVER_S
from spanruns_receiver.resolver.columns import FACT
from spanruns_receiver.resolver.facts import Batch, StoredFacts
from spanruns_receiver.resolver.recent import Recent, can_keep
from spanruns_receiver.resolver.table import Labels, Lists, Texts, unpacked
from spanruns_schema.resolving import FACT_COLUMNS, sql
from spanruns_schema.store import rows

from tests.support.resolving import FIXTURES, Bench
from tests.support.spans import content, logs_request, record, span, spans_request, trace_id

pytestmark = pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")


def captures() -> list[bytes]:
    """Every captured trace request."""
    return [path.read_bytes() for path in sorted((FIXTURES / "otlp").glob("*.pb"))]


def captured_records() -> list[bytes]:
    """Every captured request of log records."""
    return [path.read_bytes() for path in sorted((FIXTURES / "logs").glob("*.pb"))]


def batch_of(bench: Bench) -> Batch:
    """All that is stored."""
    (found,) = rows(
        bench.store,
        "SELECT groupUniqArray(trace_id) AS traces, min(started_at) AS a, max(started_at) AS b FROM span_facts",
    )
    times = [np.datetime64(found[name].replace(" ", "T")).astype("datetime64[us]").item() for name in "ab"]
    return Batch(found["traces"], times[0], times[1].replace(year=times[1].year + 1))


def test_kept_facts_are_those_of_the_store(bench: Bench) -> None:
    """Every column, of spans and events of every capture: what the tree is decided on, and what becomes words."""
    recent = Recent(2**40)
    events = [
        record(event, n, {"spanruns.run.kind": "job"}, at_ms=n)
        for n, event in enumerate(("queued", "started", "heartbeat"), 1)
    ]
    for signal, payload in (("traces", captures()), ("logs", [logs_request(events), *captured_records()])):
        bench.receive(*payload, signal=signal)  # type: ignore[arg-type]
        recent.add(decode(signal, payload, facts=True).blocks["span_facts"].native)  # type: ignore[arg-type]
    batch = batch_of(bench)
    kept, stored = recent.kept().facts(batch.traces, 0), StoredFacts(bench.store, batch)
    ours, theirs = kept.narrow(), stored.narrow()
    assert len(ours) == len(theirs) > 1500
    names = [name for name in FACT.names or () if name != "inserted_us"]
    every = np.unique(ours["span_key"])
    assert _sorted([ours[name].tolist() for name in names]) == _sorted([theirs[name].tolist() for name in names])
    columns = [name.strip() for name in FACT_COLUMNS.split(",")]
    told = [[_values(facts.told(every)[name]) for name in columns] for facts in (kept, stored)]
    assert _sorted(told[0]) == _sorted(told[1])
    keys = np.unique(ours["model_key"])[1:].tolist()
    assert sorted(kept.models(keys)) == sorted(stored.models(keys))
    some = np.unique(ours["trace_key"])[::2]
    assert sorted(kept.traces(some)) == sorted(stored.traces(some))
    assert len(set(kept.traces(some))) == len(some)


def test_touched_traces_are_those_that_the_store_finds(bench: Bench) -> None:
    """The same traces, as urgent, with the same times, as `touched.sql` says."""
    alone = logs_request([content("gen_ai.choice", 1, "hi", at_ms=1, trace=77)])
    ours = []
    for signal, payloads in (("traces", captures()), ("logs", [*captured_records(), alone])):
        bench.receive(*payloads, signal=signal)  # type: ignore[arg-type]
        recent = Recent(2**40)
        recent.add(decode(signal, payloads, facts=True).blocks["span_facts"].native)  # type: ignore[arg-type]
        ours += [tuple(touched)[:-1] for touched in recent.touched()]
    inserts = rows(bench.store, "SELECT toUnixTimestamp64Micro(inserted_at) AS at FROM span_facts GROUP BY at")
    found = []
    for row in inserts:
        parameters = {"from": "2000-01-01", "to": "2200-01-01", "inserts": [row["at"]]}
        found += rows(bench.store, sql("touched"), parameters)
    theirs = [(row["trace_id"], bool(row["urgent"]), int(row["start_s"]), int(row["end_s"])) for row in found]
    assert sorted(ours) == sorted(theirs)
    assert [touched[1:3] for touched in ours if touched[0] == trace_id(77)] == [(False, NEVER_S)]


def test_the_oldest_blocks_make_way() -> None:
    """What is kept is bounded; the newest block always stays, and the numbers of blocks go on."""
    recent = Recent(kept_bytes=1)
    for number in range(3):
        block = decode("traces", [spans_request([span(1, "invoke_agent a", {}, trace=number + 1)])], facts=True)
        recent.add(block.blocks["span_facts"].native)
        assert [(touched.trace_id, touched.block) for touched in recent.touched()] == [(trace_id(number + 1), number)]
        assert (recent.kept().first, len(recent.kept().blocks)) == (number, 1)
    assert len(recent.kept().facts([trace_id(3)], 2).narrow()) == 1
    assert recent.touched() == []


def _sorted(columns: list[list[Any]]) -> list[tuple[str, ...]]:
    """Rows in an order that is the same for the same rows; NaN is equal to itself."""
    return sorted(zip(*([repr(value) for value in column] for column in columns), strict=True))


def _values(column: Any) -> list[Any]:
    if isinstance(column, Texts | Labels):
        return [unpacked(text) for text in column.packed(range(len(column)))]
    if isinstance(column, Lists):
        flat, bounds = _values(column.texts), [0, *column.offsets.tolist()]
        return [flat[first:last] for first, last in itertools.pairwise(bounds)]
    found: list[Any] = column.tolist()
    return found


def test_blocks_are_read_as_the_engine_writes_them(bench: Bench) -> None:
    """A block of facts that went through the store and back is the same table."""
    payload = spans_request(
        [span(1, "invoke_agent a", {"gen_ai.operation.name": "invoke_agent", "spanruns.run.tags": ["x", "y"]})]
    )
    block = decode("traces", [payload], facts=True).blocks["span_facts"]
    bench.receive(payload)
    names = ", ".join(block.columns)
    back = native.read(bench.store.query(f"SELECT {names} FROM span_facts"))
    written = native.read(block.native)
    assert {name: _values(back[name]) for name in block.columns} == {
        name: _values(written[name]) for name in block.columns
    }
