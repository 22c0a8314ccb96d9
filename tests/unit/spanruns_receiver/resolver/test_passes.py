"""Passes over a real store: the rows do not depend on how, when and how often the spans came."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from spanruns_receiver.resolver import passes
from spanruns_receiver.resolver.facts import Batch, StoredFacts
from spanruns_schema.errors import StoreRejected
from spanruns_schema.store import Store

from tests.support.resolving import Bench
from tests.support.spans import content, exception, logs_request, record, span, spans_request, trace_id

pytestmark = pytest.mark.parametrize("shared_bench", [False, True], ids=["read", "kept"], indirect=True, scope="module")

DETAILS = "gen_ai.client.inference.operation.details"
RUN = {"gen_ai.operation.name": "invoke_agent"}
TOOL = {"gen_ai.operation.name": "execute_tool"}
MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1-mini", "gen_ai.provider.name": "openai"}


def usage(tokens_in: int, tokens_out: int) -> dict[str, Any]:
    """The usage attributes of a model call."""
    return MODEL | {"gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out}


def crew() -> list[Span | LogRecord]:
    """A trace with every kind of thing: a wrapper above two agents, one of which calls another through a tool; a call
    that four spans repeat, one of them hours later; a failed run; a run that waited; a resumed run in another trace; contents in
    log records, one of them hours later, some of spans that are not there; a part whose parent is lost, and a plain root."""
    hours = 3 * 3600 * 1000
    boss = {"gen_ai.agent.name": "boss", "session.id": "s-1", "user.id": "u-1", "spanruns.run.tags": ["a", "b"]}
    job = {
        "spanruns.kind": "run",
        "spanruns.run.kind": "job",
        "gen_ai.agent.name": "approval",
        "spanruns.run.id": "order-7",
    }
    return [
        span(
            1, "execute crew", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "crew"}, end_ms=9000
        ),
        span(2, "invoke_agent boss", RUN | boss | {"gen_ai.usage.input_tokens": 131}, parent=1),
        span(3, "chat", usage(20, 7) | {"gen_ai.input.messages": '[{"role":"user"}]'}, parent=2),
        span(4, "chat", usage(20, 7), parent=3),
        span(
            5, "execute_tool ask", TOOL | {"gen_ai.tool.name": "ask", "gen_ai.tool.call.arguments": {"q": 1}}, parent=2
        ),
        span(6, "invoke_agent helper", RUN | {"gen_ai.agent.name": "helper"}, parent=5),
        span(7, "chat", usage(111, 5), parent=6, end_ms=20_000),
        span(8, "invoke_agent clerk", RUN | {"gen_ai.agent.name": "clerk"}, parent=1, status="error", message="down"),
        span(9, "execute_tool get", TOOL | {"gen_ai.tool.name": "get"}, parent=8),
        span(10, "tools/call get", {"mcp.method.name": "tools/call"}, parent=9),
        span(
            11,
            "tools/call get",
            {"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool"},
            parent=10,
            start_ms=hours,
            end_ms=hours + 5,
            status="error",
            events=[exception("ConnectionError", "no route to host")],
        ),
        span(12, "step", parent=99),
        span(13, "chat", usage(1, 1), parent=12),
        span(14, "job", job | {"spanruns.run.status": "waiting"}, parent=8, end_ms=500),
        span(15, "job", job, trace=2, start_ms=60_000, end_ms=61_000, status="ok"),
        span(17, "plain", trace=4),
        span(18, "chat", usage(2, 1), parent=17, trace=4),
        record("started", 16, {"spanruns.kind": "run", "gen_ai.agent.name": "open"}, at_ms=20, parent=8),
        record("waiting", 16, {"spanruns.kind": "run", "spanruns.run.waiting_for": "anna"}, at_ms=40, parent=8),
        record("heartbeat", 16, {"spanruns.kind": "run", "spanruns.run.heartbeat_interval_ms": 10000}, at_ms=50),
        content(DETAILS, 3, of={"gen_ai.input.messages": "not this", "gen_ai.output.messages": ["hi"]}, at_ms=hours),
        content("gen_ai.system.message", 7, {"content": "be brief"}, at_ms=9),
        content("", 7, '{"content":"who?"}', {"event.name": "gen_ai.user.message"}, at_ms=9),
        content("gen_ai.choice", 7, {"index": 0, "message": {"content": "me"}}, at_ms=9),
        content("gen_ai.choice", 7, {"index": 1, "message": {"content": "you"}}, at_ms=10),
        content("gen_ai.choice", 99, {"message": {"content": "nobody"}}, at_ms=13),
        content("gen_ai.choice", 1, {"message": {"content": "nobody"}}, at_ms=13, trace=3),
        content("app.message", 7, {"content": "not this"}, {"content": "nor this"}, at_ms=7),
    ]


def receive(bench: Bench, pieces: list[Span | LogRecord]) -> None:
    """Receive spans and records as one request each."""
    spans = [piece for piece in pieces if isinstance(piece, Span)]
    records = [piece for piece in pieces if isinstance(piece, LogRecord)]
    if spans:
        bench.receive(spans_request(spans))
    if records:
        bench.receive(logs_request(records), signal="logs")


def in_one(bench: Bench, pieces: list[Span | LogRecord]) -> dict[str, list[dict[str, Any]]]:
    """The rows when everything comes at once."""
    bench.clear()
    receive(bench, pieces)
    bench.resolve()
    return bench.everything()


def test_one_request(bench: Bench) -> None:
    """The trace of the tests below, by its main fields: what any way of receiving it must give."""
    rows = in_one(bench, crew())
    runs = {row["agent_name"]: row for row in rows["runs"]}
    assert [row["agent_name"] for row in rows["runs"]] == [
        "crew",
        "boss",
        "helper",
        "clerk",
        "approval",
        "open",
        "plain",
    ]
    ids = {row["run_id"]: name for name, row in runs.items()} | {"": None}
    fields = ("status", "input_tokens", "output_tokens", "tool_call_count", "model_call_count", "reported_input_tokens")
    assert {name: (ids[row["parent_run_id"]], *(row[field] for field in fields)) for name, row in runs.items()} == {
        "crew": (None, "success", 132, 13, 0, 1, None),
        "boss": ("crew", "success", 131, 12, 1, 1, 131),
        "helper": ("boss", "success", 111, 5, 0, 1, None),
        "clerk": ("crew", "failed", 0, 0, 1, 0, None),
        "approval": ("clerk", "success", 0, 0, 0, 0, None),
        "open": ("clerk", "waiting", 0, 0, 0, 0, None),
        "plain": (None, "success", 2, 1, 0, 1, None),
    }
    assert runs["approval"]["run_id"] == "order-7"
    assert runs["approval"]["waiting_ms"] == 59_500
    assert {name for name, run in runs.items() if (run["session_id"], run["user_id"]) == ("s-1", "u-1")} == {
        "boss",
        "helper",
    }
    assert [(row["tool_name"], row["status"], row["error_type"], ids[row["run_id"]]) for row in rows["tool_calls"]] == [
        ("ask", "success", "", "boss"),
        ("get", "failed", "ConnectionError", "clerk"),
    ]
    asked = '[{"role":"system","content":"be brief"},{"role":"user","content":"who?"}]'
    answered = '[{"role":"assistant","content":"me"},{"role":"assistant","content":"you"}]'
    contents = ("input", "output", "input_size", "output_size")
    assert [
        (row["input_tokens"], ids[row["run_id"]], *(row[it] for it in contents)) for row in rows["model_calls"]
    ] == [
        (20, "boss", '[{"role":"user"}]', '["hi"]', 17, 6),
        (111, "helper", asked, answered, 73, 74),
        (1, "crew", "", "", 0, 0),
        (2, "plain", "", "", 0, 0),
    ]
    assert [runs["boss"][it] for it in contents] == ['[{"role":"user"}]', '["hi"]', 17, 6]
    assert [runs["helper"][it] for it in contents] == [asked, answered, 73, 74]
    assert [runs["crew"][it] for it in contents] == ["", "", 0, 0]


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[int] | None]:
    """Indexes of pieces by request, `None` for a resolver pass: all pieces, in any order, some of them again."""
    count = len(crew())
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=6))
    pieces = [*order, *again]
    bounds = sorted(draw(st.sets(st.integers(1, len(pieces) - 1), max_size=4)))
    requests: list[list[int] | None] = []
    for start, end in zip([0, *bounds], [*bounds, len(pieces)], strict=True):
        requests.append(pieces[start:end])
        if draw(st.booleans()):
            requests.append(None)
    return requests


def test_any_delivery_gives_the_same_rows(bench: Bench) -> None:
    """Any split into requests, any order, any repetition, passes in between: the rows are those of one request."""
    pieces = crew()
    expected = in_one(bench, pieces)

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(deliveries())
    def deliver(requests: list[list[int] | None]) -> None:
        bench.clear()
        for request in [*requests, None]:
            if request is None:
                bench.resolve()
            else:
                receive(bench, [pieces[index] for index in request])
        assert bench.everything() == expected

    deliver()


def test_what_a_pass_no_longer_finds_is_gone(bench: Bench) -> None:
    """A root that looked like a run, and calls that looked alone, vanish when what is around them arrives."""
    pieces = crew()
    receive(bench, [pieces[4], pieces[9], pieces[10]])
    bench.resolve()
    assert [row["tool_name"] for row in bench.rows("tool_calls")] == ["ask", "get"]
    receive(bench, pieces)
    bench.resolve()
    assert bench.everything() == in_one(bench, pieces)


FAILED: dict[str, Any] = {"status": "error", "message": "Error code: 429"}


def failing(kind: str, name: str) -> dict[str, Any]:
    """A span's arguments for one that failed so."""
    return {"status": "error", "message": f"{kind} said it", "events": [exception(name, f"{name} said it")]}


