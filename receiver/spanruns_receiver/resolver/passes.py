"""One pass of the resolver: given traces are read, decided and written anew."""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import numpy as np
from spanruns_schema.errors import StoreError, StoreRejected
from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Settings, Store, rows

from spanruns_receiver.pricing import PriceBook
from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.calls import call_rows, model_calls, tool_calls
from spanruns_receiver.resolver.columns import Columns, Role
from spanruns_receiver.resolver.contents import with_contents
from spanruns_receiver.resolver.errors import ErrorBook
from spanruns_receiver.resolver.facts import QUICK, Batch, Facts, StoredFacts, literal_keys, may_be_shared
from spanruns_receiver.resolver.native import Block
from spanruns_receiver.resolver.recent import RecentFacts
from spanruns_receiver.resolver.summary import Resolved, resolve
from spanruns_receiver.resolver.usage import Prices
from spanruns_receiver.resolver.words import Words

_log = logging.getLogger(__name__)

BATCH_TRACES = 4_000
"""Traces that are read together."""

RECENT_TRACES = 1_000
"""Traces that are resolved together where nothing has to be read: what is computed with them takes twice the memory of their facts."""

BATCH_SPAN_S = 3_600
"""A batch holds traces that began within this time of each other, so that it reads one narrow range of facts."""

BATCH_CONTENT_BYTES = 64 << 20
"""A batch whose facts have more text than this is halved, so that memory stays bounded."""

INSERT_BYTES = 16 << 20
"""So much is inserted at once, or all that a pass has."""

Ranges = Mapping[str, tuple[int, int]]
NO_RANGES: Ranges = {}

QUICK_INSERT: Settings = {
    # Both are work that merges do again: a key comes twice in an insert only where a batch was resolved again in halves, the second time with
    # a newer version; and indexes matter where there is much.
    "optimize_on_insert": 0,
    "materialize_skip_indexes_on_insert": 0,
    # Clocks are wrong, and calls of one trace may be of any number of days.
    "max_partitions_per_insert_block": 0,
}


@dataclass
class Passed:
    """What a pass did: facts read, the traces in which a span still waits for its parent, and those that it could do nothing with."""

    facts: int = 0
    unsettled: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __add__(self, other: Passed) -> Passed:
        return Passed(self.facts + other.facts, self.unsettled + other.unsettled, self.failed + other.failed)


class Books:
    """What a resolver knows of a store beside its facts: prices of models, and classes of errors."""

    def __init__(self, store: Store) -> None:
        self.prices = PriceBook(store)
        self.errors = ErrorBook(store)


def resolve_traces(
    store: Store,
    books: Books,
    traces: Sequence[str],
    *,
    known: Collection[str] = (),
    old_until: datetime | None = None,
    fed_since: datetime | None = None,
    ranges: Ranges = NO_RANGES,
    recent: Callable[[Sequence[str]], RecentFacts] | None = None,
) -> Passed:
    """Resolve `traces`, in batches.

    Rows from an earlier pass are looked up and replaced in traces that are `known` or began until `old_until` (all by default).
    `ranges` has first and last start of facts (unix seconds) of traces for which they are known; the others are looked up.
    In traces that got facts after `fed_since` a span whose parent is missing waits for it; without, it is taken for a root.
    `recent` gives the facts of traces that need not be read.
    A trace that nobody foresaw, or whose rows the store does not take, is left out, and logged: one must not keep all others from being
    resolved.
    """
    resolving = _Pass(store, books, fed_since, recent)
    size = BATCH_TRACES if recent is None else RECENT_TRACES
    for batch in batches(store, traces, known, old_until, ranges, size):
        resolving.resolve(batch)
    for batch in batches(store, resolving.to_read(), known, old_until, ranges):
        resolving.resolve(batch)
    resolving.finish()
    return resolving.passed


def batches(
    store: Store,
    traces: Sequence[str],
    known: Collection[str] = (),
    old_until: datetime | None = None,
    ranges: Ranges = NO_RANGES,
    size: int = BATCH_TRACES,
) -> Iterator[Batch]:
    """Group traces by when they began, at most `size` together; other arguments as in `resolve_traces`."""
    until_s = old_until.timestamp() if old_until else float("inf")
    found = [(ranges[name][0], name, ranges[name][1]) for name in traces if name in ranges]
    unknown = [name for name in traces if name not in ranges]
    for place in range(0, len(unknown), BATCH_TRACES):
        told = native.read(store.query(sql("ranges"), {"traces": unknown[place : place + BATCH_TRACES]}))
        if told:
            found += zip(told["start_s"].tolist(), told["trace_id"].strings(), told["end_s"].tolist(), strict=True)
    found.sort()
    at = 0
    while at < len(found):
        first_s = found[at][0]
        end = bisect_right(found, first_s + BATCH_SPAN_S, at, min(at + size, len(found)), key=itemgetter(0))
        starts, names, ends = zip(*found[at:end], strict=True)
        old = {name for start_s, name in zip(starts, names, strict=True) if start_s <= until_s or name in known}
        # One second more: the range's bounds are whole seconds.
        until = datetime.fromtimestamp(max(ends), UTC) + timedelta(seconds=1)
        yield Batch([*names], datetime.fromtimestamp(first_s, UTC), until, frozenset(old))
        at = end


