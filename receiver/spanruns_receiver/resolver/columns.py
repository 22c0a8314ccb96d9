"""What the resolver reads of facts and what it decides: fixed-width columns, as numpy sees them and as SQL names them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spanruns_schema.dialects.rules import CONTENT_LIMIT, MODALITIES
from spanruns_schema.dialects.sql import quote


class Role(IntEnum):
    """What a dialect says a span is."""

    NONE = 0
    RUN = 1
    AGENT = 2
    WORKFLOW = 3
    CHAIN = 4
    TOOL = 5
    MODEL = 6
    STEP = 7


class Event(IntEnum):
    """Which lifecycle event a fact is; NONE for a span, CONTENT for what a log record holds of one."""

    NONE = 0
    STARTED = 1
    QUEUED = 2
    HEARTBEAT = 3
    WAITING = 4
    RESUMED = 5
    PROGRESS = 6
    CONTENT = 7


class Status(IntEnum):
    """How a span ended, in its own words, or what a run is."""

    UNSET = 0
    SUCCESS = 1
    FAILED = 2
    CANCELLED = 3
    WAITING = 4
    RUNNING = 5
    QUEUED = 6


ROLES, EVENTS = ({member.name.lower().encode(): int(member) for member in kind if member} for kind in (Role, Event))
STATUSES = {status.name.lower().encode(): int(status) for status in Status if 0 < status <= Status.WAITING}
"""Their numbers by the names that facts have for them."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
CALL_TOKENS = (*TOKENS, *MODALITIES)
"""What calls are priced by; runs have the sums of `TOKENS`."""

MODEL_DATE = r"[-@]20\d\d-?[01]\d-?[0-3]\d"
"""What a model that answered may have behind the name of the one that was asked."""

_NAME = f"if(role = 'model', replaceRegexpOne(name, {quote(MODEL_DATE + '$')}, ''), name)"

# name, numpy type, SQL over span_facts
_FACT = [
    ("trace_key", "<u8", "cityHash64(trace_id)"),
    ("span_key", "<u8", "cityHash64(trace_id, span_id)"),
    ("parent_key", "<u8", "if(parent_span_id = '', 0, cityHash64(trace_id, parent_span_id))"),
    ("run_key", "<u8", "cityHash64(if(run_id != '', run_id, concat(trace_id, '-', span_id)))"),
    ("given_parent_key", "<u8", "if(parent_run_id = '', 0, cityHash64(parent_run_id))"),
    ("name_key", "<u8", f"if(name = '', 0, cityHash64(lower({_NAME})))"),
    # What several spans of one call have in common: the id of the model's answer, or that of the tool call.
    (
        "same_key",
        "<u8",
        "multiIf(response_id != '', cityHash64(trace_id, response_id), tool_call_id != '', cityHash64(trace_id, tool_call_id), 0)",
    ),
    ("scope_key", "<u8", "cityHash64(scope)::UInt64"),
    ("model_key", "<u8", "if(role = 'model', cityHash64(provider, name), 0)"),
    (
        "role",
        "u1",
        "transform(role, ['run', 'agent', 'workflow', 'chain', 'tool', 'model', 'step'], [1, 2, 3, 4, 5, 6, 7], 0)::UInt8",
    ),
    (
        "event",
        "u1",
        "transform(event, ['started', 'queued', 'heartbeat', 'waiting', 'resumed', 'progress', 'content'], [1, 2, 3, 4, 5, 6, 7], 0)::UInt8",
    ),
    (
        "status",
        "u1",
        "transform(status, ['success', 'failed', 'cancelled', 'waiting'], [1, 2, 3, 4], 0)::UInt8",
    ),
    ("is_shadow", "u1", "is_shadow::UInt8"),
    ("is_entry", "u1", "is_entry::UInt8"),
    ("has_run_id", "u1", "(run_id != '')::UInt8"),
    ("has_input", "u1", "(input_size > 0)::UInt8"),
    ("has_output", "u1", "(output_size > 0)::UInt8"),
    # How long what it ends with is: its error's message, or its answer. Lengths are read without the texts.
    ("said_size", "<u8", "if(error_message = '', output_size, length(error_message))"),
    ("content_size", "<u4", f"(least(input_size, {CONTENT_LIMIT}) + least(output_size, {CONTENT_LIMIT}))::UInt32"),
    ("started_us", "<i8", "toUnixTimestamp64Micro(started_at)"),
    ("ended_us", "<i8", "toUnixTimestamp64Micro(ended_at)"),
    ("event_us", "<i8", "toUnixTimestamp64Micro(event_at)"),
    ("queued_us", "<i8", "toUnixTimestamp64Micro(queued_at)"),
    ("inserted_us", "<i8", "toUnixTimestamp64Micro(inserted_at)"),
    ("waiting_ms", "<f8", "waiting_ms"),
    ("heartbeat_interval_ms", "<u4", "heartbeat_interval_ms"),
    *((name, "<u8", name) for name in CALL_TOKENS),
    ("cost_usd", "<f8", "ifNull(cost_usd, nan)"),
]

