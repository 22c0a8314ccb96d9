"""What runs say in words: which of several facts is heard, for every kind of column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import MEMBER, RUN, Columns, Status, Use
from spanruns_receiver.resolver.errors import ErrorBook
from spanruns_receiver.resolver.table import Labels, Lists, Table, Texts, string, unpacked
from spanruns_receiver.resolver.words import Words

TEXTS = (
    *("trace_id", "span_id", "run_id", "parent_run_id", "name", "agent_id", "trigger_detail"),
    *("session_id", "user_id", "parameters", "input", "output", "error_message"),
)
LABELS = (
    "event",
    "run_kind",
    "agent_version",
    "service_name",
    "environment",
    "workspace",
    "trigger",
    "error_type",
    "waiting_for",
)
KNOWN = ("rows_processed", "progress_done", "progress_total", "sla_ms", "spans_reported")


def facts_of(*rows: dict[str, Any]) -> Table:
    """The facts of words: what a row does not give is empty."""

    def packed(name: str) -> list[bytes]:
        return [string(row.get(name, "").encode()) for row in rows]

    columns: dict[str, Any] = {name: Texts.of(packed(name)) for name in TEXTS}
    columns |= {name: Labels.of(packed(name)) for name in LABELS}
    tags = [row.get("tags", []) for row in rows]
    each = Labels.of([string(tag.encode()) for value in tags for tag in value])
    columns["tags"] = Lists(np.cumsum([len(value) for value in tags]), each)
    for name in KNOWN:
        values = [row.get(name) for row in rows]
        missing = [value is None for value in values]
        columns[name] = np.ma.MaskedArray([value or 0 for value in values], missing)
    for name in ("span_key", "event_at", "input_size", "output_size", "dry_run"):
        columns[name] = np.array([row.get(name, 0) for row in rows], np.uint64 if name == "span_key" else np.int64)
    return Table.of(columns, len(rows))


class NoErrors(ErrorBook):
    """For runs that did not fail: nobody may ask for a class."""

    def __init__(self) -> None:
        pass

    def classes(self, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        assert not types
        return []

    fingerprints = classes


def table(kind: np.dtype[np.void], *rows: dict[str, Any]) -> Columns:
    """Decided rows: what a row does not give is 0."""
    records = np.zeros(len(rows), kind)
    for record, row in zip(records, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    return Columns.of(records)


def told(words: Words, *names: str) -> list[dict[str, Any]]:
    """The rows that would be written, only these columns, each as it is read again."""
    columns, count = words.block(7, NoErrors())
    read = native.read(native.write(columns, count))
    found = []
    for place in range(count):
        row: dict[str, Any] = {}
        for name in names:
            column = read[name]
            if isinstance(column, Texts | Labels):
                row[name] = unpacked(column.packed([place])[0]).decode()
            elif isinstance(column, Lists):
                bounds = [0, *column.offsets.tolist()]
                tags = column.texts.packed(range(bounds[place], bounds[place + 1]))
                row[name] = [unpacked(tag).decode() for tag in tags]
            else:
                row[name] = column[place].item() if column[place] is not np.ma.masked else None
        found.append(row)
    return found


def test_the_first_that_says_something_is_heard() -> None:
    """The run's own span before the wrapper around it, a span before its events, model calls only for what they may say."""
    facts = facts_of(
        {
            "span_key": 3,
            "span_id": "model",
            "service_name": "m",
            "name": "gpt",
            "input": "hi",
            "input_size": 2,
            "user_id": "u",
        },
        {"span_key": 2, "span_id": "outer", "name": "flow", "agent_id": "x", "environment": "live", "tags": ["b", "a"]},
        {"span_key": 1, "span_id": "own", "event": "started", "event_at": 5, "name": "early", "trigger": "cli"},
        {"span_key": 1, "span_id": "own", "trace_id": "t", "name": "agent", "environment": "", "tags": ["a", "c"]},
    )
    runs = table(RUN, {"run_key": 1, "root_run_key": 1, "status": Status.SUCCESS})
    members = table(
        MEMBER,
        {"span_key": 3, "run_key": 1, "rank": 9, "use": Use.INPUT},
        {"span_key": 2, "run_key": 1, "rank": 2},
        {"span_key": 1, "run_key": 1, "rank": 1},
    )
    names = (
        "run_id",
        "root_run_id",
        "span_id",
        "agent_name",
        "agent_id",
        "trigger",
        "service_name",
        "environment",
        "user_id",
    )
    assert told(Words(facts, runs, members), *names, "tags", "input", "input_size", "output", "kind", "status") == [
        {
            "run_id": "t-own", "root_run_id": "t-own", "span_id": "own", "agent_name": "agent", "agent_id": "x",
            "trigger": "cli", "service_name": "m", "environment": "live", "user_id": "u", "tags": ["a", "b", "c"],
            "input": "hi", "input_size": 2, "output": "", "kind": "agent", "status": "success",
        }
    ]  # fmt: skip