class _Pass:
    def __init__(
        self,
        store: Store,
        books: Books,
        fed_since: datetime | None,
        recent: Callable[[Sequence[str]], RecentFacts] | None,
    ) -> None:
        self._store = store
        self._books = books
        self._recent = recent
        self._aside: set[str] = set()
        self._rows = _Rows(store)
        self._fed_since_us = int(fed_since.timestamp() * 1e6) if fed_since else None
        self.passed = Passed()

    def resolve(self, batch: Batch) -> None:
        """Resolve traces, whatever is wrong with some of them."""
        self._rows.begin(batch)
        try:
            self._resolve(batch)
        except _Refused:
            self._resolve_apart()

    def to_read(self) -> list[str]:
        """The traces that were to be at hand, and have to be read all the same: together, as each statement costs much.

        From here on all are read.
        """
        self._recent = None
        return sorted(self._aside)

    def finish(self) -> None:
        """Write what is not written yet."""
        try:
            self._rows.insert()
        except _Refused:
            self._resolve_apart()

    def _resolve_apart(self) -> None:
        """Resolve once more what is not written, each batch with inserts of its own: rows of one of them were refused."""
        for batch in self._rows.give_up():
            self._resolve_alone(batch)

    def _resolve_alone(self, batch: Batch) -> None:
        try:
            self._resolve(batch)
            self._rows.insert()
        except _Refused as error:
            self._rows.give_up()
            self._leave_out_one(batch, self._resolve_alone, error)

    def _resolve(self, batch: Batch) -> None:
        try:
            if self._recent is not None:
                self.resolve_recent(batch, self._recent(batch.traces))
            else:
                self.resolve_stored(batch)
        except (StoreError, _Refused):
            raise
        except Exception as error:
            self._leave_out_one(batch, self._resolve, error)

    def _leave_out_one(self, batch: Batch, resolve: Callable[[Batch], None], error: Exception) -> None:
        """Halve a batch down to the trace that is at fault."""
        if len(batch.traces) == 1:
            _log.error("trace %s cannot be resolved", batch.traces[0], exc_info=error)
            self.passed.failed += batch.traces
            return
        for half in _halves(batch):
            resolve(half)

    def resolve_recent(self, batch: Batch, facts: RecentFacts) -> None:
        """Resolve traces whose facts are all at hand, and put those aside of which only the store knows all: also of spans that came twice
        the newer record."""
        if not batch.traces:
            return
        if elsewhere := facts.shared():
            self._resolve_others(batch, facts, elsewhere)
            return
        narrow = facts.narrow()
        resolved = self._decide(facts, narrow)
        if len(resolved.duplicates):
            self._resolve_others(batch, facts, set(facts.traces(resolved.duplicates)))
            return
        self._write(batch, facts, narrow, resolved)

    def _resolve_others(self, batch: Batch, facts: RecentFacts, aside: set[str]) -> None:
        self._aside |= aside
        self.resolve_recent(_part(batch, set(batch.traces) - aside), facts.without(aside))

    def resolve_stored(self, batch: Batch) -> None:
        """Read the facts of traces and resolve these."""
        facts = StoredFacts(self._store, batch)
        narrow = facts.narrow()
        if len(batch.traces) > 1 and narrow["content_size"].sum(dtype=np.int64) > BATCH_CONTENT_BYTES:
            for half in _halves(batch):
                self.resolve_stored(half)
            return
        if may_be_shared(narrow).any() and (wider := _with_siblings(self._store, batch)):
            batch, facts = wider, StoredFacts(self._store, wider)
            narrow = facts.narrow()
        resolved = self._decide(facts, narrow)
        if len(resolved.duplicates):
            # Of spans that came twice the engine picks the newer, which costs three times as much.
            facts = StoredFacts(self._store, batch, final=True)
            narrow = facts.narrow()
            resolved = self._decide(facts, narrow)
        self._write(batch, facts, narrow, resolved)

    def _decide(self, facts: Facts, narrow: Columns) -> Resolved:
        return resolve(narrow, self._fed_since_us, self._prices(facts, narrow))

    def _prices(self, facts: Facts, narrow: Columns) -> Prices:
        """The prices to count with; models that were never seen before are looked up first."""
        book = self._books.prices
        book.refresh()
        if keys := book.unknown(narrow["model_key"]):
            book.learn(facts.models(keys), keys)
        return book.prices

    def _write(self, batch: Batch, facts: Facts, narrow: Columns, resolved: Resolved) -> None:
        version = time.time_ns() // 1000
        self._add_rows(facts, resolved, version)
        if batch.old:
            self._rows.insert()
            _forget(self._store, batch, resolved, version)
        self.passed.facts += len(narrow)
        if len(resolved.unsettled):
            self.passed.unsettled += facts.traces(resolved.unsettled)

    def _add_rows(self, facts: Facts, resolved: Resolved, version: int) -> None:
        calls, errors = resolved.calls, self._books.errors
        if not len(calls) and not len(resolved.runs):
            return
        is_repeat = calls["span_key"] != calls["call_key"]
        repeats = calls.take(np.flatnonzero(is_repeat))
        table = with_contents(
            facts.told(np.unique(np.concatenate([resolved.members["span_key"], repeats["span_key"]])))
        )
        if not len(table):
            return  # they were deleted meanwhile
        words = Words(table, resolved.runs, resolved.members)
        self._rows.add("runs_data", *words.block(version, errors))
        tools, models = (
            call_rows(table, calls.take(np.flatnonzero(~is_repeat & mine)), repeats, words, version, role=role)
            for role, mine in ((Role.TOOL, calls["is_tool"] == 1), (Role.MODEL, calls["is_tool"] == 0))
        )
        self._rows.add("tool_calls_data", tool_calls(tools, errors), len(tools))
        self._rows.add("model_calls_data", model_calls(models), len(models))


