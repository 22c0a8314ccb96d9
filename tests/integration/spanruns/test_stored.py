"""What an instrumented service sends, all the way into the store of a real `spanruns up`."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from tests.support.stored import HEARTBEAT_S, Stored, until

MACHINE_S = 2.0
"""For the machine: a query that asks for a moment may come a little later."""
ROUNDS = 6
"""Tries to see every step within a second: whatever else the machine does comes on top."""
LIVE = """
    import sys
    import spanruns.auto, spanruns
    with spanruns.run(NAME, kind="agent", run_id=ID) as run:
        print("started", flush=True)
        for line in sys.stdin:
            exec(line)
            print("done", flush=True)
"""

pytestmark = pytest.mark.timeout(240)


def live(stored: Stored, name: str, run_id: str | None = "") -> subprocess.Popen[str]:
    """A service whose run (by default with its name as its id) has started, and does what it is told."""
    process = stored.start(LIVE.replace("NAME", repr(name)).replace("ID", repr(name if run_id == "" else run_id)))
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Have it do something; it is done when this returns."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def lost_runs(stored: Stored, *names: str) -> list[dict[str, Any]]:
    """Lost runs of these names, once all are."""
    found = [run for name in names for run in stored.runs(status="lost", agent=name)]
    return found if len(found) == len(names) else []


@pytest.mark.timed
def test_killed_run_is_lost_until_it_is_finished(stored: Stored) -> None:
    """A killed service's run is lost within three heartbeats; finished later under the same id it is a success, once.

    The id may be one that was given, or the one that the store made.
    """
    names = ("killed-run", "killed-run-of-no-id")
    with live(stored, names[0]) as one, live(stored, names[1], run_id=None) as other:
        for name in names:
            until(lambda name=name: [r for r in stored.runs(status="running", agent=name) if r["last_heartbeat_at"]])  # type: ignore[misc]
        one.kill()
        other.kill()
    killed_at, wall = time.monotonic(), time.time()
    lost = until(lambda: lost_runs(stored, *names))
    assert time.monotonic() - killed_at < 3 * HEARTBEAT_S + MACHINE_S
    ids = ", ".join(repr(run["run_id"]) for run in lost)
    for row in stored.rows(f"SELECT toFloat64(last_heartbeat_at) AS at FROM spanruns.runs WHERE run_id IN ({ids})"):
        assert wall - 3 * HEARTBEAT_S < row["at"] <= wall
    again = "".join(
        f"with spanruns.run({run['agent_name']!r}, kind='agent', run_id={run['run_id']!r}): pass\n" for run in lost
    )
    stored.finish(f"import spanruns.auto, spanruns\n{again}")
    for run in lost:
        (done,) = until(lambda run=run: stored.runs(status="success", agent=run["agent_name"]))  # type: ignore[misc]
        assert (done["run_id"], done["started_at"]) == (run["run_id"], run["started_at"])
        assert len(stored.runs(agent=run["agent_name"])) == 1


STEPS = (
    ("", "running", None),
    ("w = run.waiting_for('bob')", "waiting", None),
    ("run.resumed()", "running", None),
    ("run.progress(3, 4)", "running", 3),
)


@pytest.mark.timed
def test_run_is_followed_within_a_second(stored: Stored) -> None:
    """Started, waiting, resumed and progress are answered within a second of the call; at last all of it is a success."""
    took: dict[str, list[float]] = {line: [] for line, _, _ in STEPS}
    for number in range(ROUNDS):
        name = f"followed-run-{number}"
        with live(stored, name) as process:
            for line, status, progress in STEPS:
                if line:
                    tell(process, line)
                begin = time.monotonic()
                until(
                    lambda name=name, status=status, progress=progress: [  # type: ignore[misc]
                        run for run in stored.runs(status=status, agent=name) if run["progress_done"] == progress
                    ]
                )
                took[line].append(time.monotonic() - begin)
            assert process.stdin is not None
            process.stdin.close()
        (run,) = until(lambda name=name: stored.runs(status="success", agent=name))  # type: ignore[misc]
        assert run["waiting_ms"] > 0
        assert abs(run["total_ms"] - run["waiting_ms"] - run["duration_ms"]) < 1
        assert (run["progress_done"], run["progress_total"]) == (3, 4)
        if all(min(times) < 1 for times in took.values()):
            return
    raise AssertionError(took)


def test_suspended_run_goes_on_in_another_process(stored: Stored) -> None:
    """It waits while nobody runs it, and is one run in the end."""
    name = "suspended-run"
    script = f"""
    import spanruns.auto, spanruns
    with spanruns.run({name!r}, kind="agent", session_id="s1") as run:
        print(run.suspend("bob"))
    """
    token = stored.finish(script)
    (waiting,) = until(
        lambda: [run for run in stored.runs(status="waiting", agent=name) if run["waiting_for"] == "bob"]
    )
    stored.finish(f"import spanruns.auto, spanruns\nwith spanruns.resume({token!r}) as run: run.set_output('done')")
    (done,) = until(lambda: [run for run in stored.runs(status="success", agent=name) if run["waiting_ms"]])
    assert (done["run_id"], done["session_id"]) == (waiting["run_id"], "s1")
    assert len(stored.runs(agent=name)) == 1


def test_queued_run_is_visible_before_it_starts(stored: Stored) -> None:
    """A run that was announced is queued; when it has run its queue time is known."""
    name = "queued-run"
    script = f"import spanruns.auto, spanruns, json; print(json.dumps(spanruns.enqueue({name!r})))"
    headers = stored.finish(script)
    (queued,) = until(lambda: stored.runs(status="queued", agent=name))
    stored.finish(f"import spanruns.auto, spanruns\nwith spanruns.received({headers}), spanruns.run({name!r}): pass")
    (done,) = until(lambda: stored.runs(status="success", agent=name))
    assert done["run_id"] == queued["run_id"]
    assert done["queue_ms"] > 0
    assert len(stored.runs(agent=name)) == 1


def test_default_id_may_be_given_back(stored: Stored) -> None:
    """A caller who has a run's default id may give it: as the id of the same run, and as that of a parent."""
    script = """
    import spanruns.auto, spanruns
    with spanruns.run("first-part", kind="agent") as run:
        print(run.run_id)
    """
    run_id = stored.finish(script)
    until(lambda: stored.runs(status="success", agent="first-part"))
    script = f"""
    import spanruns.auto, spanruns
    with spanruns.run("first-part", kind="agent", run_id={run_id!r}) as run:
        run.set_output("again")
    with spanruns.run("a-child", kind="agent", parent_run_id={run_id!r}):
        pass
    """
    stored.finish(script)
    (child,) = until(lambda: stored.runs(status="success", agent="a-child"))
    assert child["parent_run_id"] == run_id
    query = f"SELECT run_id, status, output FROM spanruns.runs WHERE run_id = '{run_id}'"
    assert until(lambda: [row for row in stored.rows(query) if row["output"]]) == [
        {"run_id": run_id, "status": "success", "output": '"again"'}
    ]
    assert len(stored.runs(agent="first-part")) == 1
