"""What the resolver reads of facts and writes to its stage: fixed-width columns, as numpy sees them and as SQL names them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Role(IntEnum):
    """What a dialect says a span is."""

    NONE = 0
    RUN = 1
    AGENT = 2
    WORKFLOW = 3
    CHAIN = 4
    TOOL = 5
    MODEL = 6


class Event(IntEnum):
    """Which lifecycle event a fact is; NONE for a span."""

    NONE = 0
    STARTED = 1
    QUEUED = 2
    HEARTBEAT = 3
    WAITING = 4
    RESUMED = 5
    PROGRESS = 6


class Status(IntEnum):
    """How a span ended, in its own words, or what a run is."""

    UNSET = 0
    SUCCESS = 1
    FAILED = 2
    CANCELLED = 3
    WAITING = 4
    RUNNING = 5
    QUEUED = 6


TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

# name, numpy type, SQL over span_facts
_FACT = [
    ("trace_key", "<u8", "cityHash64(trace_id)"),
    ("span_key", "<u8", "span_key"),
    ("parent_key", "<u8", "parent_key"),
    ("run_key", "<u8", "run_key"),
    ("given_parent_key", "<u8", "if(parent_run_id = '', 0, cityHash64(parent_run_id))"),
    ("name_key", "<u8", "if(name = '', 0, cityHash64(lower(name)))"),
    ("model_key", "<u8", "if(role = 'model', cityHash64(provider, name), 0)"),
    (
        "role",
        "u1",
        "transform(role, ['run', 'agent', 'workflow', 'chain', 'tool', 'model'], [1, 2, 3, 4, 5, 6], 0)::UInt8",
    ),
    (
        "event",
        "u1",
        "transform(event, ['started', 'queued', 'heartbeat', 'waiting', 'resumed', 'progress'], [1, 2, 3, 4, 5, 6], 0)::UInt8",
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
    ("started_us", "<i8", "toUnixTimestamp64Micro(started_at)"),
    ("ended_us", "<i8", "toUnixTimestamp64Micro(ended_at)"),
    ("event_us", "<i8", "toUnixTimestamp64Micro(event_at)"),
    ("queued_us", "<i8", "toUnixTimestamp64Micro(queued_at)"),
    ("inserted_us", "<i8", "toUnixTimestamp64Micro(inserted_at)"),
    ("waiting_ms", "<f8", "waiting_ms"),
    ("heartbeat_interval_ms", "<u4", "heartbeat_interval_ms"),
    *((name, "<u8", name) for name in TOKENS),
    ("cost_usd", "<f8", "ifNull(cost_usd, nan)"),
]

FACT = np.dtype([(name, kind) for name, kind, _ in _FACT])
FACT_SQL = ",\n    ".join(f"{sql} AS {name}_" for name, _, sql in _FACT)

_RUN = [
    ("run_key", "<u8", "UInt64"),
    ("parent_run_key", "<u8", "UInt64"),
    ("root_run_key", "<u8", "UInt64"),
    ("status", "u1", "UInt8"),
    ("is_workflow", "u1", "UInt8"),
    ("started_us", "<i8", "Int64"),
    ("ended_us", "<i8", "Int64"),
    ("queued_us", "<i8", "Int64"),
    ("waiting_ms", "<f8", "Float64"),
    ("waiting_since_us", "<i8", "Int64"),
    ("last_heartbeat_us", "<i8", "Int64"),
    ("heartbeat_interval_ms", "<u4", "UInt32"),
    ("tool_call_count", "<u4", "UInt32"),
    ("tool_error_count", "<u4", "UInt32"),
    ("model_call_count", "<u4", "UInt32"),
    *((name, "<u8", "UInt64") for name in TOKENS),
    ("cost_usd", "<f8", "Float64"),
    ("reported_input_tokens", "<u8", "UInt64"),
    ("reported_output_tokens", "<u8", "UInt64"),
    ("reported_cost_usd", "<f8", "Float64"),
    ("usage_mismatch", "u1", "UInt8"),
    ("unpriced_call_count", "<u4", "UInt32"),
    ("spans_stored", "<u8", "UInt64"),
]
_MEMBER = [
    ("span_key", "<u8", "UInt64"),
    ("run_key", "<u8", "UInt64"),
    ("rank", "<u4", "UInt32"),  # lower speaks first
    ("use", "u1", "UInt8"),  # a `Use`
]
_CALL = [
    ("span_key", "<u8", "UInt64"),
    ("call_key", "<u8", "UInt64"),  # the call that the span stands for; itself but for repeats that know more
    ("run_key", "<u8", "UInt64"),
    ("status", "u1", "UInt8"),
    *((name, "<u8", "UInt64") for name in TOKENS),
    ("cost_usd", "<f8", "Float64"),
    ("cost_source", "u1", "UInt8"),  # a `CostSource`
]


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


RUN = np.dtype([(name, kind) for name, kind, _ in _RUN])
MEMBER = np.dtype([(name, kind) for name, kind, _ in _MEMBER])
CALL = np.dtype([(name, kind) for name, kind, _ in _CALL])
STAGES = {
    name: ", ".join(f"{column} {sql}" for column, _, sql in columns)
    for name, columns in (("runs", _RUN), ("members", _MEMBER), ("calls", _CALL))
}