@pytest.mark.parametrize(
    ("name", "kind", "calls", "expected"),
    [
        ("model", "_OTHER", [("chat", 10, "RateLimitError")], "RateLimitError"),
        ("no type", "", [("chat", 10, "RateLimitError")], "RateLimitError"),
        ("tool", "_OTHER", [("chat", 10, ""), ("tool", 20, "NotFound")], "NotFound"),
        ("model before tool", "_OTHER", [("chat", 30, "RateLimitError"), ("tool", 40, "NotFound")], "RateLimitError"),
        ("the latest", "_OTHER", [("chat", 10, "First"), ("chat", 20, "Last")], "Last"),
        ("overcome", "_OTHER", [("chat", 10, "RateLimitError"), ("chat", 2000, "")], "_OTHER"),
        ("own word", "ValueError", [("chat", 10, "RateLimitError")], "ValueError"),
        ("no call", "_OTHER", [("chat", 10, "")], "_OTHER"),
    ],
)
def test_a_failure_without_a_type_is_told_by_the_call_that_explains_it(
    bench: Bench, name: str, kind: str, calls: list[tuple[str, int, str]], expected: str
) -> None:
    """The latest failed model call directly below, else the latest tool call, unless the model answered after it."""
    del name
    pieces = [span(1, "invoke_agent a", RUN | ({"error.type": kind} if kind else {}), end_ms=5000, **FAILED)]
    for number, (role, start_ms, error) in enumerate(calls, 2):
        attributes = (MODEL if role == "chat" else TOOL) | ({"error.type": error} if error else {})
        end = failing(role, error) if error else {}
        pieces.append(span(number, role, attributes, parent=1, start_ms=start_ms, end_ms=start_ms + 5, **end))
    bench.receive(spans_request(pieces))
    bench.resolve()
    (run,) = bench.rows("runs")
    assert (run["status"], run["error_type"]) == ("failed", expected)
    assert run["error_message"] == ("Error code: 429" if expected in (kind, "_OTHER") else f"{expected} said it")
    assert run["error_class"] == (
        "rate_limit" if "429" in run["error_message"] or "Rate" in expected else run["error_class"]
    )


