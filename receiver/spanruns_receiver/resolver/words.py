"""What runs say in words: of the facts that speak for a run, for every column the first that says something. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.resolver.columns import TOKENS, Columns, Status, Use
from spanruns_receiver.resolver.native import EMPTY, Lists, Texts, nullable, numbers, string, unpacked

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Block = list[tuple[str, str, bytes]]

OWN = ("agent_id", "agent_version", "trigger", "trigger_detail", "parameters")
"""Texts that only a run's own spans (and those folded into it) give."""

SHARED = ("service_name", "environment", "session_id", "user_id")
"""Texts that model calls give where the run's own spans do not."""

STATUSES = {status: string(status.name.lower().encode()) for status in Status}
KINDS = {string(kind): string(kind) for kind in (b"agent", b"workflow", b"job")}
OTHER = string(b"_OTHER")
"""What emitters call an error whose type they do not know."""

TIME, LATER = "DateTime64(6, 'UTC')", "Nullable(DateTime64(6, 'UTC'))"


class Words:
    """The facts read for a batch, in the order in which they speak for their runs."""

    def __init__(self, facts: dict[str, Any], runs: Columns, members: Columns) -> None:
        """`facts` are the columns of words.sql, `runs` and `members` what was decided."""
        self.runs, self.count = runs, len(runs)
        self._facts = facts
        member, row = _matches(members["span_key"], facts["span_key"])
        group = np.searchsorted(runs["run_key"], members["run_key"][member])
        event, rank = facts["event_"][row].astype(np.int64), members["rank"][member]
        # A span's own record first, then what its lifecycle events say.
        order = np.lexsort((facts["event_us"][row], event, rank, group))
        self._row, self._group = row[order], group[order]
        self._use, self._is_span = members["use"][member][order], event[order] == 0
        self._own = self._use == Use.ALL
        self._is_empty: dict[str, Bools] = {}
        self.who = self._first(self._own)
        """For every run the fact of its own span; -1 where there is none (any more)."""
        self._ids = self._run_ids()
        self._agents = self._text("name", self._own, then="service_name")
        self._workspaces = self._text("workspace")
        given = self._first(self._own & self._says("parent_run_id"))
        self._given_parents = self._texts("parent_run_id").packed(given)
        self._roots = self._named(runs["root_run_key"])

    def of_calls(self, run_key: NDArray[np.uint64]) -> dict[str, bytes]:
        """For calls of these runs (0: of none) what the stage has of their runs."""
        place = self._places(run_key).tolist()
        columns = {
            "run_id": self._ids,
            "root_run_id": self._roots,
            "agent_name": self._agents,
            "workspace": self._workspaces,
        }
        return {name: _gathered(values, place) for name, values in columns.items()}

    def errors_of(self, span_key: NDArray[np.uint64], told_by: NDArray[np.uint64]) -> dict[str, bytes]:
        """For spans the error's type and message as the facts of `told_by` (0: nobody) say them."""
        names = ("error_type", "error_message")
        if not told_by.any():
            return dict.fromkeys(names, EMPTY * len(span_key))
        row = np.full(len(span_key), -1, np.int64)
        place, found = _matches(told_by, self._facts["span_key"])
        row[place] = found
        return {name: b"".join(self._texts(name).packed(row)) for name in names}

    def block(self, version: int) -> tuple[Block, int]:
        """The columns of `runs_data`, ready to be written, and the number of rows."""
        kept = np.flatnonzero(self.who >= 0)
        columns = self._identity() | self._text_columns() | self._error() | self._contents() | self._waiting_for()
        ready: Block = [(name, "String", _gathered(values, kept.tolist())) for name, values in columns.items()]
        ready += [("tags", "Array(String)", self._tags(kept))]
        ready += [(name, kind, _cut(column, kind, kept)) for name, kind, column in (*self._times(), *self._numbers())]
        constants = (("version", "UInt64", version), ("is_deleted", "UInt8", 0))
        ready += [(name, kind, numbers(kind, np.full(len(kept), value))) for name, kind, value in constants]
        return ready, len(kept)

    def _identity(self) -> dict[str, list[bytes]]:
        parents = self._named(self.runs["parent_run_key"], own=False)
        kinds = self._text("run_kind", self._own)
        workflow = string(b"workflow")
        return {
            "run_id": self._ids,
            "parent_run_id": parents,
            "root_run_id": self._roots,
            "trace_id": self._texts("trace_id").packed(self._rows(self.who)),
            "span_id": self._texts("span_id").packed(self._rows(self.who)),
            "kind": [
                workflow if is_workflow else KINDS.get(kind, string(b"agent"))
                for is_workflow, kind in zip(self.runs["is_workflow"].tolist(), kinds, strict=True)
            ],
            "agent_name": self._agents,
            "workspace": self._workspaces,
            "status": [STATUSES[Status(status)] for status in self.runs["status"].tolist()],
        }

    def _text_columns(self) -> dict[str, list[bytes]]:
        return {name: self._text(name, self._own) for name in OWN} | {name: self._text(name) for name in SHARED}

    def _contents(self) -> dict[str, list[bytes]]:
        found = {}
        for name, use in (("input", Use.INPUT), ("output", Use.OUTPUT)):
            first = self._content(name, use)
            found[name] = self._texts(name).packed(self._rows(first))
        return found

    def _content(self, name: str, use: Use) -> Ints:
        has = self._facts[f"{name}_size"][self._row] > 0
        return self._first(has & (self._own | (self._use == use)))

    def _error(self) -> dict[str, list[bytes]]:
        """Type and message as one of the run's own spans says them; where that has no type worth the name, as the call that
        explains the failure does."""
        typed = self._first(self._own & self._says("error_type"))
        told = self._first(self._own & self._says("error_message"))
        types = self._texts("error_type")
        is_other = np.array([kind == OTHER for kind in types.packed(self._rows(typed))], bool)
        named = self._use == Use.ERROR
        named[named] = [kind not in (EMPTY, OTHER) for kind in types.packed(self._row[named])]
        explained = self._first(named)
        source = np.where(typed >= 0, typed, told)
        source = np.where(((typed < 0) | is_other) & (explained >= 0), explained, source)
        ill = np.isin(self.runs["status"], (Status.FAILED, Status.CANCELLED))
        source = np.where(ill, source, -1)
        messages = self._texts("error_message").packed(self._rows(source))
        own_messages = self._texts("error_message").packed(self._rows(np.where(ill, told, -1)))
        cancelled = self.runs["status"] == Status.CANCELLED
        classes = self._texts("error_class").packed(self._rows(source))
        return {
            "error_type": types.packed(self._rows(source)),
            "error_message": [
                own if message == EMPTY else message for message, own in zip(messages, own_messages, strict=True)
            ],
            "error_class": [_class(*told) for told in zip(classes, cancelled.tolist(), ill.tolist(), strict=True)],
            "error_fingerprint": self._texts("error_fingerprint").packed(self._rows(source)),
        }

    def _waiting_for(self) -> dict[str, list[bytes]]:
        last = self._last(self._says("waiting_for"), self._facts["event_us"][self._row])
        last = np.where(self.runs["waiting_since_us"] > 0, last, -1)
        return {"waiting_for": self._texts("waiting_for").packed(self._rows(last))}

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
        each = [sorted(found.get(group, ()), key=unpacked) for group in kept.tolist()]
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
        for name, use in (("input", Use.INPUT), ("output", Use.OUTPUT)):
            first = self._content(name, use)
            sizes = np.where(first >= 0, _at(facts[f"{name}_size"], self._rows(first)), 0)
            found.append((f"{name}_size", "UInt64", sizes))
        for name in ("rows_processed", "progress_done", "progress_total"):
            known = ~np.ma.getmaskarray(facts[name])[row]
            last = self._last(known, facts["event_us"][row], self._is_span)
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

    def _run_ids(self) -> list[bytes]:
        """The id that was given, else `<trace_id>-<span_id>` of the run's own span."""
        given = self._texts("run_id").packed(self._rows(self._first(self._own & self._says("run_id"))))
        who = self._rows(self.who)
        traces, spans = self._texts("trace_id").packed(who), self._texts("span_id").packed(who)
        return [
            said if said != EMPTY else string(unpacked(trace) + b"-" + unpacked(span))
            for said, trace, span in zip(given, traces, spans, strict=True)
        ]

    def _named(self, keys: NDArray[np.uint64], *, own: bool = True) -> list[bytes]:
        """The ids of the runs behind keys; of one that is not in the batch as the run itself names it, else (`own`) its own id."""
        found = []
        for run, place in enumerate(self._places(keys).tolist()):
            if place >= 0 and self.who[place] >= 0:
                found.append(self._ids[place])
            elif self._given_parents[run] != EMPTY or not own:
                found.append(self._given_parents[run])
            else:
                found.append(self._ids[run])
        return found

    def _places(self, keys: NDArray[np.uint64]) -> Ints:
        """Where the runs with these keys are, -1 for those that are not here."""
        if not self.count:
            return np.full(len(keys), -1, np.int64)
        place = np.minimum(np.searchsorted(self.runs["run_key"], keys), self.count - 1)
        return np.where((self.runs["run_key"][place] == keys) & (keys != 0), place, -1)

    def _text(self, name: str, among: Bools | None = None, *, then: str = "") -> list[bytes]:
        """For every run the first text that is not empty, with `then` of another column where there is none."""
        says = self._says(name)
        found = self._texts(name).packed(self._rows(self._first(says if among is None else says & among)))
        if not then:
            return found
        return [mine if mine != EMPTY else other for mine, other in zip(found, self._text(then), strict=True)]

    def _texts(self, name: str) -> Texts:
        texts: Texts = self._facts[name]
        return texts

    def _says(self, name: str) -> Bools:
        return ~self._texts(name).is_empty[self._row]

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


def _matches(keys: NDArray[np.uint64], among: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Every pair of positions at which the two have the same key."""
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    first = np.searchsorted(ordered, keys, "left")
    count = np.searchsorted(ordered, keys, "right") - first
    left = np.repeat(np.arange(len(keys)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + within]


def _gathered(values: list[bytes], place: list[int]) -> bytes:
    """The texts at these places; -1 stands for the empty one."""
    several = [*values, EMPTY]  # the last is at -1
    return b"".join([several[at] for at in place])


def _class(told: bytes, is_cancelled: bool, is_ill: bool) -> bytes:
    if is_cancelled:
        return string(b"cancelled")
    return (told if told != EMPTY else string(b"unknown")) if is_ill else EMPTY


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
