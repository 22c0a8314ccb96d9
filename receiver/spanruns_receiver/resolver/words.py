"""What runs say in words: of the facts that speak for a run, for every column the first that says something. Pure."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spanruns_schema.classes import UNKNOWN

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import EVENTS, TOKENS, Bools, Columns, Ints, Keys, Status, Use, is_any
from spanruns_receiver.resolver.errors import ErrorBook
from spanruns_receiver.resolver.joins import are_in, matches, places
from spanruns_receiver.resolver.native import Block, nullable, numbers
from spanruns_receiver.resolver.table import EMPTY, Labels, Lists, Table, Texts, either, joined, string, unpacked
from spanruns_receiver.resolver.walk import nearest, without_cycles

OWN = ("agent_id", "agent_version", "trigger", "trigger_detail", "parameters")
"""Texts that only a run's own spans (and those folded into it) give."""

SHARED = ("service_name", "environment", "session_id", "user_id")
"""Texts that model calls give where the run's own spans do not."""

INHERITED = ("session_id", "user_id")
"""Texts that runs around give where neither does."""

STATUS = Labels.of([string(status.name.lower().encode()) for status in Status])
KIND = Labels.of([string(kind) for kind in (b"agent", b"workflow", b"job")])
KINDS = {unpacked(kind): code for code, kind in enumerate(KIND.each[:-1])}
CANCELLED, UNKNOWN_CLASS = string(b"cancelled"), string(UNKNOWN.encode())
OTHER = b"_OTHER"
"""What emitters call an error whose type they do not know."""

TIME, LATER = "DateTime64(6, 'UTC')", "Nullable(DateTime64(6, 'UTC'))"


