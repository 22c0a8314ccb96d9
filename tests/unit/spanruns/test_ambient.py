"""Identity around runs, and what of it travels."""

from __future__ import annotations

import spanruns
from opentelemetry import baggage, context, propagate
from spanruns.testing import Captured


def test_identity_holds_inside_and_ends(captured: Captured) -> None:
    """Runs inside get it, inner blocks win, runs afterwards do not have it."""
    with (
        spanruns.identity(session_id="s", user_id="u", workspace="w"),
        spanruns.run("a"),
        spanruns.identity(session_id="s2"),
        spanruns.run("b"),
    ):
        pass
    with spanruns.run("c"):
        pass
    keys = ("session.id", "user.id", "spanruns.workspace")
    found = {
        run.attributes["gen_ai.agent.name"]: tuple(run.attributes.get(key) for key in keys) for run in captured.runs
    }
    assert found == {"a": ("s", "u", "w"), "b": ("s2", "u", "w"), "c": (None, None, None)}


def test_only_what_is_needed_travels(captured: Captured) -> None:
    """Outgoing requests carry run id, trigger, session and user as baggage, and nothing else."""
    headers: dict[str, str] = {}
    with spanruns.run("r", run_id="r1", trigger="cli", workspace="w", tags=("t",), session_id="s", user_id="u"):
        propagate.inject(headers)
    assert sorted(headers["baggage"].split(",")) == [
        "session.id=s",
        "spanruns.run.id=r1",
        "spanruns.run.trigger=cli",
        "user.id=u",
    ]


def test_long_values_do_not_travel(captured: Captured) -> None:
    """Headers have limits."""
    headers: dict[str, str] = {}
    with spanruns.run("r", run_id="r1", session_id="s" * 200):
        propagate.inject(headers)
    assert headers["baggage"] == "spanruns.run.id=r1"
    assert captured.run("r").attributes["session.id"] == "s" * 200


def test_run_in_another_process_knows_its_parent(captured: Captured) -> None:
    """What came as baggage is on the run, also where the trace itself was lost on the way."""
    headers: dict[str, str] = {}
    with spanruns.run("caller", run_id="r1", session_id="s"):
        propagate.inject(headers)
    del headers["traceparent"]
    token = context.attach(propagate.extract(headers, context.Context()))
    with spanruns.run("callee"):
        pass
    context.detach(token)
    attributes = captured.run("callee").attributes
    keys = ("spanruns.run.parent_id", "session.id", "spanruns.run.trigger")
    assert [attributes.get(key) for key in keys] == ["r1", "s", "agent"]


def test_hostile_baggage_is_bounded(captured: Captured) -> None:
    """What others send as baggage is not taken beyond the limits."""
    token = context.attach(baggage.set_baggage("session.id", "x" * 5000))
    with spanruns.run("r"):
        pass
    context.detach(token)
    assert "session.id" not in captured.run("r").attributes
