"""Rows that changed become events, each told once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spanruns_receiver.api.changes import JUST_S, Change, Memory, Position, _change
from spanruns_receiver.api.errors import BadParameter

START_US = 1_768_478_400_000_000  # 2026-01-15T12:00:00Z


def change(run_id: str, status: str, after_s: float = 1) -> Change:
    """A change of a run so many seconds after its start."""
    row: dict[str, Any] = {
        "run_id": run_id,
        "status": status,
        "started_at": "2026-01-15T12:00:00.000000Z",
        "changed_us": START_US + round(after_s * 1e6),
    }
    return _change(row)


@pytest.mark.parametrize(
    ("status", "after_s", "event"),
    [
        ("running", 1, "run_started"),
        ("queued", 1, "run_started"),
        ("running", JUST_S + 1, "run_updated"),
        ("waiting", JUST_S + 1, "run_updated"),
        ("success", 1, "run_completed"),
        ("cancelled", 1, "run_completed"),
        ("failed", 1, "run_failed"),
        ("lost", 1000, "run_failed"),
    ],
)
def test_a_status_is_an_event(status: str, after_s: float, event: str) -> None:
    """What a single row tells of its run."""
    assert change("a", status, after_s).event == event


def told(memory: Memory, *changes: Change) -> list[tuple[str, str]]:
    """Events and runs that are new to a memory."""
    return [(change.event, change.run["run_id"]) for change in memory.fresh(changes)]


def test_a_life_is_told_once() -> None:
    """One start, any number of updates, one end; what is seen again is not told again."""
    memory = Memory()
    assert told(memory, change("a", "running", 1)) == [("run_started", "a")]
    assert told(memory, change("a", "running", 1)) == []
    assert told(memory, change("a", "running", 2), change("b", "success", 2)) == [
        ("run_updated", "a"),
        ("run_completed", "b"),
    ]
    assert told(memory, change("a", "waiting", 3)) == [("run_updated", "a")]
    assert told(memory, change("a", "failed", 4)) == [("run_failed", "a")]
    assert told(memory, change("a", "failed", 5)) == [("run_updated", "a")]
    assert told(memory, change("a", "success", 6)) == [("run_completed", "a")]


@given(st.integers(0, 2**62), st.text(max_size=64))
def test_a_position_is_one_line(changed_us: int, run_id: str) -> None:
    """Whatever a run id contains, an event id comes back as it was."""
    position = Position(changed_us, run_id)
    assert Position.decode(position.encode(), "after") == position
    assert position.encode().isascii()
    assert "\n" not in position.encode()


@pytest.mark.parametrize("text", ["", "x", "W10", Position(-1, "a").encode(), Position(2**63, "a").encode()])
def test_other_positions_are_refused(text: str) -> None:
    """By the name of the parameter they came in."""
    with pytest.raises(BadParameter) as caught:
        Position.decode(text, "after")
    assert caught.value.parameter == "after"
