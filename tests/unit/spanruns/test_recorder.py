"""The recorder of one call."""

from __future__ import annotations

import spanruns
from spanruns import _run
from spanruns.testing import Captured

ATTRIBUTES = {"spanruns.kind": "run", "spanruns.run.kind": "job", "gen_ai.agent.name": "r"}


def test_run_ends_once(captured: Captured) -> None:
    """Ending twice changes nothing."""
    recorder = _run.open_run("r", ATTRIBUTES, capture=True)
    recorder.finish(None)
    recorder.finish(RuntimeError("late"))
    assert [span.attributes["spanruns.run.status"] for span in captured.spans] == ["success"]


def test_run_is_current_between_entering_and_leaving(captured: Captured) -> None:
    """Also more than once, as a generator goes on after each item."""
    recorder = _run.open_run("r", ATTRIBUTES, capture=True)
    found = []
    for _ in range(2):
        recorder.enter()
        found.append((recorder.is_current, spanruns.current_run() is recorder.handle))
        recorder.leave()
        found.append((recorder.is_current, bool(spanruns.current_run())))
    assert found == [(True, True), (False, False)] * 2


def test_result_is_kept_if_it_is_wanted(captured: Captured) -> None:
    """None is no result, and without capture nothing is one."""
    for capture, result in ((True, "x"), (True, None), (False, "x")):
        recorder = _run.open_run("r", ATTRIBUTES, capture=capture)
        recorder.give(result)
        recorder.finish(None)
    assert [span.attributes.get("spanruns.run.output") for span in captured.spans] == ['"x"', None, None]
