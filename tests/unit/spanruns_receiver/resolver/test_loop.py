"""The resolver that runs for ever: it finds what others write, looks again when it should, survives an outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from spanruns_receiver.decode import Signal, decode
from spanruns_receiver.resolver import arrivals, loop, passes
from spanruns_receiver.resolver.loop import Resolver
from spanruns_receiver.resolver.recent import can_keep
from spanruns_receiver.resolver.summary import resolve
from spanruns_schema.errors import StoreUnavailable
from spanruns_schema.store import Store

from tests.support.resolving import Bench, running
from tests.support.spans import content, logs_request, span, spans_request

RUN = {"gen_ai.operation.name": "invoke_agent"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get"}


def eventually(found: Callable[[], Any], expected: Any, seconds: float = 20) -> None:
    """Wait until `found()` is what is expected."""
    end = time.monotonic() + seconds
    while (last := found()) != expected:
        assert time.monotonic() < end, last
        time.sleep(0.05)


def names(bench: Bench) -> list[str]:
    """The names of all runs."""
    return [row["agent_name"] for row in bench.rows("runs")]


def test_it_finds_what_another_writes(bench: Bench) -> None:
    """Traces are found without being told, resolved again when more of them comes, and once more at the end."""
    resolver = Resolver(bench.store)
    with running(resolver):
        bench.receive(spans_request([span(2, "execute_tool get", TOOL, parent=1)]))
        eventually(lambda: [row["run_id"] for row in bench.rows("tool_calls")], [""])
        bench.receive(spans_request([span(1, "invoke_agent late", RUN)]))
        resolver.poke()
        eventually(lambda: names(bench), ["late"])
        eventually(lambda: [row["run_id"] != "" for row in bench.rows("tool_calls")], [True])
        bench.receive(spans_request([span(3, "invoke_agent last", RUN, trace=2)]))
    assert names(bench) == ["late", "last"]
    assert resolver.failures == 0


class Outage:
    """A store that can be away: every call fails until it is back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.database = store.database
        self.away = False

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return getattr(self._store, name)


def test_it_survives_an_outage(bench: Bench) -> None:
    """While the store is away passes fail and are counted; what was written meanwhile is resolved when it is back."""
    store = Outage(bench.store)
    resolver = Resolver(store)
    with running(resolver):
        store.away = True
        eventually(lambda: resolver.failures > 0, True)
        bench.receive(spans_request([span(1, "invoke_agent meanwhile", RUN)]))
        store.away = False
        eventually(lambda: names(bench), ["meanwhile"])


def test_a_new_resolver_takes_up_where_the_last_stopped(bench: Bench) -> None:
    """What arrived while none ran is resolved; `since` says how far back it looks."""
    bench.receive(spans_request([span(1, "invoke_agent before", RUN)]))
    with running(Resolver(bench.store, since=datetime.now(UTC) + timedelta(seconds=5))):
        pass
    assert names(bench) == []
    with running(Resolver(bench.store)):
        eventually(lambda: names(bench), ["before"])


def test_a_trace_that_only_grows_is_resolved_seldom(bench: Bench) -> None:
    """Spans that change no run wait, longer the older the trace is; an end is resolved at once."""
    resolver = Resolver(bench.store)
    bench.receive(spans_request([span(2, "execute_tool get", TOOL, parent=1)]))
    assert resolver.make_pass() is False
    assert resolver.passes == 1
    trace = resolver._seen[f"{1:032x}"]
    trace.first_s -= 100
    bench.receive(spans_request([span(3, "execute_tool get", TOOL, parent=1)]))
    resolver.make_pass()
    assert resolver.passes == 1
    assert trace.due_s - trace.resolved_s == pytest.approx(100 * loop.BUSY_SHARE, abs=1)
    bench.receive(spans_request([span(1, "invoke_agent end", RUN)]))
    resolver.make_pass()
    assert resolver.passes == 2
    assert [row["tool_call_count"] for row in bench.rows("runs")] == [2]


