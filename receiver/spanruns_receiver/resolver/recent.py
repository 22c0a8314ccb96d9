"""The facts that this process wrote last, still in memory: a trace whose facts are all here is resolved without reading any."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
from spanruns_schema.dialects.rules import CONTENT_LIMIT

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.arrivals import NEVER_S, Touched
from spanruns_receiver.resolver.columns import (
    CALL_TOKENS,
    EVENTS,
    FACT,
    MODEL_DATE,
    ROLES,
    STATUSES,
    Bools,
    Columns,
    Event,
    Ints,
    Keys,
    Role,
    is_any,
)
from spanruns_receiver.resolver.contents import told_spans
from spanruns_receiver.resolver.facts import may_be_shared
from spanruns_receiver.resolver.joins import are_in, places
from spanruns_receiver.resolver.table import Labels, Table, Texts, compiled_module, string, unpacked

KEPT_BYTES = 40 << 20
"""How much memory kept facts may take; at full load those of one or two seconds."""


_DATE = re.compile(MODEL_DATE.encode() + rb"\Z")


def can_keep() -> bool:
    """Whether this process can: only the compiled module has the store's hash."""
    return compiled_module() is not None


class Recent:
    """Blocks of `span_facts` as they were written, numbered from 0, the oldest given up for new ones; any thread may add."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._has_room = threading.Condition(self._lock)
        self._blocks: deque[_Block] = deque()
        self._bytes = 0
        self._count = 0
        self._touched: list[Touched] = []
        self._new_bytes = 0

    def add(self, data: bytes) -> None:
        """Keep a block (`Native`)."""
        block = _Block(data)
        with self._lock:
            self._touched += block.touched(self._count)
            self._blocks.append(block)
            self._bytes += block.size
            self._new_bytes += block.size
            self._count += 1
            while self._bytes > self._kept_bytes and len(self._blocks) > 1:
                self._bytes -= self._blocks.popleft().size

    @property
    def is_full(self) -> bool:
        """Whether much more than is here would push out what nobody has asked for yet: that has half of the place, what a pass is at
        the other half."""
        return self._new_bytes > self._kept_bytes // 2

    def wait_for_room(self, timeout_s: float) -> bool:
        """Whether there is room, now or within `timeout_s`."""
        with self._has_room:
            return self._has_room.wait_for(lambda: not self.is_full, timeout_s)

    def touched(self) -> list[Touched]:
        """The traces of the blocks that were added since the last time."""
        with self._has_room:
            found, self._touched = self._touched, []
            self._new_bytes = 0
            self._has_room.notify_all()
        return found

    def kept(self) -> Kept:
        """What is there now."""
        with self._lock:
            return Kept(list(self._blocks), self._count - len(self._blocks))


@dataclass(frozen=True)
class Kept:
    """Blocks, and the number of the first one."""

    blocks: list[_Block]
    first: int

    def facts(self, traces: Sequence[str], since: int) -> RecentFacts:
        """The facts of traces that are all in the blocks from number `since` on."""
        keys = _keys_of(traces)
        parts = ((block, block.of_traces(keys)) for block in self.blocks[since - self.first :])
        return RecentFacts([(block, mine) for block, mine in parts if len(mine)])


class RecentFacts:
    """Rows of some blocks."""

    def __init__(self, parts: list[tuple[_Block, Ints]]) -> None:
        self._parts = parts

    def narrow(self) -> Columns:
        """See `Facts`."""
        return Columns.joined(*(block.narrow.take(mine) for block, mine in self._parts))

    def told(self, keys: Keys) -> Table:
        """See `Facts`."""
        return Table.joined([block.table.take(mine[block.speaks(mine, keys)]) for block, mine in self._parts])

    def models(self, keys: Collection[int]) -> Iterable[tuple[int, str, str]]:
        """See `Facts`."""
        found: dict[int, tuple[int, str, str]] = {}
        for block, mine in self._parts:
            own, first = np.unique(block.narrow["model_key"][mine], return_index=True)
            wanted = np.isin(own, np.array(list(keys), np.uint64))
            rows = block.table.take(mine[first[wanted]])
            names = zip(own[wanted].tolist(), rows["provider"].spread().strings(), rows["name"].strings(), strict=True)
            found |= {key: (key, provider, model) for key, provider, model in names}
        return found.values()

    def traces(self, keys: Keys) -> Iterable[str]:
        """See `Facts`."""
        found: set[str] = set()
        for block, mine in self._parts:
            own, first = np.unique(block.narrow["trace_key"][mine], return_index=True)
            found.update(block.table.take(mine[first[are_in(own, keys)]])["trace_id"].strings())
        return found

    def without(self, traces: Collection[str]) -> RecentFacts:
        """The same without these traces."""
        keys = _keys_of(traces)
        return RecentFacts(
            [(block, mine[~are_in(block.narrow["trace_key"][mine], keys)]) for block, mine in self._parts]
        )

    def shared(self) -> set[str]:
        """The traces with runs that other traces may have too, and those with contents of a span that is not here."""
        found: set[str] = set()
        for block, mine in self._parts:
            found.update(block.table.take(mine[block.shared[mine]])["trace_id"].strings())
        return found | self._awaiting()

    def _awaiting(self) -> set[str]:
        found: set[str] = set()
        for block, mine in self._parts:
            contents = mine[block.is_content[mine]] if block.has_contents else mine[:0]
            if len(contents):
                known = are_in(block.narrow["parent_key"][contents], self._span_keys)
                found.update(block.table.take(contents[~known])["trace_id"].strings())
        return found

    @cached_property
    def _span_keys(self) -> Keys:
        return np.concatenate([block.narrow["span_key"][mine] for block, mine in self._parts])


class _Block:
    def __init__(self, data: bytes) -> None:
        self.size = 2 * len(data)  # about as much again are the arrays
        written = native.read(data)
        self.narrow = _narrow(written, time.time_ns() // 1000)
        self.shared = may_be_shared(self.narrow)
        self.is_content: Bools = self.narrow["event"] == Event.CONTENT
        self.has_contents = bool(self.is_content.any())
        self.table = written.with_column("span_key", told_spans(self.narrow))

    def of_traces(self, keys: Keys) -> Ints:
        """The rows of these traces."""
        rows: Ints = np.flatnonzero(are_in(self.narrow["trace_key"], keys))
        return rows

    def speaks(self, rows: Ints, keys: Keys) -> Bools:
        """Which of the rows become words."""
        role = self.narrow["role"][rows]
        which: Bools = (role == Role.TOOL) | (role == Role.MODEL) | are_in(self.narrow["span_key"][rows], keys)
        return which | self.is_content[rows] if self.has_contents else which

    def touched(self, number: int) -> Iterable[Touched]:
        """As touched.sql."""
        facts = self.narrow
        runs = is_any(facts["role"], Role.RUN, Role.AGENT, Role.WORKFLOW) | (facts["parent_key"] == 0)
        urgent = np.where(facts["event"] == Event.NONE, runs, (facts["event"] != Event.HEARTBEAT) & ~self.is_content)
        of_trace = places(facts["trace_key"], facts["trace_key"])  # the first row of the trace of each
        start, end = facts["started_us"].copy(), facts["started_us"].copy()
        np.minimum.at(start, of_trace, facts["started_us"])
        np.maximum.at(end, of_trace, facts["started_us"])
        if self.has_contents:
            start[np.bincount(of_trace, ~self.is_content, len(facts)) == 0] = NEVER_S * 1_000_000
        is_urgent = np.bincount(of_trace, urgent, len(facts)) > 0
        first = np.flatnonzero(of_trace == np.arange(len(facts)))
        names = self.table["trace_id"].take(first).strings()
        seconds = ((times[first] // 1_000_000).tolist() for times in (start, end))
        return map(Touched, names, is_urgent[first].tolist(), *seconds, repeat(number))


def _narrow(table: Table, now_us: int) -> Columns:
    """What the store computes with `FACT_SQL`."""
    trace_id, span_id, parent, run_id = (table[name] for name in ("trace_id", "span_id", "parent_span_id", "run_id"))
    trace_key = trace_id.keys()
    role = table["role"].among(ROLES)
    given, name = table["parent_run_id"], table["name"]
    answer, asked, message = table["response_id"], table["tool_call_id"], table["error_message"]
    same = np.where(answer.is_empty, np.where(asked.is_empty, 0, asked.keys()), answer.keys())
    columns = {
        "trace_key": trace_key,
        "span_key": _combined(trace_key, span_id.keys()),
        "parent_key": np.where(parent.is_empty, 0, _combined(trace_key, parent.keys())),
        "run_key": np.where(run_id.is_empty, trace_id.paired(span_id).keys(), run_id.keys()),
        "given_parent_key": np.where(given.is_empty, 0, given.keys()),
        "name_key": np.where(name.is_empty, 0, _name_keys(name, role == Role.MODEL)),
        "same_key": np.where(same == 0, 0, _combined(trace_key, same)),
        "scope_key": _keys(table["scope"]),
        "model_key": np.where(role == Role.MODEL, _combined(_keys(table["provider"]), name.keys()), 0),
        "role": role,
        "event": table["event"].among(EVENTS),
        "status": table["status"].among(STATUSES),
        "is_shadow": table["is_shadow"],
        "is_entry": table["is_entry"],
        "has_run_id": ~run_id.is_empty,
        "has_input": table["input_size"] > 0,
        "has_output": table["output_size"] > 0,
        "said_size": np.where(message.is_empty, table["output_size"], message.sizes),
        "content_size": np.minimum(table["input_size"], CONTENT_LIMIT)
        + np.minimum(table["output_size"], CONTENT_LIMIT),
        "started_us": table["started_at"],
        "ended_us": table["ended_at"],
        "event_us": table["event_at"],
        "queued_us": table["queued_at"],
        "inserted_us": np.full(len(table), now_us),
        "waiting_ms": table["waiting_ms"],
        "heartbeat_interval_ms": table["heartbeat_interval_ms"],
        **{token: table[token] for token in CALL_TOKENS},
        "cost_usd": table["cost_usd"].filled(np.nan),
    }
    return Columns({name: np.asarray(columns[name], FACT[name]) for name in FACT.names or ()})


def _name_keys(name: Texts, is_model: Bools) -> Keys:
    """The keys of names; of models without the date."""
    keys, models = name.keys(lower=True), np.flatnonzero(is_model)
    _, first, which = np.unique(keys[models], return_index=True, return_inverse=True)
    undated = [string(_DATE.sub(b"", unpacked(text))) for text in name.packed(models[first])]
    named = keys.copy()
    named[models] = Texts.of(undated).keys(lower=True)[which]
    return named


def _combined(first: Keys, second: Keys) -> Keys:
    """`cityHash64` of two values from those of each."""
    factor = np.uint64(0x9DDFEA08EB382D69)
    mixed = (first ^ second) * factor
    mixed ^= mixed >> np.uint64(47)
    mixed = (second ^ mixed) * factor
    mixed ^= mixed >> np.uint64(47)
    result: Keys = mixed * factor
    return result


def _keys_of(texts: Iterable[str]) -> Keys:
    return Texts.of([string(text.encode()) for text in texts]).keys()


def _keys(column: Labels) -> Keys:
    keys: Keys = column.texts.keys()[column.codes]
    return keys
