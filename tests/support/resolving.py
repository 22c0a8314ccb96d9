"""Receiving and resolving in one process: requests in, rows out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Signal, decode
from spanruns_receiver.resolver.loop import Resolver
from spanruns_receiver.resolver.passes import Books, resolve_traces
from spanruns_receiver.resolver.recent import Recent, RecentFacts
from spanruns_schema import migrate
from spanruns_schema.store import Store, rows

FIXTURES = Path(__file__).parents[1] / "fixtures"
TABLES = (
    "otel_traces",
    "otel_logs",
    "otel_traces_trace_id_ts",
    "span_facts",
    "runs_data",
    "tool_calls_data",
    "model_calls_data",
)


@contextmanager
def running(resolver: Resolver) -> Iterator[None]:
    """The resolver in a thread of its own, stopped at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=resolver.run_forever, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        resolver.poke()
        thread.join(30)
        assert not thread.is_alive()


class Bench:
    """A store with the schema, and what a receiver does with requests, step by step.

    `shared`: the store maps raw rows to facts, as a server does where others write too; else that is done here.
    `keeps`: what was written is kept, and resolved without reading it.
    """

    def __init__(self, store: Store, *, shared: bool = False, keeps: bool = False) -> None:
        self.store = store
        self._shared = shared
        self.keeps = keeps
        self._recent = Recent(2**40) if keeps else None
        migrate.apply(store, shared=shared)
        for table in TABLES:  # captures and made-up times are older than what a store keeps
            store.command(f"ALTER TABLE {table} REMOVE TTL")
        self.books = Books(store)

    def clear(self) -> None:
        """Empty every table."""
        for table in (*TABLES, "resolved_until"):
            self.store.command(f"TRUNCATE TABLE {table}")
        if self._recent:
            self._recent = Recent(2**40)

    def rows_of(self, *payloads: bytes) -> dict[str, list[dict[str, Any]]]:
        """The rows when nothing but these trace requests has come, as `everything` gives them."""
        self.clear()
        self.receive(*payloads)
        self.resolve()
        return self.everything()

    def receive_captures(self, *names: str) -> None:
        """Receive captured requests, and the log records that came with them."""
        self.receive(*map(request, names))
        if records := [payload for name in names for payload in records_of(name)]:
            self.receive(*records, signal="logs")

    def receive(self, *payloads: bytes, signal: Signal = "traces") -> None:
        """Decode requests and insert them as one batch."""
        for table, block in decode(signal, payloads, facts=not self._shared).blocks.items():
            if block.rows:
                self.store.insert(table, block.columns, block.native)
                if self._recent and table == "span_facts":
                    self._recent.add(block.native)

    def resolve(self, traces: Sequence[str] = (), *, old_until: datetime | None = None) -> None:
        """Resolve the given traces, all that are stored by default; see `resolve_traces` for `old_until`."""
        found = traces or [row["trace_id"] for row in rows(self.store, "SELECT DISTINCT trace_id FROM span_facts")]
        recent = self._kept if self._recent else None
        resolve_traces(self.store, self.books, found, old_until=old_until, recent=recent)

    def _kept(self, traces: Sequence[str]) -> RecentFacts:
        assert self._recent
        return self._recent.kept().facts(traces, 0)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of `runs`, `tool_calls` or `model_calls`, in order, without its version."""
        without = "EXCEPT (version)" if table == "runs" else ""
        found = rows(self.store, f"SELECT * {without} FROM {table} ORDER BY started_at, span_id")
        for row in found:
            if "tags" in row:
                row["tags"].sort()
        return found

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of all three."""
        return {table: self.rows(table) for table in ("runs", "tool_calls", "model_calls")}

    def outcome(self) -> dict[str, Any]:
        """What the store holds, in the words of `fixtures/expected.json`."""
        return outcome(self.everything())


def outcome(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Rows of `runs`, `tool_calls` and `model_calls` in the words of `fixtures/expected.json`."""
    names = {run["run_id"]: run["agent_name"] for run in found["runs"]}
    lone_models = [call for call in found["model_calls"] if not call["run_id"]]
    return {
        "runs": [
            {
                "agent_name": run["agent_name"],
                "kind": run["kind"],
                "status": run["status"],
                "tools": sorted(
                    [call["tool_name"], call["status"]]
                    for call in found["tool_calls"]
                    if call["run_id"] == run["run_id"]
                ),
                "model_calls": sum(call["run_id"] == run["run_id"] for call in found["model_calls"]),
                "input_tokens": run["input_tokens"],
                "output_tokens": run["output_tokens"],
                "parent": names.get(run["parent_run_id"]),
            }
            for run in found["runs"]
        ],
        "lone_model_calls": len(lone_models),
        "lone_model_calls_failed": sum(call["status"] == "failed" for call in lone_models),
        "lone_tool_calls": sum(not call["run_id"] for call in found["tool_calls"]),
    }


def expected_outcomes() -> dict[str, dict[str, Any]]:
    """`fixtures/expected.json`: outcome by fixture."""
    found: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text())["fixtures"]
    return found


def live_outcomes() -> dict[str, dict[str, Any]]:
    """Those that are so as soon as the captures have come, not `late`: when parents that never come are awaited no longer."""
    return {name: expected for name, expected in expected_outcomes().items() if not expected.get("late")}


def untold(name: str) -> int:
    """How many model calls of a fixture have no input, in its reviewed rows."""
    rows = json.loads((FIXTURES / "rows" / f"{name.replace(' ', '_')}.json").read_text())
    return sum("input" not in call for call in rows["model_calls"])


def request(name: str) -> bytes:
    """A captured trace request."""
    return (FIXTURES / "otlp" / f"{name}.pb").read_bytes()


def records_of(name: str) -> list[bytes]:
    """The captured request of log records that came with it, if there is one."""
    path = FIXTURES / "logs" / f"{name}.pb"
    return [path.read_bytes()] if path.exists() else []


def traces_of(name: str) -> set[str]:
    """The ids of a captured request's traces."""
    found = ExportTraceServiceRequest.FromString(request(name))
    scopes = [scope for resource in found.resource_spans for scope in resource.scope_spans]
    return {span.trace_id.hex() for scope in scopes for span in scope.spans}


def differences(expected: dict[str, Any], outcome: dict[str, Any]) -> list[str]:
    """How an outcome differs from what is expected; a null name stands for any, workflows above agents are not listed."""
    left = list(outcome["runs"])
    wrong = []
    for run in expected["runs"]:
        match = next((found for found in left if _matches(run, found)), None)
        if match is None:
            wrong.append(f"missing {run}")
        else:
            left.remove(match)
    parents = {run["parent"] for run in outcome["runs"]}
    wrong += [f"unexpected {run}" for run in left if run["kind"] != "workflow" or run["agent_name"] not in parents]
    for count in ("lone_model_calls", "lone_model_calls_failed", "lone_tool_calls"):
        if outcome[count] != expected.get(count, 0):
            wrong.append(f"{count}: {outcome[count]} instead of {expected.get(count, 0)}")
    return wrong


def _matches(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    names = expected["agent_name"] in (None, found["agent_name"]) and found["agent_name"]
    nameless = any(name is None for name, _ in expected["tools"])
    tools = _tools(expected["tools"], nameless) == _tools(found["tools"], nameless)
    same = all(
        found[name] == expected[name]
        for name in ("status", "model_calls", "input_tokens", "output_tokens", "parent")
        if name in expected
    )
    return bool(names and tools and same)


def _tools(tools: Iterable[Sequence[Any]], nameless: bool) -> list[list[Any]]:
    return sorted(([None, status] if nameless else [name, status]) for name, status in tools)