def test_contents_after_the_end_are_shown_at_once(bench: Bench) -> None:
    """The first that come alone after a run's end; those that come then, or while it goes on, wait as all that only adds to a trace."""
    resolver = Resolver(bench.store)
    bench.receive(spans_request([span(2, "execute_tool get", TOOL, parent=1)]))
    resolver.make_pass()
    resolver._seen[f"{1:032x}"].first_s -= 100
    passes = []
    told: list[dict[Signal, bytes]] = [
        {"logs": logs_request([content("gen_ai.user.message", 1, {"content": "early"}, at_ms=1)])},
        {"traces": spans_request([span(1, "invoke_agent end", RUN)])},
        {"logs": logs_request([content("gen_ai.choice", 1, {"message": {"content": "late"}}, at_ms=2)])},
        {"logs": logs_request([content("gen_ai.choice", 1, {"message": {"content": "later"}}, at_ms=3)])},
    ]
    for number, requests in enumerate(told):
        for signal, request in requests.items():
            bench.receive(request, signal=signal)
        resolver.make_pass()
        passes.append((number, resolver.passes))
    assert passes == [(0, 1), (1, 2), (2, 3), (3, 3)]
    assert "late" in bench.rows("runs")[0]["output"]


def test_a_missing_parent_is_awaited_then_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain span whose parent may still come makes no run until its trace has been quiet for a while."""
    resolver = Resolver(bench.store)
    pieces = [span(2, "step", parent=1), span(3, "execute_tool get", TOOL, parent=2)]
    bench.receive(spans_request(pieces))
    resolver.make_pass()
    assert names(bench) == []
    trace = resolver._seen[f"{1:032x}"]
    assert list(resolver._waiting.values()) == [trace]
    assert trace.due_s - trace.resolved_s == pytest.approx(loop.SETTLE_S, abs=1)
    monkeypatch.setattr(loop, "SETTLE_S", 0.0)
    trace.due_s = 0.0
    resolver.make_pass()
    assert names(bench) == ["step"]
    assert resolver._waiting == {}


def test_more_traces_than_fit_a_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit waits for the next pass, which is due at once; forgotten traces are found again."""
    monkeypatch.setattr(loop, "PASS_TRACES", 3)
    monkeypatch.setattr(loop, "REMEMBERED", 2)
    monkeypatch.setattr(arrivals, "OVERLAP_S", 0.0)
    bench.receive(spans_request([span(1, f"invoke_agent a{n}", RUN, trace=n) for n in range(1, 6)]))
    resolver = Resolver(bench.store)
    assert resolver.make_pass() is True
    assert resolver.make_pass() is False
    assert sorted(names(bench)) == ["a1", "a2", "a3", "a4", "a5"]
    assert len(resolver._seen) == 2
    bench.receive(spans_request([span(2, "execute_tool get", TOOL, parent=1)]))
    assert resolver.make_pass() is False
    assert [row["tool_call_count"] for row in bench.rows("runs") if row["agent_name"] == "a1"] == [1]