def test_sessions_and_users_are_those_of_the_run_around() -> None:
    """Where the run says none: of the nearest that does, in its trace. Whoever is the run above itself has none."""
    facts = facts_of(
        {"span_key": 1, "trace_id": "t", "span_id": "1", "session_id": "s", "user_id": "u"},
        {"span_key": 2, "trace_id": "t", "span_id": "2", "user_id": "v"},
        {"span_key": 3, "trace_id": "t", "span_id": "3"},
        {"span_key": 4, "trace_id": "other", "span_id": "4"},
        {"span_key": 5, "trace_id": "t", "span_id": "5"},
        {"span_key": 6, "trace_id": "t", "span_id": "6"},
    )
    parents = {2: 1, 3: 2, 4: 3, 5: 6, 6: 5}
    runs = table(RUN, *({"run_key": key, "parent_run_key": parents.get(key, 0)} for key in range(1, 7)))
    members = table(MEMBER, *({"span_key": key, "run_key": key} for key in range(1, 7)))
    rows = told(Words(facts, runs, members), "span_id", "session_id", "user_id")
    assert {row["span_id"]: (row["session_id"], row["user_id"]) for row in rows} == {
        "1": ("s", "u"),
        "2": ("s", "v"),
        "3": ("s", "v"),
        "4": ("", ""),
        "5": ("", ""),
        "6": ("", ""),
    }


def test_numbers_are_the_latest_and_the_ends_above_all() -> None:
    """Progress as the newest event says it, until the span itself does; spans reported are added up over segments."""
    events = [
        {
            "span_key": 1,
            "event": "progress",
            "event_at": 9,
            "progress_done": 5,
            "progress_total": 10,
            "rows_processed": 3,
        },
        {"span_key": 1, "event": "progress", "event_at": 8, "progress_done": 4},
    ]
    ends: list[dict[str, Any]] = [
        {"span_key": 1, "spans_reported": 2, "rows_processed": 8, "sla_ms": 100.0},
        {"span_key": 2, "spans_reported": 3, "dry_run": 1},
    ]
    runs = table(RUN, {"run_key": 1, "root_run_key": 1, "status": Status.RUNNING, "started_us": 6, "queued_us": 2})
    members = table(MEMBER, {"span_key": 1, "run_key": 1, "rank": 1}, {"span_key": 2, "run_key": 1, "rank": 2})
    names = ("rows_processed", "progress_done", "progress_total", "sla_ms", "spans_reported", "dry_run")
    open_run = told(Words(facts_of(*events), runs, members), *names, "queue_ms", "queued_at", "ended_at")
    assert open_run == [
        {"rows_processed": 3, "progress_done": 5, "progress_total": 10, "sla_ms": None, "spans_reported": None}
        | {"dry_run": 0, "queue_ms": 0.004, "queued_at": 2, "ended_at": None}
    ]
    assert told(Words(facts_of(*events, *ends), runs, members), *names) == [
        {
            "rows_processed": 8,
            "progress_done": 5,
            "progress_total": 10,
            "sla_ms": 100,
            "spans_reported": 5,
            "dry_run": 1,
        }
    ]


def test_runs_are_named_by_the_id_that_was_given() -> None:
    """A parent in the batch by its own id, another as the run itself names it; calls get the names of their run."""
    facts = facts_of(
        {
            "span_key": 1,
            "trace_id": "t",
            "span_id": "a",
            "run_id": "order-7",
            "parent_run_id": "elsewhere",
            "workspace": "w",
        },
        {"span_key": 2, "trace_id": "t", "span_id": "b", "service_name": "shop"},
    )
    runs = table(
        RUN,
        {"run_key": 10, "parent_run_key": 99, "root_run_key": 99},
        {"run_key": 20, "parent_run_key": 10, "root_run_key": 10},
    )
    words = Words(facts, runs, table(MEMBER, {"span_key": 1, "run_key": 10}, {"span_key": 2, "run_key": 20}))
    assert told(words, "run_id", "parent_run_id", "root_run_id", "agent_name") == [
        {"run_id": "order-7", "parent_run_id": "elsewhere", "root_run_id": "elsewhere", "agent_name": ""},
        {"run_id": "t-b", "parent_run_id": "order-7", "root_run_id": "order-7", "agent_name": "shop"},
    ]
    of_calls = words.of_calls(np.array([20, 0, 10], np.uint64))
    assert of_calls["run_id"].strings() == ["t-b", "", "order-7"]
    assert of_calls["workspace"].packed(range(3)) == [b"\0", b"\0", string(b"w")]


def test_a_run_whose_facts_are_gone_is_not_written() -> None:
    """Nothing is made up for a run that nobody speaks for any more."""
    runs = table(RUN, {"run_key": 1, "root_run_key": 1}, {"run_key": 2, "root_run_key": 2})
    members = table(MEMBER, {"span_key": 1, "run_key": 1}, {"span_key": 2, "run_key": 2})
    words = Words(facts_of({"span_key": 2, "trace_id": "t", "span_id": "b"}), runs, members)
    assert told(words, "run_id") == [{"run_id": "t-b"}]