def test_a_run_that_succeeded_is_told_nothing(bench: Bench) -> None:
    """A failed tool does not fail its run, nor does its error stand there."""
    tool = span(2, "execute_tool t", TOOL, parent=1, **failing("tool", "NotFound"))
    bench.receive(spans_request([span(1, "invoke_agent a", RUN, end_ms=5000), tool]))
    bench.resolve()
    (run,) = bench.rows("runs")
    told = ("status", "error_type", "error_message", "error_class", "error_fingerprint")
    assert [run[name] for name in told] == ["success", "", "", "", ""]


def test_a_batch_with_much_text_is_halved(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little text a pass may hold, the rows are the same."""
    pieces = crew()
    expected = in_one(bench, pieces)
    bench.clear()
    monkeypatch.setattr(passes, "BATCH_CONTENT_BYTES", 1)
    receive(bench, pieces)
    bench.resolve()
    assert bench.everything() == expected


def test_of_kept_traces_those_with_spans_that_came_twice_are_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client that sends again does not make the others' traces be read."""
    pieces: list[Span | LogRecord] = [span(1, "invoke_agent a", RUN, trace=trace) for trace in range(1, 6)]
    read: list[str] = []

    def noted(store: Store, batch: Batch, **named: Any) -> Any:
        read.extend(batch.traces)
        return StoredFacts(store, batch, **named)

    monkeypatch.setattr(passes, "StoredFacts", noted)
    receive(bench, [*pieces, pieces[2]])
    bench.resolve()
    every = {trace_id(trace) for trace in range(1, 6)}
    assert sorted(run["trace_id"] for run in bench.rows("runs")) == sorted(every)
    assert set(read) == ({trace_id(3)} if bench.keeps else every)


def test_batches_share_inserts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of traces that have no rows yet several batches are inserted at once, in parts where they are large; the rows are the same."""
    pieces: list[Span | LogRecord] = [
        piece
        for trace in range(1, 6)
        for piece in (
            span(1, "invoke_agent a", RUN, trace=trace),
            span(2, "execute_tool t", TOOL, parent=1, trace=trace),
            span(3, "chat", usage(5, 7), parent=1, trace=trace),
        )
    ]
    expected = in_one(bench, pieces)
    inserted: list[str] = []
    insert = bench.store.insert

    def counted(table: str, *given: Any, **named: Any) -> None:
        inserted.append(table)
        insert(table, *given, **named)

    monkeypatch.setattr(bench.store, "insert", counted)
    monkeypatch.setattr(passes, "BATCH_TRACES", 2)
    monkeypatch.setattr(passes, "RECENT_TRACES", 2)
    for insert_bytes, times in ((passes.INSERT_BYTES, 1), (1, 3)):
        monkeypatch.setattr(passes, "INSERT_BYTES", insert_bytes)
        bench.clear()
        receive(bench, pieces)
        inserted.clear()
        bench.resolve(old_until=datetime.fromtimestamp(0, UTC))
        assert bench.everything() == expected
        assert Counter(inserted) == {f"{table}_data": times for table in ("runs", "tool_calls", "model_calls")}


@pytest.mark.parametrize(("batch_traces", "insert_bytes"), [(2, passes.INSERT_BYTES), (100, 1)])
def test_a_trace_whose_rows_are_refused(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    batch_traces: int,
    insert_bytes: int,
) -> None:
    """It is logged and left out; all others are written, whatever shared their batch and insert."""
    monkeypatch.setattr(passes, "BATCH_TRACES", batch_traces)
    monkeypatch.setattr(passes, "RECENT_TRACES", batch_traces)
    monkeypatch.setattr(passes, "INSERT_BYTES", insert_bytes)
    pieces: list[Span | LogRecord] = [
        piece
        for trace in range(1, 12)
        for piece in (
            span(1, f"invoke_agent a{trace}", RUN, trace=trace),
            span(2, f"execute_tool t{trace}", TOOL, parent=1, trace=trace),
            span(3, "chat", usage(5, 7), parent=1, trace=trace),
        )
    ]
    receive(bench, pieces)
    bench.store.command("ALTER TABLE tool_calls_data ADD CONSTRAINT odd CHECK tool_name NOT IN ('t4', 't9')")
    try:
        bench.resolve(old_until=datetime.fromtimestamp(0, UTC))
    finally:
        bench.store.command("ALTER TABLE tool_calls_data DROP CONSTRAINT odd")
    assert {call["tool_name"] for call in bench.rows("tool_calls")} == {f"t{n}" for n in range(1, 12)} - {"t4", "t9"}
    others = {trace_id(n) for n in range(1, 12)} - {trace_id(4), trace_id(9)}
    for table in ("runs", "model_calls"):
        assert others <= {row["trace_id"] for row in bench.rows(table)}
    left_out = [record.getMessage() for record in caplog.records]
    assert sorted(left_out) == [f"trace {trace_id(n)} cannot be resolved" for n in (4, 9)]
    bench.resolve()
    assert len(bench.rows("tool_calls")) == 11


def test_a_store_that_takes_no_rows(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """No trace is left out for it: the pass fails, and is made again."""
    receive(bench, crew())
    bench.store.command("ALTER TABLE tool_calls_data RENAME COLUMN result TO away")
    try:
        with pytest.raises(StoreRejected):
            bench.resolve(old_until=datetime.fromtimestamp(0, UTC))
    finally:
        bench.store.command("ALTER TABLE tool_calls_data RENAME COLUMN away TO result")
    assert caplog.records == []
    bench.resolve()
    assert len(bench.rows("tool_calls")) > 0


def test_calls_of_more_days_than_an_insert_may_have(bench: Bench) -> None:
    """Whoever has such a clock keeps no trace from being resolved; ClickHouse takes rows of a hundred days at once by default."""
    day_ms, days = 86_400_000, 120
    calls = [
        span(2 + day, "execute_tool t", TOOL, parent=1, start_ms=day * day_ms, end_ms=day * day_ms + 5)
        for day in range(days)
    ]
    for half in (calls[: days // 2], calls[days // 2 :]):
        bench.receive(spans_request(half))
    bench.receive(spans_request([span(1, "invoke_agent a", RUN, end_ms=days * day_ms)]))
    bench.resolve()
    assert [run["tool_call_count"] for run in bench.rows("runs")] == [days]
    assert len(bench.rows("tool_calls")) == days


def test_a_trace_of_20_000_spans_in_a_chain(bench: Bench) -> None:
    """Depth does not matter: the call at the bottom belongs to the run at the top."""
    count = 20_000
    spans = [span(n + 1, "step", parent=n, start_ms=0) for n in range(1, count - 1)]
    random.Random(7).shuffle(spans)
    ends = [
        span(1, "invoke_agent deep", RUN | {"gen_ai.agent.name": "deep"}),
        span(count, "execute_tool t", TOOL, parent=count - 1),
    ]
    bench.receive(spans_request([*spans, *ends]))
    began = time.monotonic()
    bench.resolve()
    assert time.monotonic() - began < 20
    outcome = bench.outcome()
    assert [(run["agent_name"], run["tools"]) for run in outcome["runs"]] == [("deep", [["t", "success"]])]
    assert bench.rows("runs")[0]["spans_stored"] == count


def test_a_run_of_5_000_tool_calls_and_15_000_other_spans(bench: Bench) -> None:
    """Width does not matter either: every call is there once."""
    spans = [span(1, "invoke_agent wide", RUN | {"gen_ai.agent.name": "wide"})]
    spans += [span(n, f"execute_tool t{n}", TOOL, parent=1, start_ms=n // 10) for n in range(2, 5_002)]
    spans += [span(n, "step", parent=1 + n % 5_000, start_ms=0) for n in range(5_002, 20_002)]
    bench.receive(spans_request(spans))
    bench.resolve()
    run = bench.rows("runs")[0]
    assert (run["tool_call_count"], run["spans_stored"]) == (5_000, 20_001)
    assert len({call["tool_name"] for call in bench.rows("tool_calls")}) == 5_000


def test_only_the_given_traces_are_resolved(bench: Bench) -> None:
    """A pass over one trace leaves the rows of others as they are."""
    bench.receive(
        spans_request(
            [span(1, "invoke_agent a", RUN, trace=1), span(2, "invoke_agent b", RUN, trace=2)],
        )
    )
    bench.resolve([trace_id(1)])
    assert [row["agent_name"] for row in bench.rows("runs")] == ["a"]
    bench.resolve([trace_id(2)])
    assert [row["agent_name"] for row in bench.rows("runs")] == ["a", "b"]


def test_a_suspended_run_that_went_on_elsewhere(bench: Bench) -> None:
    """A late span of the trace in which a run began does not undo what came of it in another trace under its default id."""
    job = {"spanruns.kind": "run", "spanruns.run.kind": "job", "gen_ai.agent.name": "approval"}
    given = {"spanruns.run.id": f"{trace_id(1)}-{1:016x}"}
    receive(bench, [span(1, "job", job | {"spanruns.run.status": "waiting"}, end_ms=500)])
    receive(bench, [span(2, "job", job | given, trace=2, start_ms=60_000, end_ms=61_000, status="ok")])
    bench.resolve()
    receive(bench, [span(3, "execute_tool get", TOOL, parent=1)])
    bench.resolve([trace_id(1)])
    assert [(row["status"], row["waiting_ms"], row["tool_call_count"]) for row in bench.rows("runs")] == [
        ("success", 59_500, 1)
    ]