class Words:
    """The facts read for a batch, in the order in which they speak for their runs."""

    def __init__(self, facts: Table, runs: Columns, members: Columns) -> None:
        """`facts` are those that speak for runs, among others; `runs` and `members` what was decided."""
        self.runs, self.count = runs, len(runs)
        facts = self._facts = facts.take(np.flatnonzero(are_in(facts["span_key"], members["span_key"])))
        member, row = matches(members["span_key"], facts["span_key"])
        group = places(members["run_key"][member], runs["run_key"])
        event, rank = facts["event"].among(EVENTS)[row].astype(np.int64), members["rank"][member]
        # A span's own record first, then what its lifecycle events say.
        order = np.lexsort((facts["event_at"][row], event, rank, group))
        self._row, self._group = row[order], group[order]
        self._use, self._is_span = members["use"][member][order], event[order] == 0
        self._own = self._use == Use.ALL
        self.who = self._first(self._own)
        """For every run the fact of its own span; -1 where there is none (any more)."""
        self._ids = self._run_ids()
        named = either(self._text("name", self._own), self._text("name", self._use == Use.NAME))
        names = either(named, self._text("service_name"))
        self._agents = Labels.of(names.packed(range(self.count)))
        self._workspaces: Labels = self._text("workspace")
        given = self._first(self._own & self._says("parent_run_id"))
        self._given_parents: Texts = self._said("parent_run_id", given)
        self._roots = self._named(runs["root_run_key"])
        self._shown = {name: self._content(name, use) for name, use in (("input", Use.INPUT), ("output", Use.OUTPUT))}

    def of_calls(self, run_key: Keys) -> dict[str, Any]:
        """For calls of these runs (0: of none) what they have of their runs: `Texts` and `Labels`."""
        place = self._places(run_key)
        return {
            "run_id": self._ids.take(place),
            "root_run_id": self._roots.take(place),
            "agent_name": self._agents.take(place),
            "workspace": self._workspaces.take(place),
        }

    def block(self, version: int, errors: ErrorBook) -> tuple[Block, int]:
        """The columns of `runs_data`, ready to be written, and the number of rows."""
        kept = np.flatnonzero(self.who >= 0)
        # In the order of the table, which has nothing to sort then.
        kept = kept[np.argsort(self.runs["started_us"][kept], kind="stable")]
        columns = self._identity() | self._text_columns() | self._error(errors) | self._contents() | self._waiting_for()
        ready: Block = [native.words(name, column.take(kept)) for name, column in columns.items()]
        ready += [("tags", "Array(String)", self._tags(kept))]
        ready += [(name, kind, _cut(column, kind, kept)) for name, kind, column in (*self._times(), *self._numbers())]
        constants = (("version", "UInt64", version), ("is_deleted", "UInt8", 0))
        ready += [(name, kind, numbers(kind, np.full(len(kept), value))) for name, kind, value in constants]
        return ready, len(kept)

    def _identity(self) -> dict[str, Texts | Labels]:
        kind = np.where(self.runs["is_workflow"], KINDS[b"workflow"], self._text("run_kind", self._own).among(KINDS))
        return {
            "run_id": self._ids,
            "parent_run_id": self._named(self.runs["parent_run_key"], own=False),
            "root_run_id": self._roots,
            "trace_id": self._said("trace_id", self.who),
            "span_id": self._said("span_id", self.who),
            "kind": Labels(KIND.texts, kind.astype(np.int64)),
            "agent_name": self._agents,
            "workspace": self._workspaces,
            "status": Labels(STATUS.texts, self.runs["status"].astype(np.int64)),
        }

    def _text_columns(self) -> dict[str, Texts | Labels]:
        columns = {name: self._text(name, self._own) for name in OWN} | {name: self._text(name) for name in SHARED}
        return columns | {name: self._inherited(columns[name]) for name in INHERITED}

    def _inherited(self, column: Texts) -> Texts:
        """What a run does not say, as the nearest run around it in its trace says it; others may not be in the batch."""
        lacks = column.is_empty
        parent = np.where(lacks, self._places(self.runs["parent_run_key"]), -1)
        if lacks.all() or (parent < 0).all():
            return column
        parent[(parent >= 0) & (self._trace[parent] != self._trace)] = -1
        giver = nearest(without_cycles(parent), ~lacks)
        return column.take(np.where(giver >= 0, giver, np.arange(self.count)))

    @cached_property
    def _trace(self) -> NDArray[np.bytes_]:
        return np.array(self._said("trace_id", self.who).packed(range(self.count)))

    def _contents(self) -> dict[str, Texts | Labels]:
        return {name: self._said(name, first) for name, first in self._shown.items()}

    def _content(self, name: str, use: Use) -> Ints:
        has = self._facts[f"{name}_size"][self._row] > 0
        return self._first(has & (self._own | (self._use == use)))

    def _error(self, errors: ErrorBook) -> dict[str, Texts | Labels]:
        """Type and message as one of the run's own spans says them; where that has no type worth the name, as the call that
        explains the failure does."""
        says = self._says("error_type")
        typed, messaged = self._first(self._own & says), self._first(self._own & self._says("error_message"))
        is_other = self._facts["error_type"].among({OTHER: 1})[self._row] > 0
        explained = self._first((self._use == Use.ERROR) & says & ~is_other)
        vague = (typed < 0) | (is_other[typed] if len(is_other) else True)
        source = np.where(typed >= 0, typed, messaged)
        source = np.where(vague & (explained >= 0), explained, source)
        # A failure that only the call tells of is told in its words, even if it knows no type.
        source = np.where(source < 0, self._first((self._use == Use.ERROR) & says), source)
        ill = is_any(self.runs["status"], Status.FAILED, Status.CANCELLED)
        source, messaged = np.where(ill, source, -1), np.where(ill, messaged, -1)
        kinds: Labels = self._said("error_type", source)
        messages: Texts = self._said("error_message", source)
        said = np.flatnonzero(~kinds.is_empty | ~messages.is_empty)
        told = kinds.packed(said), messages.packed(said)
        classes = Labels.of([EMPTY, CANCELLED, UNKNOWN_CLASS, *errors.classes(*told)])
        class_of = np.where(ill, 2, 0)
        class_of[said] = 3 + np.arange(len(said))
        class_of[self.runs["status"] == Status.CANCELLED] = 1
        prints = np.full(self.count, -1, np.int64)
        prints[said] = np.arange(len(said))
        return {
            "error_type": kinds,
            "error_message": either(messages, self._said("error_message", messaged)),
            "error_class": classes.take(class_of),
            "error_fingerprint": Texts.of(errors.fingerprints(*told)).take(prints),
        }

    def _waiting_for(self) -> dict[str, Texts | Labels]:
        last = self._last(self._says("waiting_for"), self._facts["event_at"][self._row])
        return {"waiting_for": self._said("waiting_for", np.where(self.runs["waiting_since_us"] > 0, last, -1))}

    def _tags(self, kept: Ints) -> bytes:
        """All tags of the facts of each run, each once."""
        lists: Lists = self._facts["tags"]
        bounds = np.concatenate([[0], lists.offsets])
        tagged = np.flatnonzero(bounds[1:][self._row] > bounds[:-1][self._row])
        found: dict[int, dict[bytes, None]] = {}
        for place in tagged.tolist():
            row = self._row[place]
            texts = lists.texts.packed(range(bounds[row], bounds[row + 1]))
            found.setdefault(int(self._group[place]), {}).update(dict.fromkeys(texts))
        each = [sorted(found[group], key=unpacked) if group in found else [] for group in kept.tolist()]
        offsets = np.cumsum([len(tags) for tags in each], dtype=np.int64)
        return offsets.tobytes() + b"".join(tag for tags in each for tag in tags)

    def _times(self) -> list[tuple[str, str, Any]]:
        runs = self.runs
        found: list[tuple[str, str, Any]] = [("started_at", TIME, runs["started_us"])]
        for name, source in (
            ("queued_at", "queued_us"),
            ("ended_at", "ended_us"),
            ("waiting_since", "waiting_since_us"),
            ("last_heartbeat_at", "last_heartbeat_us"),
        ):
            found.append((name, LATER, np.ma.masked_equal(runs[source], 0)))
        queue_ms = np.maximum(0, (runs["started_us"] - runs["queued_us"]) / 1000)
        has_queue = (runs["queued_us"] > 0) & (runs["status"] != Status.QUEUED)
        found.append(("queue_ms", "Nullable(Float64)", np.ma.MaskedArray(queue_ms, ~has_queue)))
        return found

    def _numbers(self) -> list[tuple[str, str, Any]]:
        runs = self.runs
        plain = [
            *((name, "UInt32", runs[name]) for name in ("tool_call_count", "tool_error_count", "model_call_count")),
            *((name, "UInt64", runs[name]) for name in (*TOKENS, "spans_stored")),
            ("waiting_ms", "Float64", runs["waiting_ms"]),
            ("usage_mismatch", "Bool", runs["usage_mismatch"]),
            ("unpriced_call_count", "UInt32", runs["unpriced_call_count"]),
            ("heartbeat_interval_ms", "UInt32", runs["heartbeat_interval_ms"]),
        ]
        known = [
            *(
                (name, "Nullable(Float64)", np.ma.masked_invalid(runs[name]))
                for name in ("cost_usd", "reported_cost_usd")
            ),
            *(
                (name, "Nullable(UInt64)", np.ma.masked_equal(runs[name], 0))
                for name in ("reported_input_tokens", "reported_output_tokens")
            ),
        ]
        return [*plain, *known, *self._told_numbers()]

    def _told_numbers(self) -> list[tuple[str, str, Any]]:
        """Numbers that the facts say: progress and rows the latest, the end's above all; sizes of the contents shown."""
        facts, row = self._facts, self._row
        found: list[tuple[str, str, Any]] = []
        for name, first in self._shown.items():
            sizes = np.where(first >= 0, _at(facts[f"{name}_size"], self._rows(first)), 0)
            found.append((f"{name}_size", "UInt64", sizes))
        for name in ("rows_processed", "progress_done", "progress_total"):
            known = ~np.ma.getmaskarray(facts[name])[row]
            last = self._last(known, facts["event_at"][row], self._is_span)
            found.append((name, "Nullable(Int64)", _masked(facts[name], self._rows(last))))
        sla = self._first(~np.ma.getmaskarray(facts["sla_ms"])[row])
        found.append(("sla_ms", "Nullable(Float64)", _masked(facts["sla_ms"], self._rows(sla))))
        dry = np.bincount(self._group, facts["dry_run"][row] > 0, self.count) > 0
        found.append(("dry_run", "Bool", dry))
        told = self._own & ~np.ma.getmaskarray(facts["spans_reported"])[row]
        total = np.zeros(self.count, np.uint64)
        np.add.at(total, self._group[told], np.ma.getdata(facts["spans_reported"])[row[told]])
        none = np.bincount(self._group[told], minlength=self.count) == 0
        return [*found, ("spans_reported", "Nullable(UInt64)", np.ma.MaskedArray(total, none))]

    def _run_ids(self) -> Texts:
        """The id that was given, else `<trace_id>-<span_id>` of the run's own span."""
        given: Texts = self._said("run_id", self._first(self._own & self._says("run_id")))
        return either(given, self._said("trace_id", self.who).paired(self._said("span_id", self.who)))

    def _named(self, keys: Keys, *, own: bool = True) -> Texts:
        """The ids of the runs behind keys; of one that is not in the batch as the run itself names it, else (`own`) its own id."""
        place, run = self._places(keys), np.arange(self.count)
        is_here = place >= 0
        is_here[is_here] = self.who[place[is_here]] >= 0
        given = self.count + run
        otherwise = np.where(self._given_parents.is_empty, run, given) if own else given
        both: Texts = joined([self._ids, self._given_parents])
        return both.take(np.where(is_here, place, otherwise))

    def _places(self, keys: NDArray[np.uint64]) -> Ints:
        """Where the runs with these keys are, -1 for those that are not here."""
        return np.where(keys != 0, places(keys, self.runs["run_key"]), -1)

    def _text(self, name: str, among: Bools | None = None) -> Any:
        """For every run the first text that is not empty."""
        says = self._says(name)
        return self._said(name, self._first(says if among is None else says & among))

    def _said(self, name: str, place: Ints) -> Any:
        """What the facts at these places (-1: none) say, a column like that of the facts."""
        return self._facts[name].take(self._rows(place))

    def _says(self, name: str) -> Bools:
        says: Bools = ~self._facts[name].is_empty[self._row]
        return says

    def _first(self, which: Bools) -> Ints:
        """For every run the place of the first fact that `which` marks, -1 where there is none."""
        place = np.flatnonzero(which)[::-1]
        first = np.full(self.count, -1, np.int64)
        first[self._group[place]] = place
        return first

    def _last(self, which: Bools, *by: NDArray[Any]) -> Ints:
        """For every run the place of the marked fact that is greatest by these (the last one counts most), -1 for none."""
        place = np.flatnonzero(which)
        place = place[np.lexsort([values[place] for values in by])]
        last = np.full(self.count, -1, np.int64)
        last[self._group[place]] = place
        return last

    def _rows(self, place: Ints) -> Ints:
        """Places among those that speak to rows of the facts."""
        if not len(self._row):
            return np.full(len(place), -1, np.int64)
        return np.where(place >= 0, self._row[place], -1)


def _cut(column: Any, kind: str, kept: Ints) -> bytes:
    """The values of a column of numbers at these rows."""
    is_time = kind in (TIME, LATER)
    if kind.startswith("Nullable("):
        missing = np.ma.getmaskarray(column)[kept]
        return nullable("Int64" if is_time else kind[9:-1], np.ma.getdata(column)[kept], missing)
    return numbers("Int64" if is_time else kind, column[kept])


def _at(column: NDArray[Any], rows: Ints) -> NDArray[Any]:
    return column[np.maximum(rows, 0)] if len(column) else np.zeros(len(rows), column.dtype)


def _masked(column: Any, rows: Ints) -> Any:
    """A nullable column at these rows, NULL at -1."""
    return np.ma.MaskedArray(_at(np.ma.getdata(column), rows), rows < 0)