class _Refused(Exception):
    """The store does not take rows for what is in them."""


class _Rows:
    """Rows of runs and calls on their way to the store: an insert costs as much as thousands of rows, so it takes those of several batches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocks: dict[str, tuple[list[str], list[bytes]]] = {}
        self._bytes = 0
        self._batches: list[Batch] = []

    def begin(self, batch: Batch) -> None:
        """What comes next are rows of this batch."""
        self._batches.append(batch)

    def add(self, table: str, columns: Block, count: int) -> None:
        """Take a block, and write everything when there is enough. Raises as `insert`."""
        if count:
            block = native.write(columns, count)
            self._blocks.setdefault(table, ([name for name, _, _ in columns], []))[1].append(block)
            self._bytes += len(block)
            if self._bytes > INSERT_BYTES:
                self.insert()

    def insert(self) -> None:
        """Write what was taken; raises `_Refused` when that is at fault, not the store."""
        for table, (columns, blocks) in self._blocks.items():
            try:
                self._store.insert(table, columns, b"".join(blocks), settings=QUICK_INSERT)
            except StoreRejected as error:
                if self._takes_none(table, columns):
                    raise _Refused from error
                raise
        self._blocks, self._bytes = {}, 0
        del self._batches[:-1]  # of the last one there may be more

    def give_up(self) -> list[Batch]:
        """Forget what is not written; returns the batches that it is of."""
        batches, self._batches = self._batches, []
        self._blocks, self._bytes = {}, 0
        return batches

    def _takes_none(self, table: str, columns: Sequence[str]) -> bool:
        """Whether the store can do such an insert: of no rows."""
        names = ", ".join(f"`{name}`" for name in columns)
        try:
            self._store.command(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} LIMIT 0", settings=QUICK_INSERT
            )
        except StoreError:
            return False
        return True


def _halves(batch: Batch) -> Iterator[Batch]:
    middle = len(batch.traces) // 2
    for half in (batch.traces[:middle], batch.traces[middle:]):
        yield _part(batch, set(half))


def _part(batch: Batch, traces: Collection[str]) -> Batch:
    return replace(batch, traces=[name for name in batch.traces if name in traces], old=batch.old.intersection(traces))


def _forget(store: Store, batch: Batch, resolved: Resolved, version: int) -> None:
    """Put tombstones on the rows that earlier passes wrote and this one no longer found."""
    parameters: dict[str, Parameter] = {**batch.where, "version": version}
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
                sql(f"forget_{name}"), {**parameters, "marks": literal_keys(gone)}, settings={**QUICK, **QUICK_INSERT}
            )


def _with_siblings(store: Store, batch: Batch) -> Batch | None:
    """The batch with the other traces that its run ids occur in; None where there are none."""
    others = [row["trace_id"] for row in rows(store, sql("siblings"), batch.where)]
    if not others:
        return None
    found = rows(store, sql("ranges"), {"traces": others})
    start = min([batch.start, *(datetime.fromtimestamp(row["start_s"], UTC) for row in found)])
    end = max([batch.end, *(datetime.fromtimestamp(row["end_s"] + 1, UTC) for row in found)])
    return Batch([*batch.traces, *others], start, end, batch.old.union(others))
