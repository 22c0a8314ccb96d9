"""Looking at a spool from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spanruns_receiver.spool import Batch, DeadLetter, Plan
from spanruns_receiver.spool.inspecting import content, inspect, waiting
from spanruns_schema.errors import NotFound

from tests.support.otlp import START_NS, traces
from tests.support.spools import SpoolMaker, put


def test_what_waits_beside_a_running_process(open_spool: SpoolMaker) -> None:
    """Requests that are planned or not even that are counted, stored ones are not; the spool stays locked."""
    spool = open_spool(segment_bytes=200)
    put(spool, *(b"x" * 90 for _ in range(6)))
    put(spool, b"log", signal="logs")
    spool.plan_file.save(Plan(6, (Batch("traces", 3, 4), Batch("logs", 3, 4))))
    found = inspect(spool.directory)
    assert (found.requests, found.items, found.oldest_ns) == (4, 4, START_NS)
    assert [record.sequence for record in waiting(spool.directory)] == [3, 4, 6, 7]
    assert [record.sequence for record in waiting(spool.directory, 2)] == [3, 4]
    assert found.size_bytes == sum(path.stat().st_size for path in spool.directory.glob("*.seg"))
    assert (found.dead, found.damaged) == ((), 0)


def test_dead_letters(open_spool: SpoolMaker) -> None:
    """A dead letter is listed with its reason and shown as JSON; bytes that are no request are shown as hex."""
    spool = open_spool()
    good = DeadLetter("1-0-1-otel_traces", "traces", "otel_traces", "Code: 6", 6, 1, START_NS, 10)
    bad = DeadLetter("2-0-1-traces", "traces", "", "malformed", 0, 1, START_NS, 2)
    spool.dead.add(good, traces(5))
    spool.dead.add(bad, b"\x0a\xff")
    assert inspect(spool.directory).dead == (good, bad)
    (resource,) = json.loads(content(spool.directory, good.name))["resourceSpans"]
    (shown,) = resource["scopeSpans"][0]["spans"]
    assert (shown["traceId"], shown["spanId"]) == (f"{6:032x}", f"{6:016x}"), "as people know ids"
    assert content(spool.directory, bad.name).endswith("2 bytes: 0aff")
    with pytest.raises(NotFound, match="no dead letter 3"):
        content(spool.directory, "3")
    spool.dead.remove(good)
    assert (list(spool.dead), spool.dead.size_bytes) == ([bad], 2)


def test_no_spool(tmp_path: Path) -> None:
    """A directory without a spool is an error that says what to set."""
    with pytest.raises(NotFound, match="set --data"):
        inspect(tmp_path / "nothing")
