"""What was written while no resolver ran, however long ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from spanruns_receiver.resolver import missed
from spanruns_receiver.resolver.loop import Resolver
from spanruns_receiver.resolver.missed import MARGIN, last_pass, reach, resolve_missed
from spanruns_receiver.resolver.passes import resolve_traces
from spanruns_schema.errors import StoreUnavailable
from spanruns_schema.store import rows

from tests.support.resolving import Bench, running
from tests.support.spans import span, spans_request

RUN = {"gen_ai.operation.name": "invoke_agent"}
NOW = datetime.now(UTC)


def _written(bench: Bench, *ages_h: int) -> None:
    """One run each, `age <hours>`, whose facts were written so many hours ago."""
    for hours in ages_h:
        bench.receive(spans_request([span(1, f"invoke_agent age {hours}", RUN, trace=hours)]))
    facts = bench.store.query(
        "SELECT * REPLACE (inserted_at - toIntervalHour(reinterpretAsUInt64(reverse(unhex(trace_id)))) AS inserted_at) "
        "FROM span_facts FORMAT Native"
    )
    columns = [row["name"] for row in rows(bench.store, "DESCRIBE TABLE span_facts")]
    bench.store.command("TRUNCATE TABLE span_facts")
    bench.store.insert("span_facts", columns, facts)


def _names(bench: Bench) -> list[str]:
    return sorted(run["agent_name"] for run in bench.rows("runs"))


def _eventually(bench: Bench, names: list[str]) -> None:
    end = time.monotonic() + 60
    while _names(bench) != names:
        assert time.monotonic() < end, _names(bench)
        time.sleep(0.1)


def test_a_first_resolver_finds_everything(bench: Bench) -> None:
    """In a store that none has worked on, facts of last week are resolved too."""
    _written(bench, 170, 30, 2)
    with running(Resolver(bench.store)):
        _eventually(bench, ["age 170", "age 2", "age 30"])


def test_only_the_stretch_that_is_asked_for(bench: Bench) -> None:
    """Facts from before and after the two times are left alone; a stop ends it at once."""
    _written(bench, 50, 30, 2)
    after, until = NOW - timedelta(hours=40), NOW - timedelta(hours=10)
    stopped = threading.Event()
    stopped.set()
    assert resolve_missed(bench.store, bench.books, after, until, stopped) == 0
    assert resolve_missed(bench.store, bench.books, after, until, threading.Event()) == 1
    assert _names(bench) == ["age 30"]


def test_where_the_last_pass_was(bench: Bench) -> None:
    """Nothing in an empty store, before the oldest fact without runs, a margin before the newest row otherwise."""
    assert last_pass(bench.store) is None
    _written(bench, 30)
    (oldest,) = rows(bench.store, "SELECT toUnixTimestamp64Micro(min(inserted_at)) AS us FROM span_facts")
    found = last_pass(bench.store)
    assert found is not None
    assert round(found.timestamp() * 1e6) == oldest["us"] - 1
    bench.resolve()
    (newest,) = rows(bench.store, "SELECT max(version) AS us FROM runs_data")
    found = last_pass(bench.store)
    assert found is not None
    assert round((found + MARGIN).timestamp() * 1e6) == newest["us"]
    reach(bench.store, NOW - timedelta(hours=3))
    reach(bench.store, NOW - timedelta(hours=4))
    assert last_pass(bench.store) == NOW - timedelta(hours=3) - MARGIN


def _resolve_some(stretches: Iterator[bool], stop: threading.Event, *given: Any, **named: Any) -> Any:
    """As many stretches as there are, then a stop."""
    if next(stretches, False):
        return resolve_traces(*given, **named)
    stop.set()
    raise StoreUnavailable("away")


def test_one_that_is_stopped_while_it_catches_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one goes on after the last whole stretch, whatever was resolved beside it; in a first one's place, from the beginning."""
    _written(bench, 170, 30)
    for done in (0, 1):
        bench.receive(spans_request([span(1, f"invoke_agent new {done}", RUN, trace=900 + done)]))
        stop, stretches = threading.Event(), iter([True] * done)
        monkeypatch.setattr(missed, "resolve_traces", partial(_resolve_some, stretches, stop))
        Resolver(bench.store).run_forever(stop)
        assert _names(bench) == [["new 0"], ["age 170", "new 0", "new 1"]][done]
    monkeypatch.undo()
    stopped = threading.Event()
    resolver = Resolver(bench.store)
    monkeypatch.setattr(resolver, "make_pass", lambda **_: stopped.set())
    resolver.run_forever(stopped)
    assert _names(bench) == ["age 170", "age 30", "new 0", "new 1"]


def test_what_was_reached_is_noted(bench: Bench) -> None:
    """At the end at the latest, and only where something was resolved."""
    with running(Resolver(bench.store)):
        pass
    assert rows(bench.store, "SELECT * FROM resolved_until") == []
    began = datetime.now(UTC)
    with running(Resolver(bench.store)):
        bench.receive(spans_request([span(1, "invoke_agent new", RUN)]))
        _eventually(bench, ["new"])
    found = last_pass(bench.store)
    assert found is not None
    assert found + MARGIN > began
