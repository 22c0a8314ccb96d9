"""One pass of the resolver: given traces are read, decided and written anew."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Settings, Store, Verbatim, literal, rows

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import FACT, FACT_SQL, Columns
from spanruns_receiver.resolver.native import numbers
from spanruns_receiver.resolver.stage import STAGES, Stage
from spanruns_receiver.resolver.summary import Resolved, resolve
from spanruns_receiver.resolver.words import Words

BATCH_TRACES = 4_000
BATCH_SPAN_S = 3_600
"""A batch holds traces that began within this time of each other, so that it reads one narrow range of facts."""

BATCH_CONTENT_BYTES = 128 << 20
"""A batch whose facts have more text than this is halved, so that memory stays bounded."""

Ranges = Mapping[str, tuple[int, int]]
NO_RANGES: Ranges = {}

QUICK: Settings = {
    "optimize_and_compare_chain": 0,  # analysis that finds nothing in these statements
    "query_plan_join_swap_table": "false",  # the stage is always the smaller side of a join
    "max_threads": 1,  # starting and feeding threads costs more than most passes do
}

QUICK_INSERT: Settings = {
    # Both are work that merges do again: no key comes twice in an insert, and indexes matter where there is much.
    "optimize_on_insert": 0,
    "materialize_skip_indexes_on_insert": 0,
}


@dataclass
class Passed:
    """What a pass did: facts read, and the traces in which a span still waits for its parent."""

    facts: int = 0
    unsettled: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Traces that are resolved together, and the range in which all their facts lie."""

    traces: list[str]
    start: datetime
    end: datetime
    old: frozenset[str] = frozenset()  # those that may have rows from an earlier pass

    @cached_property
    def names(self) -> Verbatim:
        """The traces as a bound parameter, which several statements take."""
        return Verbatim(literal(self.traces))


def resolve_traces(
    store: Store,
    stage: Stage,
    traces: Sequence[str],
    *,
    known: Collection[str] = (),
    old_until: datetime | None = None,
    fed_since: datetime | None = None,
    ranges: Ranges = NO_RANGES,
) -> Passed:
    """Resolve `traces`, in batches.

    Rows from an earlier pass are looked up and replaced in traces that are `known` or began until `old_until` (all by default).
    `ranges` has first and last start of facts (unix seconds) of traces for which they are known; the others are looked up.
    In traces that got facts after `fed_since` a span whose parent is missing waits for it; without, it is taken for a root.
    """
    passed = Passed()
    for batch in batches(store, traces, known, old_until, ranges):
        _resolve(store, stage, batch, fed_since, passed)
    return passed


def batches(
    store: Store,
    traces: Sequence[str],
    known: Collection[str] = (),
    old_until: datetime | None = None,
    ranges: Ranges = NO_RANGES,
) -> Iterator[Batch]:
    """Group traces by when they began; arguments as in `resolve_traces`."""
    until_s = old_until.timestamp() if old_until else float("inf")
    found = [(start, name, end) for name, (start, end) in ranges.items()]
    unknown = [name for name in traces if name not in ranges]
    for place in range(0, len(unknown), BATCH_TRACES):
        told = native.read(store.query(sql("ranges"), {"traces": unknown[place : place + BATCH_TRACES]}))
        if told:
            found += zip(told["start_s"].tolist(), told["trace_id"].strings(), told["end_s"].tolist(), strict=True)
    batch: list[str] = []
    old: set[str] = set()
    first = last = 0
    for start_s, name, end_s in sorted(found):
        if batch and (len(batch) >= BATCH_TRACES or start_s - first > BATCH_SPAN_S):
            yield _batch(batch, first, last, old)
            batch, old = [], set()
        if not batch:
            first, last = start_s, end_s
        batch.append(name)
        if start_s <= until_s or name in known:
            old.add(name)
        last = max(last, end_s)
    if batch:
        yield _batch(batch, first, last, old)


def _batch(traces: list[str], first: int, last: int, old: set[str]) -> Batch:
    # One second more: the range's bounds are whole seconds.
    end = datetime.fromtimestamp(last, UTC) + timedelta(seconds=1)
    return Batch(traces, datetime.fromtimestamp(first, UTC), end, frozenset(old))


def _resolve(
    store: Store,
    stage: Stage,
    batch: Batch,
    fed_since: datetime | None,
    passed: Passed,
) -> None:
    fed_since_us = int(fed_since.timestamp() * 1e6) if fed_since else None
    facts = _facts(store, batch)
    if len(batch.traces) > 1 and facts["content_size"].sum(dtype=np.int64) > BATCH_CONTENT_BYTES:
        for half in _halves(batch):
            _resolve(store, stage, half, fed_since, passed)
        return
    if facts["has_run_id"].any():
        batch, facts = _with_siblings(store, batch, facts)
    prices = _prices(store, stage, batch, facts)
    resolved = resolve(facts, fed_since_us, prices)
    if resolved.duplicates:  # spans that came twice: the engine picks the newer, which costs three times as much
        facts = _facts(store, batch, final=True)
        resolved = replace(resolve(facts, fed_since_us, prices), duplicates=True)
    version = time.time_ns() // 1000
    _write(store, stage, batch, resolved, version)
    if batch.old:
        _forget(store, batch, resolved, version)
    passed.facts += len(facts)
    if len(resolved.unsettled):
        keys = [int(key) for key in resolved.unsettled]
        found = rows(store, sql("traces_of_keys"), {"traces": batch.traces, "keys": keys})
        passed.unsettled += [row["trace_id"] for row in found]


def _halves(batch: Batch) -> Iterator[Batch]:
    middle = len(batch.traces) // 2
    for part in (batch.traces[:middle], batch.traces[middle:]):
        yield replace(batch, traces=part, old=batch.old & set(part))


