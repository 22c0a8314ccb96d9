"""One pass of the resolver: given traces are read, decided and written anew."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Settings, Store, rows

from spanruns_receiver.resolver.columns import FACT, FACT_SQL, Role
from spanruns_receiver.resolver.stage import Stage
from spanruns_receiver.resolver.summary import Resolved, resolve

Facts = np.ndarray[tuple[int], np.dtype[np.void]]

BATCH_TRACES = 4_000
BATCH_SPAN_S = 3_600
"""A batch holds traces that began within this time of each other, so that it reads one narrow range of facts."""

QUICK: Settings = {
    "optimize_and_compare_chain": 0,  # analysis that finds nothing in these statements
    "query_plan_join_swap_table": "false",  # the stage is always the smaller side of a join
    "max_threads": 1,  # starting and feeding threads costs more than most passes do
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


def resolve_traces(
    store: Store,
    stage: Stage,
    traces: Sequence[str],
    *,
    known: Collection[str] = (),
    old_until: datetime | None = None,
    fed_since: datetime | None = None,
) -> Passed:
    """Resolve `traces`, in batches.

    Rows from an earlier pass are looked up and replaced in traces that are `known` or began until `old_until` (all by default).
    In traces that got facts after `fed_since` a span whose parent is missing waits for it; without, it is taken for a root.
    """
    passed = Passed()
    for batch in batches(store, traces, known, old_until):
        _resolve(store, stage, batch, fed_since, passed)
    return passed


def batches(
    store: Store, traces: Sequence[str], known: Collection[str] = (), old_until: datetime | None = None
) -> Iterator[Batch]:
    """Group traces by when they began; `old` as in `resolve_traces`."""
    until_s = old_until.timestamp() if old_until else float("inf")
    found = []
    for start in range(0, len(traces), BATCH_TRACES):
        found += rows(store, sql("ranges"), {"traces": list(traces[start : start + BATCH_TRACES])})
    batch: list[str] = []
    old: set[str] = set()
    first = last = 0
    for row in sorted(found, key=lambda row: (row["start_s"], row["trace_id"])):
        if batch and (len(batch) >= BATCH_TRACES or row["start_s"] - first > BATCH_SPAN_S):
            yield _batch(batch, first, last, old)
            batch, old = [], set()
        if not batch:
            first, last = row["start_s"], row["end_s"]
        batch.append(row["trace_id"])
        if row["start_s"] <= until_s or row["trace_id"] in known:
            old.add(row["trace_id"])
        last = max(last, row["end_s"])
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
    if facts["has_run_id"].any():
        batch = _with_siblings(store, batch)
        facts = _facts(store, batch)
    prices = _prices(store, stage, batch, facts)
    resolved = resolve(facts, fed_since_us, prices)
    if resolved.duplicates:  # spans that came twice: the engine picks the newer, which costs three times as much
        facts = _facts(store, batch, final=True)
        resolved = replace(resolve(facts, fed_since_us, prices), duplicates=True)
    parameters: dict[str, Parameter] = {
        **stage.tables,
        **_where(batch),
        "version": time.time_ns() // 1000,
        "enriched": bool((resolved.calls["span_key"] != resolved.calls["call_key"]).any()),
    }
    stage.fill("runs", resolved.runs)
    stage.fill("members", resolved.members)
    stage.fill("calls", resolved.calls)
    try:
        for name in _statements(facts, resolved):
            store.command(sql(name, final=resolved.duplicates), parameters, settings=QUICK)
        if batch.old:
            for name in ("forget_runs", "forget_tool_calls", "forget_model_calls"):
                store.command(sql(name), {**parameters, "traces": sorted(batch.old)}, settings=QUICK)
    finally:
        stage.clear()
    passed.facts += len(facts)
    if len(resolved.unsettled):
        keys = [int(key) for key in resolved.unsettled]
        found = rows(store, sql("traces_of_keys"), {"traces": batch.traces, "keys": keys})
        passed.unsettled += [row["trace_id"] for row in found]


def _prices(store: Store, stage: Stage, batch: Batch, facts: Facts) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The prices to count with; models that were never seen before are looked up first."""
    stage.prices.refresh()
    if keys := stage.prices.unknown(facts["model_key"]):
        found = rows(store, sql("models"), {**_where(batch), "keys": keys})
        stage.prices.learn(((row["model_key"], row["provider"], row["model"]) for row in found), keys)
    return stage.prices.prices


def _statements(facts: Facts, resolved: Resolved) -> list[str]:
    """What has to be written; a statement costs tens of milliseconds even when it has nothing to do."""
    wanted = {
        "rows": len(resolved.runs) > 0,
        "runs": len(resolved.runs) > 0,
        "tool_calls": bool((facts["role"] == Role.TOOL).any()),
        "model_calls": bool((facts["role"] == Role.MODEL).any()),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _facts(store: Store, batch: Batch, *, final: bool = False) -> Facts:
    data = store.query(
        f"SELECT {FACT_SQL} FROM span_facts{' FINAL' if final else ''} WHERE trace_id IN {{traces:Array(String)}} "
        "AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}",
        _where(batch),
        format="RowBinary",
        settings=QUICK,
    )
    return np.frombuffer(data, FACT)


def _with_siblings(store: Store, batch: Batch) -> Batch:
    """The batch with the other traces that its run ids occur in."""
    others = [row["trace_id"] for row in rows(store, sql("siblings"), _where(batch))]
    if not others:
        return batch
    found = rows(store, sql("ranges"), {"traces": others})
    start = min([batch.start, *(datetime.fromtimestamp(row["start_s"], UTC) for row in found)])
    end = max([batch.end, *(datetime.fromtimestamp(row["end_s"] + 1, UTC) for row in found)])
    return Batch([*batch.traces, *others], start, end, batch.old.union(others))


def _where(batch: Batch) -> Mapping[str, Parameter]:
    return {"traces": batch.traces, "from": batch.start, "to": batch.end}