class Unread:
    """A store in which nobody may look for facts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def query(self, text: str, *args: Any, **settings: Any) -> bytes:
        """Pass on what does not read facts."""
        if "span_facts" in text:
            raise StoreUnavailable(text)
        return self._store.query(text, *args, **settings)


def told(bench: Bench, resolver: Resolver, *spans: Any) -> None:
    """What a writer does: store spans with their facts, and tell the resolver."""
    payload = spans_request(list(spans))
    bench.receive(payload)
    resolver.tell(decode("traces", [payload], facts=True).blocks["span_facts"].native)


def soon(number: int, name: str, attributes: dict[str, Any], **of: Any) -> Any:
    """A span that begins after the resolver did."""
    made = span(number, name, attributes, **of)
    now_ns = time.time_ns() + 60 * 10**9
    made.start_time_unix_nano, made.end_time_unix_nano = now_ns, now_ns + 10**6
    return made


@pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")
def test_what_it_is_told_it_does_not_read(bench: Bench) -> None:
    """Traces that came in blocks are resolved from these, also when more of them comes; what is given up is read."""
    resolver = Resolver(bench.store, is_told=True)
    resolver.make_pass()
    resolver._store = Unread(bench.store)  # type: ignore[assignment]
    told(bench, resolver, soon(2, "execute_tool get", TOOL, parent=1))
    resolver.make_pass(everything=True)
    assert [row["run_id"] for row in bench.rows("tool_calls")] == [""]
    told(bench, resolver, soon(1, "invoke_agent told", RUN))
    resolver.make_pass(everything=True)
    assert names(bench) == ["told"]
    assert [row["run_id"] != "" for row in bench.rows("tool_calls")] == [True]
    resolver._recent._kept_bytes = 1
    told(bench, resolver, soon(3, "execute_tool get", TOOL, parent=1), soon(4, "invoke_agent new", RUN, trace=2))
    with pytest.raises(StoreUnavailable, match="span_facts"):
        resolver.make_pass(everything=True)
    resolver._store = bench.store
    resolver.make_pass(everything=True)
    assert sorted(names(bench)) == ["new", "told"]
    assert [row["tool_call_count"] for row in bench.rows("runs") if row["agent_name"] == "told"] == [2]


@pytest.mark.parametrize(
    "is_told", [False, pytest.param(True, marks=pytest.mark.skipif(not can_keep(), reason="needs it"))]
)
def test_a_trace_that_nobody_foresaw(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_told: bool
) -> None:
    """It is logged, counted and left out; all others of its batch are resolved."""
    resolver = Resolver(bench.store, is_told=is_told)
    resolver.make_pass()

    def broken(facts: Any, *given: Any) -> Any:
        if (facts["started_us"] % 7 == 3).any():
            raise IndexError("nobody foresaw this")
        return resolve(facts, *given)

    monkeypatch.setattr(passes, "resolve", broken)
    runs = [soon(1, f"invoke_agent a{n}", RUN, trace=n) for n in range(1, 8)]
    for n, run in enumerate(runs, 1):
        run.start_time_unix_nano = run.start_time_unix_nano // 7_000 * 7_000 + (3_000 if n == 5 else 0)
    told(bench, resolver, *runs)
    assert resolver.make_pass() is False
    assert sorted(names(bench)) == ["a1", "a2", "a3", "a4", "a6", "a7"]
    assert resolver.failures == 1
    assert f"trace {5:032x} cannot be resolved" in caplog.text
    assert resolver.waiting == 0


def test_it_goes_on_after_an_error_that_nobody_foresaw(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that fails is made again."""
    monkeypatch.setattr(loop, "RETRY_S", 0.0)
    resolver = Resolver(bench.store)
    look, looks = resolver._look, iter(range(10**6))

    def broken(now: float) -> None:
        if next(looks) == 0:
            raise IndexError("nobody foresaw this")
        look(now)

    monkeypatch.setattr(resolver, "_look", broken)
    with running(resolver):
        bench.receive(spans_request([span(1, "invoke_agent after", RUN)]))
        eventually(lambda: names(bench), ["after"])
    assert resolver.failures == 1


@pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")
def test_a_writer_waits_for_one_that_is_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is no room for more facts who told of them is held up, until a pass has taken them, but not for ever."""
    monkeypatch.setattr(loop, "PATIENCE_S", 60.0)
    resolver = Resolver(bench.store, is_told=True)
    resolver.make_pass()
    resolver._recent._kept_bytes = 1
    writing = threading.Thread(target=told, args=(bench, resolver, soon(1, "invoke_agent held", RUN)))
    writing.start()
    eventually(lambda: resolver._recent.is_full, True)
    writing.join(0.2)
    assert writing.is_alive()
    resolver.make_pass()
    writing.join(20)
    assert not writing.is_alive()
    assert names(bench) == ["held"]
    monkeypatch.setattr(loop, "PATIENCE_S", 0.0)
    told(bench, resolver, soon(1, "invoke_agent later", RUN, trace=2))
    assert resolver._recent.is_full


@pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")
def test_a_full_memory_shortens_the_rest(bench: Bench) -> None:
    """With room there is time between two passes; without, the next one begins."""
    resolver, stop = Resolver(bench.store, is_told=True), threading.Event()
    began = time.monotonic()
    resolver._rest(0.3, stop)
    assert time.monotonic() - began >= 0.3
    resolver._recent._new_bytes = 2**40
    began = time.monotonic()
    resolver._rest(60, stop)
    assert time.monotonic() - began < 30


@pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")
def test_what_is_written_while_it_catches_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not kept meanwhile, which may take long, but found in the store after that."""
    bench.receive(spans_request([span(1, "invoke_agent before", RUN)]))
    resolver = Resolver(bench.store, is_told=True)
    catching_up, go_on = threading.Event(), threading.Event()

    def catch_up(stop: threading.Event) -> None:
        catching_up.set()
        assert go_on.wait(30)

    monkeypatch.setattr(resolver, "_catch_up", catch_up)
    with running(resolver):
        assert catching_up.wait(30)
        told(bench, resolver, soon(1, "invoke_agent meanwhile", RUN, trace=2))
        assert resolver._recent.kept().blocks == []
        go_on.set()
        eventually(lambda: "meanwhile" in names(bench), True)
        told(bench, resolver, soon(1, "invoke_agent after", RUN, trace=3))
        eventually(lambda: "after" in names(bench), True)
        assert len(resolver._recent.kept().blocks) == 1


def test_more_facts_than_fit_a_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is far behind learns of the oldest inserts first, and of the others by and by; of none twice."""
    monkeypatch.setattr(arrivals, "LOOK_FACTS", 2)
    looking = arrivals.Arrivals(bench.store, datetime.now(UTC))
    for n in range(1, 6):
        bench.receive(spans_request([span(1, f"invoke_agent a{n}", RUN, trace=n)]))
    looks: list[list[str]] = []
    while not looks or looking.is_behind:
        looks.append([touched.trace_id for touched in looking.look()])
    assert [len(look) for look in looks] == [2, 2, 1]
    assert [sorted(look) for look in looks] == [[f"{n:032x}" for n in part] for part in ((1, 2), (3, 4), (5,))]
    assert list(looking.look()) == []


@pytest.mark.skipif(not can_keep(), reason="nothing is compiled here")
def test_what_it_was_not_told_it_looks_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What was written before it began is found in the store, as is a block that nobody can read."""
    bench.receive(spans_request([span(1, "invoke_agent before", RUN)]))
    resolver = Resolver(bench.store, is_told=True)
    resolver.make_pass()
    assert names(bench) == ["before"]
    payload = spans_request([soon(1, "invoke_agent lost", RUN, trace=2)])
    bench.receive(payload)
    resolver.tell(b"no block")
    resolver.make_pass()
    assert names(bench) == ["before", "lost"]
    assert "cannot be kept" in caplog.text


@pytest.mark.parametrize(
    "is_told", [False, pytest.param(True, marks=pytest.mark.skipif(not can_keep(), reason="needs it"))]
)
def test_contents_that_come_long_after_their_span(bench: Bench, is_told: bool) -> None:
    """A resolver that never saw the span of a record, which is younger than itself, finds it in the store; nothing else changes."""
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    first = Resolver(bench.store)
    bench.receive(spans_request([span(1, "invoke_agent old", RUN), span(2, "chat m", chat, parent=1)]))
    first.make_pass(everything=True)
    before = bench.everything()
    second = Resolver(bench.store, since=datetime.now(UTC), is_told=is_told)
    second.make_pass(everything=True)
    late = content("gen_ai.user.message", 2, {"content": "hi"}, at_ms=0)
    late.time_unix_nano = time.time_ns() + 60 * 10**9
    payload = logs_request([late])
    for _ in range(2):
        bench.receive(payload, signal="logs")
        second.tell(decode("logs", [payload], facts=True).blocks["span_facts"].native)
        second.make_pass(everything=True)
        text = '[{"role":"user","content":"hi"}]'
        told = {"input": text, "input_size": len(text)}
        assert bench.everything() == {
            table: [row | told if table != "tool_calls" else row for row in found] for table, found in before.items()
        }
