"""The rows of `tool_calls` and `model_calls`, as blocks: what was decided of each call, and what its fact says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import CALL_TOKENS, EVENTS, ROLES, Columns, Event, Ints, Role, Status, is_any
from spanruns_receiver.resolver.errors import ErrorBook
from spanruns_receiver.resolver.joins import matches, places
from spanruns_receiver.resolver.native import Block, nullable, numbers
from spanruns_receiver.resolver.table import EMPTY, Labels, Table, Texts, either, either_label, string
from spanruns_receiver.resolver.words import CANCELLED, LATER, OTHER, STATUS, TIME, Words

COST_SOURCES = Labels.of([EMPTY, string(b"span"), string(b"prices")])
"""In the order of `CostSource`."""


@dataclass(frozen=True)
class CallRows:
    """Calls of one kind that have a fact: the facts, the calls (CALL) and their runs, row by row."""

    facts: Table
    calls: Columns
    repeats: Ints  # the row of `whole` that knows why a call failed, -1
    whole: Table
    words: Words
    version: int

    def __len__(self) -> int:
        return len(self.calls)

    def common(self) -> Block:
        """The columns that tool calls and model calls share, but for errors."""
        of_run, facts = self.words.of_calls(self.calls["run_key"]), self.facts
        words = {
            **{name: facts[name] for name in ("trace_id", "span_id", "service_name")},
            **{name: of_run[name] for name in ("run_id", "root_run_id", "agent_name")},
            "workspace": either_label(facts["workspace"], of_run["workspace"]),
            "status": Labels(STATUS.texts, self._status()),
        }
        return [
            *(native.words(name, column) for name, column in words.items()),
            *self._times(),
            ("version", "UInt64", numbers("UInt64", np.full(len(self), self.version))),
            ("is_deleted", "UInt8", bytes(len(self))),
        ]

    def told(self, **sources: str) -> Block:
        """Columns of strings, each as it is in the column of the facts that is named."""
        return [native.words(name, self.facts[source]) for name, source in sources.items()]

    def sizes(self, **sources: str) -> Block:
        """Columns of sizes."""
        return [(name, "UInt64", numbers("UInt64", self.facts[source])) for name, source in sources.items()]

    def _status(self) -> Ints:
        told = self.calls["status"]
        status: Ints = np.where(is_any(told, Status.FAILED, Status.CANCELLED, Status.RUNNING), told, Status.SUCCESS)
        return status

    def _times(self) -> Block:
        started, ended = self.facts["started_at"], self.facts["ended_at"]
        runs = self.facts["event"].among(EVENTS) != Event.NONE
        duration_ms = np.where(runs, 0, np.maximum(0, ended - started) / 1000)
        return [
            ("started_at", TIME, numbers("Int64", started)),
            ("ended_at", LATER, nullable("Int64", ended, runs)),
            ("duration_ms", "Float64", numbers("Float64", duration_ms)),
        ]


def call_rows(facts: Table, calls: Columns, repeats: Columns, words: Words, version: int, *, role: Role) -> CallRows:
    """The calls, each with the fact of its span. A call without an end has the fact that says it started."""
    event = facts["event"].among(EVENTS)
    fits = np.flatnonzero((facts["role"].among(ROLES) == role) & ((event == Event.NONE) | (event == Event.STARTED)))
    fits = fits[np.argsort(event[fits], kind="stable")]  # a span's own record first
    place = places(calls["span_key"], facts["span_key"][fits])
    call = np.flatnonzero(place >= 0)
    row = fits[place[call]]
    ends = (event[row] == Event.NONE) | (calls["status"][call] == Status.RUNNING)
    call, row = call[ends], row[ends]
    # In the order of the table, which has nothing to sort then.
    order = np.argsort(facts["started_at"][row], kind="stable")
    call, row = call[order], row[order]
    mine = calls.take(call)
    own = _with_repeats(facts.take(row), mine, facts)
    return CallRows(own, mine, _repeats(facts, mine, repeats), facts, words, version)


def _with_repeats(own: Table, calls: Columns, facts: Table) -> Table:
    """The facts of calls, with what only a span says that repeats them."""
    ended = np.flatnonzero(facts["event"].among(EVENTS) == Event.NONE)

    def said_by(key: str) -> Ints:
        place, lacks = np.full(len(calls), -1, np.int64), np.flatnonzero(calls[key])
        found = places(calls[key][lacks], facts["span_key"][ended])
        place[lacks] = np.where(found >= 0, ended[found], -1)
        return place

    for column in ("input", "output"):
        if calls[f"{column}_key"].any():
            place = said_by(f"{column}_key")
            sizes = np.where(place >= 0, facts[f"{column}_size"][place], own[f"{column}_size"])
            own = own.with_column(column, either(own[column], facts[column].take(place)))
            own = own.with_column(f"{column}_size", sizes)
    if calls["words_key"].any():
        place = said_by("words_key")
        for column in ("name", "tool_call_id"):
            own = own.with_column(column, either(own[column], facts[column].take(place)))
        own = own.with_column("provider", either_label(own["provider"], facts["provider"].take(place)))
    return own


def _repeats(facts: Table, calls: Columns, repeats: Columns) -> Ints:
    """For every call the row of the span that repeats it and says why it failed. Of several the last one that has a type;
    the keys make it independent of their order."""
    told = np.full(len(calls), -1, np.int64)
    if len(repeats):
        known = repeats.take(np.argsort(repeats["span_key"])[::-1])
        which, place = matches(known["call_key"], calls["span_key"])
        said_by, row = matches(known["span_key"][which], facts["span_key"])
        kinds = facts["error_type"].take(row)
        typed = ~kinds.is_empty & (kinds.among({OTHER: 1}) == 0)
        order = np.lexsort((np.arange(len(row)), facts["started_at"][row], typed))
        told[place[said_by[order]]] = row[order]
    return told


def _errors(rows: CallRows) -> tuple[Labels, Texts]:
    """Types and messages: a call's own, else those of the span that repeats it and says why it failed."""
    own, whole = rows.facts["error_type"], rows.whole
    typed = ~own.is_empty
    kinds = either_label(own, whole["error_type"].take(rows.repeats))
    mine = rows.facts["error_message"].take(np.where(typed, np.arange(len(rows)), -1))
    return kinds, either(mine, whole["error_message"].take(np.where(typed, -1, rows.repeats)))