FACT = np.dtype([(name, kind) for name, kind, _ in _FACT])
FACT_SQL = ",\n    ".join(f"{sql} AS {name}_" for name, _, sql in _FACT)

RUN = np.dtype(
    [
        ("run_key", "<u8"),
        ("parent_run_key", "<u8"),
        ("root_run_key", "<u8"),
        ("status", "u1"),
        ("is_workflow", "u1"),
        ("started_us", "<i8"),
        ("ended_us", "<i8"),
        ("queued_us", "<i8"),
        ("waiting_ms", "<f8"),
        ("waiting_since_us", "<i8"),
        ("last_heartbeat_us", "<i8"),
        ("heartbeat_interval_ms", "<u4"),
        ("tool_call_count", "<u4"),
        ("tool_error_count", "<u4"),
        ("model_call_count", "<u4"),
        *((name, "<u8") for name in TOKENS),
        ("cost_usd", "<f8"),
        ("reported_input_tokens", "<u8"),
        ("reported_output_tokens", "<u8"),
        ("reported_cost_usd", "<f8"),
        ("usage_mismatch", "u1"),
        ("unpriced_call_count", "<u4"),
        ("spans_stored", "<u8"),
    ]
)
MEMBER = np.dtype(
    [
        ("span_key", "<u8"),
        ("run_key", "<u8"),
        ("rank", "<u4"),  # lower speaks first
        ("use", "u1"),  # a `Use`
    ]
)
CALL = np.dtype(
    [
        ("span_key", "<u8"),
        ("call_key", "<u8"),  # the call that the span stands for; itself but for repeats that know more
        ("run_key", "<u8"),  # 0: of no run
        ("input_key", "<u8"),  # the span that has what the call's own lacks, 0 for none
        ("output_key", "<u8"),
        ("words_key", "<u8"),  # the span that may say model, provider or id where the call's own does not, 0 for none
        ("status", "u1"),
        ("is_tool", "u1"),
        ("started_us", "<i8"),
        *((name, "<u8") for name in CALL_TOKENS),
        ("cost_usd", "<f8"),
        ("cost_source", "u1"),  # a `CostSource`
    ]
)


def is_any(codes: NDArray[Any], *which: IntEnum) -> Bools:
    """Which of the codes are one of these of their enumeration."""
    among = np.zeros(max(type(which[0])) + 1, bool)
    among[list(which)] = True
    found: Bools = among[codes]
    return found


class CostSource(IntEnum):
    """Who says what a call costs."""

    NONE = 0
    SPAN = 1
    PRICES = 2


class Use(IntEnum):
    """What a member gives to its run."""

    ALL = 0
    INPUT = 1
    OUTPUT = 2
    ERROR = 3
    NAME = 4


class Columns:
    """A table column by column: arrays of one length by name. Structured arrays would do, but each of their fields lies
    scattered over memory, which makes everything several times slower."""

    __slots__ = ("_arrays", "_base", "_index", "_length")

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = dict(arrays)
        self._length = len(next(iter(self._arrays.values())))
        self._base: Columns | None = None
        self._index: NDArray[Any] | None = None

    @classmethod
    def zeros(cls, kind: np.dtype[np.void], length: int) -> Columns:
        """A table of zeros with the fields of `kind`."""
        return cls({name: np.zeros(length, kind[name]) for name in kind.names or ()})

    @classmethod
    def of(cls, records: NDArray[np.void]) -> Columns:
        """The table that a structured array is."""
        return cls({name: np.ascontiguousarray(records[name]) for name in records.dtype.names or ()})

    @classmethod
    def joined(cls, *tables: Columns) -> Columns:
        """Tables of the same columns one below the other."""
        return cls({name: np.concatenate([table[name] for table in tables]) for name in tables[0].names})

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._arrays) if self._base is None else self._base.names

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._arrays.get(name)
        if array is None:
            if self._base is None:
                raise KeyError(name)
            array = self._arrays[name] = self._base[name][self._index]
        return array

    def __setitem__(self, name: str, value: Any) -> None:
        self[name][...] = value

    def take(self, index: NDArray[Any]) -> Columns:
        """The rows at `index` (positions), each column gathered when it is first asked for."""
        taken: Columns = object.__new__(Columns)
        taken._arrays, taken._base, taken._index, taken._length = {}, self, index, len(index)
        return taken

    def records(self) -> NDArray[np.void]:
        """The same as a structured array."""
        array = np.zeros(len(self), [(name, self[name].dtype) for name in self.names])
        for name in self.names:
            array[name] = self[name]
        return array