def _write(store: Store, stage: Stage, batch: Batch, resolved: Resolved, version: int) -> None:
    """Write what was decided: runs from here, calls by the engine from their facts."""
    calls = resolved.calls
    if not len(calls) and not len(resolved.runs):
        return
    is_repeat = calls["span_key"] != calls["call_key"]
    speaks = np.unique(np.concatenate([resolved.members["span_key"], calls["span_key"][is_repeat]]))
    parameters: dict[str, Parameter] = {**stage.tables, "version": version, "keys": _numbers(speaks)}
    filled = ["facts"]
    try:
        facts = sql("facts", final=resolved.duplicates)
        store.command(facts, {**parameters, **_where(batch)}, settings=QUICK)
        said = store.query(sql("words"), parameters, settings=QUICK) if len(speaks) else b""
        words = Words(native.read(said), resolved.runs, resolved.members) if said else None
        if words and len(resolved.runs):
            columns, count = words.block(version)
            names = [name for name, _, _ in columns]
            store.insert("runs_data", names, native.write(columns, count), settings=QUICK_INSERT)
        for name, is_mine in (("tool_calls", calls["is_tool"] == 1), ("model_calls", calls["is_tool"] == 0)):
            mine = np.flatnonzero(is_mine & ~is_repeat)
            if len(mine):
                filled.append(name)
                columns_of = _staged(name, calls.take(mine), calls.take(np.flatnonzero(is_repeat)), words)
                stage.fill(name, columns_of, len(mine))
                store.command(sql(name), parameters, settings={**QUICK, **QUICK_INSERT})
    finally:
        stage.clear(*filled)


def _staged(name: str, calls: Columns, repeats: Columns, words: Words | None) -> dict[str, bytes]:
    """The columns of the stage for these calls."""
    columns = {name: numbers(kind, calls[name]) for name, kind in STAGES[name].items() if kind in native.NUMBERS}
    texts = [name for name, kind in STAGES[name].items() if kind == "String"]
    if words is None:
        return columns | dict.fromkeys(texts, bytes(len(calls)))
    columns |= words.of_calls(calls["run_key"])
    if "error_type" in texts:
        told_by = np.zeros(len(calls), np.uint64)
        order = np.argsort(calls["span_key"])
        # Of several repeats that know why, the first by key: it does not depend on their order.
        first = np.lexsort((repeats["span_key"],))[::-1]
        place = order[np.searchsorted(calls["span_key"], repeats["call_key"][first], sorter=order)]
        told_by[place] = repeats["span_key"][first]
        columns |= words.errors_of(calls["span_key"], told_by)
    return columns


def _forget(store: Store, batch: Batch, resolved: Resolved, version: int) -> None:
    """Put tombstones on the rows that earlier passes wrote and this one no longer found."""
    parameters: dict[str, Parameter] = {**_where(batch), "version": version}
    written = native.read(store.query(sql("written"), parameters, settings=QUICK))
    if not written:
        return
    runs, calls = resolved.runs, resolved.calls
    calls = calls.take(np.flatnonzero(calls["span_key"] == calls["call_key"]))
    marks = [
        runs["run_key"] ^ runs["started_us"].view(np.uint64),
        *((calls["span_key"] ^ calls["started_us"].view(np.uint64))[calls["is_tool"] == is_tool] for is_tool in (1, 0)),
    ]
    for table, name in enumerate(("runs", "tool_calls", "model_calls")):
        gone = np.setdiff1d(written["mark"][written["table"] == table], marks[table])
        if len(gone):
            store.command(
                sql(f"forget_{name}"), {**parameters, "marks": _numbers(gone)}, settings={**QUICK, **QUICK_INSERT}
            )


def _prices(store: Store, stage: Stage, batch: Batch, facts: Columns) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The prices to count with; models that were never seen before are looked up first."""
    stage.prices.refresh()
    if keys := stage.prices.unknown(facts["model_key"]):
        found = rows(store, sql("models"), {**_where(batch), "keys": keys})
        stage.prices.learn(((row["model_key"], row["provider"], row["model"]) for row in found), keys)
    return stage.prices.prices


def _facts(store: Store, batch: Batch, *, final: bool = False) -> Columns:
    data = store.query(
        f"SELECT {FACT_SQL} FROM span_facts{' FINAL' if final else ''} WHERE trace_id IN {{traces:Array(String)}} "
        "AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}",
        _where(batch),
        settings=QUICK,
    )
    read = native.read(data)
    return Columns({name: read[f"{name}_"] for name in FACT.names or ()}) if read else Columns.zeros(FACT, 0)


def _with_siblings(store: Store, batch: Batch, facts: Columns) -> tuple[Batch, Columns]:
    """The batch with the other traces that its run ids occur in, and all their facts."""
    others = [row["trace_id"] for row in rows(store, sql("siblings"), _where(batch))]
    if not others:
        return batch, facts
    found = rows(store, sql("ranges"), {"traces": others})
    start = min([batch.start, *(datetime.fromtimestamp(row["start_s"], UTC) for row in found)])
    end = max([batch.end, *(datetime.fromtimestamp(row["end_s"] + 1, UTC) for row in found)])
    batch = Batch([*batch.traces, *others], start, end, batch.old.union(others))
    return batch, _facts(store, batch)


def _numbers(values: NDArray[np.uint64]) -> Verbatim:
    return Verbatim(f"[{','.join(map(str, values.tolist()))}]")


def _where(batch: Batch) -> Mapping[str, Parameter]:
    return {"traces": batch.names, **_range(batch)}


def _range(batch: Batch) -> Mapping[str, Parameter]:
    return {"from": batch.start, "to": batch.end}