def tool_calls(rows: CallRows, errors: ErrorBook) -> Block:
    """The columns of `tool_calls_data`."""
    kinds, messages = _errors(rows)
    ill = np.flatnonzero(~kinds.is_empty)
    classes = Labels.of([EMPTY, CANCELLED, *errors.classes(kinds.packed(ill), messages.packed(ill))])
    class_of = np.zeros(len(rows), np.int64)
    class_of[ill] = 2 + np.arange(len(ill))
    class_of[rows.calls["status"] == Status.CANCELLED] = 1
    return [
        *rows.common(),
        *rows.told(
            tool_call_id="tool_call_id", tool_name="name", tool_type="tool_type", arguments="input", result="output"
        ),
        *rows.sizes(arguments_size="input_size", result_size="output_size"),
        native.words("error_type", kinds),
        native.words("error_message", messages),
        native.words("error_class", classes.take(class_of)),
    ]


def model_calls(rows: CallRows) -> Block:
    """The columns of `model_calls_data`."""
    calls, facts = rows.calls, rows.facts
    waited: Any = facts["time_to_first_chunk_ms"]
    cost, (kinds, messages) = calls["cost_usd"], _errors(rows)
    return [
        *rows.common(),
        *rows.told(model="name", operation="operation", provider="provider", input="input", output="output"),
        native.words("error_type", kinds),
        native.words("error_message", messages),
        *rows.sizes(input_size="input_size", output_size="output_size"),
        *((name, "UInt64", numbers("UInt64", calls[name])) for name in CALL_TOKENS),
        ("time_to_first_chunk_ms", "Nullable(Float64)", nullable("Float64", waited.data, np.ma.getmaskarray(waited))),
        ("cost_usd", "Nullable(Float64)", nullable("Float64", cost, np.isnan(cost))),
        native.words("cost_source", Labels(COST_SOURCES.texts, calls["cost_source"])),
    ]
