"""What was seen of each run, and how soon."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from spanruns_receiver.demo.scenarios import Expected
from spanruns_receiver.demo.watch import Watch

Make = Callable[..., dict[str, Any]]
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the runs' start."""
    return START + timedelta(seconds=seconds)


def test_running_then_ended(row: Make) -> None:
    """A run that is seen running, then ended, has both delays, each from its first answer."""
    watch = Watch()
    watch.update([row("a", status="running", ended_at=None)], at(0.4))
    watch.update([row("a", status="running", ended_at=None)], at(1.4))
    watch.update([row("a")], at(2.7))
    watch.update([row("a")], at(9.0))
    (seen,) = watch.newest(9)
    assert (seen.row["status"], seen.after_start_s, seen.after_end_s) == ("success", 0.4, 0.7)


def test_changes_are_told_once(row: Make) -> None:
    """Only runs that are new or have another status are told, oldest first."""
    watch = Watch()
    later = row("b", started_at="2026-03-01T10:00:01+00:00", status="running", ended_at=None)
    first = watch.update([later, row("a")], at(3))
    second = watch.update([later, row("a")], at(4))
    third = watch.update([{**later, "status": "failed", "ended_at": "2026-03-01T10:00:04+00:00"}, row("a")], at(5))
    assert [[seen.row["run_id"] for seen in told] for told in (first, second, third)] == [["a", "b"], [], ["b"]]


def test_a_lost_run_may_still_end(row: Make) -> None:
    """`lost` is no end: the delay counts from the real one."""
    watch = Watch()
    watch.update([row("a", status="lost", ended_at=None)], at(1))
    (seen,) = watch.newest(1)
    assert (seen.has_ended, seen.after_end_s) == (False, None)
    watch.update([row("a")], at(3))
    assert (seen.has_ended, seen.after_end_s) == (True, 1.0)


def test_newest_first(row: Make) -> None:
    """The runs that started last come first, as many as asked for."""
    watch = Watch()
    watch.update([row(f"{n}", started_at=f"2026-03-01T10:00:0{n}+00:00") for n in (2, 0, 3, 1)], at(9))
    assert [seen.row["run_id"] for seen in watch.newest(3)] == ["3", "2", "1"]


def test_sub_runs_follow_their_run(row: Make) -> None:
    """A run is followed by those that it started, in their order, though they are newer."""
    watch = Watch()
    rows = [
        ("old", "", 0),
        ("asks", "", 1),
        ("first", "asks", 2),
        ("new", "", 3),
        ("second", "asks", 4),
        ("deep", "first", 5),
    ]
    watch.update(
        [row(name, parent_run_id=parent, started_at=f"2026-03-01T10:00:0{n}+00:00") for name, parent, n in rows], at(9)
    )
    found = [seen.row["run_id"] for seen in watch.newest(6)]
    assert found == ["new", "asks", "first", "deep", "second", "old"]
    assert [seen.row["run_id"] for seen in watch.newest(3)] == ["deep", "second", "new"]


def test_missing_counts_repeats(row: Make) -> None:
    """An expected run is missing until it has been answered with its status, as often as it is expected."""
    watch = Watch()
    planner, clerk = Expected("travel", "planner", "success"), Expected("travel", "clerk", "failed")
    expected = [planner, planner, clerk]
    assert watch.missing(expected) == [clerk, planner, planner]
    watch.update([row("a"), row("b", agent_name="clerk", status="running", ended_at=None)], at(1))
    assert watch.missing(expected) == [clerk, planner]
    watch.update([row("c"), row("b", agent_name="clerk", status="failed")], at(1))
    assert watch.missing(expected) == []
