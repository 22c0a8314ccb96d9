"""What is said of runs and calls: whole rows, only the fields that are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from spanruns_receiver.pricing.cost import NO_PRICES, PRICE, PRICES
from spanruns_receiver.resolver.columns import CALL_TOKENS, FACT, Columns, CostSource, Event, Role, Status, Use
from spanruns_receiver.resolver.summary import Resolved
from spanruns_receiver.resolver.summary import resolve as resolve_columns
from spanruns_receiver.resolver.usage import Prices

from tests.support.outlines import START_US, facts_of

TIMES = {"started_us", "ended_us", "queued_us", "waiting_since_us", "last_heartbeat_us"}


def resolve(facts: NDArray[np.void], prices: Prices = NO_PRICES) -> Resolved:
    """What is decided of facts that are given one by one."""
    return resolve_columns(Columns.of(facts), prices=prices)


def row_of(row: NDArray[np.void]) -> dict[str, Any]:
    """A row's fields that are neither 0 nor unknown; times in ms after the start."""
    found = {}
    for name in row.dtype.names or ():
        value = row[name].item()
        if value and value == value:
            found[name] = (value - START_US) / 1000 if name in TIMES else value
    return found


def runs_of(resolved: Resolved) -> list[dict[str, Any]]:
    """The run rows by key."""
    return [row_of(row) for row in np.sort(resolved.runs.records(), order="run_key")]


def only(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The given fields of rows."""
    return [{name: row[name] for name in names if name in row} for row in rows]


def calls_of(resolved: Resolved) -> list[dict[str, Any]]:
    """The call rows by span."""
    rows = [row_of(row) for row in np.sort(resolved.calls.records(), order="span_key")]
    return [{name: row[name] for name in row if name not in ("is_tool", "started_us")} for row in rows]


def test_one_run_whole() -> None:
    """Every field of a plain run and of its calls."""
    resolved = resolve(
        facts_of(
            """
            run weather status=1 input_tokens=99 output_tokens=98 cost_usd=9 ended_us=1750000000500000
              model gpt input_tokens=20 output_tokens=7 cache_read_tokens=5 cache_write_tokens=4 reasoning_tokens=3 cost_usd=0.25
              tool get_weather
              tool boom status=2
              model gpt input_tokens=10 output_tokens=2 cost_usd=0.5
            """
        )
    )
    assert runs_of(resolved) == [
        {
            "run_key": 1,
            "root_run_key": 1,
            "status": Status.SUCCESS,
            "started_us": 1.0,
            "ended_us": 500.0,
            "tool_call_count": 2,
            "tool_error_count": 1,
            "model_call_count": 2,
            "input_tokens": 30,
            "output_tokens": 9,
            "cache_read_tokens": 5,
            "cache_write_tokens": 4,
            "reasoning_tokens": 3,
            "cost_usd": 0.75,
            "reported_input_tokens": 99,
            "reported_output_tokens": 98,
            "reported_cost_usd": 9.0,
            "usage_mismatch": 1,
            "spans_stored": 5,
        }
    ]
    call = {"run_key": 1}
    used = {"cache_read_tokens": 5, "cache_write_tokens": 4, "reasoning_tokens": 3}
    first = {"input_tokens": 20, "output_tokens": 7, "cost_usd": 0.25, "cost_source": CostSource.SPAN} | used
    last = {"input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5, "cost_source": CostSource.SPAN}
    assert calls_of(resolved) == [
        call | {"span_key": 2, "call_key": 2, "status": Status.SUCCESS} | first,
        call | {"span_key": 3, "call_key": 3, "status": Status.SUCCESS},
        call | {"span_key": 4, "call_key": 4, "status": Status.FAILED},
        call | {"span_key": 5, "call_key": 5, "status": Status.SUCCESS} | last,
    ]


def test_parts_that_are_more_than_the_whole_are_added_to_it() -> None:
    """What was cached or thought is counted in, once, whatever the emitter counts."""
    resolved = resolve(
        facts_of(
            """
            run weather
              model gpt input_tokens=11 output_tokens=7 cache_read_tokens=30 cache_write_tokens=5 reasoning_tokens=8
              model gpt input_tokens=35 output_tokens=8 cache_read_tokens=30 cache_write_tokens=5 reasoning_tokens=8
            """
        )
    )
    assert [(call["input_tokens"], call["output_tokens"]) for call in calls_of(resolved)] == [(46, 15), (35, 8)]
    (run,) = runs_of(resolved)
    assert (run["input_tokens"], run["output_tokens"]) == (81, 23)


def test_contents_that_only_a_repeat_has() -> None:
    """A call without contents takes those of the first span inside it that has them; its own come first."""
    resolved = resolve(
        facts_of(
            """
            run weather
              model gpt has_output=1
                model gpt has_input=1 has_output=1
                  model gpt has_input=1
              tool get_weather
                tool get_weather has_output=1
            """
        )
    )
    known = [(call["span_key"], call.get("input_key"), call.get("output_key")) for call in calls_of(resolved)]
    assert known == [(2, 3, None), (5, None, 6)]


def test_sub_runs_count_into_every_run_above() -> None:
    """Tokens and cost go up all the way, calls stay with their own run."""
    resolved = resolve(
        facts_of(
            """
            run boss
              model gpt input_tokens=1
              tool ask
                run worker
                  model gpt input_tokens=10 cost_usd=0.5
                  run helper
                    model gpt input_tokens=100 output_tokens=7
            run other
            """
        )
    )
    names = (
        "run_key",
        "parent_run_key",
        "root_run_key",
        "model_call_count",
        "input_tokens",
        "output_tokens",
        "cost_usd",
    )
    assert only(runs_of(resolved), *names) == [
        {
            "run_key": 1,
            "root_run_key": 1,
            "model_call_count": 1,
            "input_tokens": 111,
            "output_tokens": 7,
            "cost_usd": 0.5,
        },
        {
            "run_key": 4,
            "parent_run_key": 1,
            "root_run_key": 1,
            "model_call_count": 1,
            "input_tokens": 110,
            "output_tokens": 7,
            "cost_usd": 0.5,
        },
        {
            "run_key": 6,
            "parent_run_key": 4,
            "root_run_key": 1,
            "model_call_count": 1,
            "input_tokens": 100,
            "output_tokens": 7,
        },
        {"run_key": 8, "root_run_key": 8},
    ]


@pytest.mark.parametrize(
    ("outline", "expected"),
    [
        pytest.param(
            """
            model gpt input_tokens=20 output_tokens=7
              model gpt input_tokens=20 output_tokens=7
            """,
            {"input_tokens": 20, "output_tokens": 7},
            id="both know: the outer counts",
        ),
        pytest.param(
            """
            model gpt
              none http
                model gpt input_tokens=20
                  model gpt input_tokens=20
              model gpt input_tokens=5
            """,
            {"input_tokens": 25},
            id="only inner ones know: each once",
        ),
        pytest.param(
            """
            model gpt input_tokens=20
              model gpt input_tokens=20 cost_usd=0.5
            """,
            {"input_tokens": 20, "cost_usd": 0.5},
            id="one knows the tokens, another the cost",
        ),
        pytest.param(
            """
            model gpt input_tokens=20 audio_input_tokens=9
              model gpt input_tokens=20 audio_input_tokens=9 image_output_tokens=1
            """,
            {"input_tokens": 20, "audio_input_tokens": 9},
            id="audio is of those that are counted",
        ),
    ],
)
def test_a_repeated_model_call_counts_once(outline: str, expected: dict[str, Any]) -> None:
    """What several spans say of the same model call is never added up."""
    resolved = resolve(facts_of(outline))
    names = ("span_key", *CALL_TOKENS, "cost_usd")
    assert only(calls_of(resolved), *names) == [{"span_key": 1} | expected]


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        ("tool t\n  tool t status=3", Status.CANCELLED),
        ("tool t\n  tool t shadow status=3", Status.SUCCESS),
        ("tool t\n  tool t status=3\n    tool t status=2", Status.FAILED),
        ("tool t status=2\n  tool t status=3", Status.FAILED),
    ],
)
def test_a_call_that_was_cancelled_in_its_repeat_only(outline: str, status: Status) -> None:
    """A tool call is cancelled with a span of the same tool inside it, not with one of a protocol; failure has the last word."""
    assert calls_of(resolve(facts_of(outline)))[0]["status"] == status


def test_a_call_that_failed_in_its_repeat_only() -> None:
    """A tool call whose repeat failed has failed, and that span says why; but a tool may handle a protocol's failure, and
    another try may have succeeded."""
    resolved = resolve(
        facts_of(
            """
            run weather
              tool boom
                tool boom shadow
                  tool boom shadow status=2
              tool handled status=1
                tool other shadow status=2
              tool wrapped status=1
                tool wrapped status=2
              tool retried
                tool retried shadow status=2 ended_us=1750000000010000
                tool retried shadow started_us=1750000000020000
            """
        )
    )
    assert calls_of(resolved) == [
        {"span_key": 2, "call_key": 2, "run_key": 1, "status": Status.FAILED},
        {"span_key": 4, "call_key": 2, "run_key": 1, "status": Status.FAILED},
        {"span_key": 5, "call_key": 5, "run_key": 1, "status": Status.SUCCESS},
        {"span_key": 7, "call_key": 7, "run_key": 1, "status": Status.FAILED},
        {"span_key": 8, "call_key": 7, "run_key": 1, "status": Status.FAILED},
        {"span_key": 9, "call_key": 9, "run_key": 1, "status": Status.SUCCESS},
    ]


SILENT = "run a ended_us=1750000000200000\n  model m\n  tool t has_input=1 ended_us=1750000000200100"


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        (SILENT, Status.CANCELLED),
        (SILENT.replace("run a", "run a status=2"), Status.CANCELLED),
        (SILENT.replace("run a", "run a status=1"), Status.SUCCESS),
        (SILENT.replace("run a", "run a has_output=1"), Status.SUCCESS),
        (SILENT + " status=1", Status.SUCCESS),
        (SILENT + " has_output=1", Status.SUCCESS),
        (SILENT + "\n    tool t has_output=1", Status.SUCCESS),
        (SILENT + "\n    run b", Status.SUCCESS),  # an agent that the tool asked
        (SILENT.replace("  model m\n", ""), Status.SUCCESS),  # nobody asked for its answer
        (SILENT.replace("run a", "workflow a"), Status.SUCCESS),  # a service's own last step
        (SILENT.replace(" has_input=1", ""), Status.SUCCESS),  # an emitter that tells no contents
        (SILENT.replace("200100", "200000"), Status.SUCCESS),  # answered nothing, and was the run's last step
        (SILENT.replace("tool t", "tool t scope_key=7"), Status.SUCCESS),  # maybe another machine's clock
        (SILENT.replace("tool t", "chain c scope_key=7\n    tool t scope_key=7"), Status.CANCELLED),
        ("tool t has_input=1", Status.SUCCESS),
    ],
)
def test_a_tool_that_its_agent_no_longer_waited_for(outline: str, status: Status) -> None:
    """Without an answer it was cancelled if it ended after an agent that had asked a model for it and gave no answer."""
    calls = resolve(facts_of(outline)).calls
    assert calls["status"][calls["is_tool"] > 0].tolist() == [status]


MUTE = "workflow a status=2\n  run a\n    model m\n    tool t status=3"


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        (MUTE, Status.CANCELLED),
        (MUTE.replace("status=2", "status=2 said_size=9"), Status.FAILED),
        (MUTE.replace(" status=3", ""), Status.FAILED),
        (MUTE.replace("run a", "run a has_output=1"), Status.FAILED),
    ],
)
def test_a_failure_without_a_message(outline: str, status: Status) -> None:
    """The wrapper's is a cancellation if the run inside ended with one."""
    assert resolve(facts_of(outline)).runs["status"].tolist() == [status]


UNHEARD = "run a\n  model m has_output=1\n  model - ended_us=1750000000101000"


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        (UNHEARD, Status.CANCELLED),
        (UNHEARD + " status=1", Status.SUCCESS),
        (UNHEARD + " has_output=1", Status.SUCCESS),
        (UNHEARD + " output_tokens=1", Status.SUCCESS),
        (UNHEARD.replace("model -", "model m"), Status.SUCCESS),  # the model is known before its answer
        (UNHEARD.replace("m has_output=1", "-"), Status.SUCCESS),  # contents are not told
        (UNHEARD.replace("has_output=1", "has_output=1 scope_key=7"), Status.SUCCESS),  # but by another one
        (UNHEARD.replace("run a", "run a ended_us=1750000009000000"), Status.SUCCESS),  # the run went on
        (UNHEARD.replace("run a", "workflow a"), Status.SUCCESS),
    ],
)
def test_a_model_call_of_which_nothing_was_heard(outline: str, status: Status) -> None:
    """It was cancelled at its run's end if its scope tells of another call which model answered what, and of this one nothing."""
    calls = resolve(facts_of(outline)).calls
    assert calls["status"].tolist()[-1] == status


CUT_OFF = "run a\n  chain c status=3 ended_us=1750000000600000\n    model m ended_us=1750000000590000"


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        (CUT_OFF, Status.CANCELLED),
        (CUT_OFF + " status=1", Status.SUCCESS),
        (CUT_OFF + " has_output=1", Status.SUCCESS),
        (CUT_OFF + " output_tokens=1", Status.SUCCESS),  # contents are not told
        (CUT_OFF + " same_key=8", Status.SUCCESS),  # its answer has an id
        (CUT_OFF.replace("590000", "540000"), Status.SUCCESS),  # the step went on
        (CUT_OFF.replace("status=3", "status=2"), Status.SUCCESS),
        (CUT_OFF.replace("model m", "tool t"), Status.SUCCESS),  # tools may answer nothing
    ],
)
def test_a_model_call_that_ended_with_a_cancelled_step(outline: str, status: Status) -> None:
    """It was cancelled, too, if nothing is known of an answer."""
    calls = resolve(facts_of(outline)).calls
    assert calls["status"].tolist() == [status]


@pytest.mark.parametrize(
    ("outline", "status"),
    [
        ("run a status=2", Status.FAILED),
        ("run a status=3", Status.CANCELLED),
        ("run a\n  tool t status=2", Status.SUCCESS),
        ("workflow w status=2\n  run a", Status.FAILED),
        ("workflow w status=2\n  run a status=1", Status.SUCCESS),
        ("workflow w status=1\n  run a status=2", Status.FAILED),
        ("run a\n  tool t status=3", Status.CANCELLED),
        ("run a status=1\n  tool t status=3", Status.SUCCESS),
        ("run a has_output=1\n  tool t status=3", Status.SUCCESS),
        ("run a\n  tool t status=3 ended_us=1750000000900000", Status.CANCELLED),
        ("run a\n  tool t status=3 ended_us=1750000000010000\n  tool u", Status.SUCCESS),
        ("run a ended_us=1750000009000000\n  tool t status=3", Status.SUCCESS),
        ("run a\n  model m ended_us=1750000000200000\n    tool t status=3", Status.CANCELLED),
        ("run a\n  tool u ended_us=1750000000200000\n    run b status=3", Status.SUCCESS),
        ("run a\n  model m status=2", Status.FAILED),
        ("run a has_output=1\n  model m status=2", Status.SUCCESS),
        ("run a has_output=1 said_size=9\n  model m status=2 said_size=9", Status.FAILED),  # answers with the error
        ("run a has_output=1 said_size=9\n  model m status=2 said_size=8", Status.SUCCESS),
        ("run a has_output=1 said_size=9\n  model m status=2 said_size=9\n  model m", Status.SUCCESS),
        ("run a has_output=1 said_size=9\n  tool t status=2 said_size=9", Status.SUCCESS),
        ("run a has_output=1 said_size=9\n  model m has_output=1 said_size=9\n    model m status=2", Status.SUCCESS),
        ("workflow w has_output=1 said_size=9\n  model m status=2 said_size=9", Status.SUCCESS),
        ("run a status=1 has_output=1 said_size=9\n  model m status=2 said_size=9", Status.SUCCESS),
        ("run a status=1\n  model m status=2", Status.SUCCESS),
        ("workflow w\n  model m status=2", Status.SUCCESS),
        ("run a\n  model m status=2\n  model m", Status.SUCCESS),
        ("run a\n  tool t\n    run b\n      model m status=2", Status.SUCCESS),
        ("run a ended_us=1750000009000000\n  model m status=2", Status.SUCCESS),
        ("run a\n  chain c status=2", Status.FAILED),
        ("run a has_output=1\n  chain c status=2", Status.SUCCESS),
        ("run a\n  chain c status=2\n  model m", Status.SUCCESS),
        ("run a\n  chain c status=2 started_us=1750000000500000 ended_us=1750000000600000", Status.SUCCESS),
        ("run a\n  tool t\n    chain c status=2", Status.SUCCESS),
        ("run a event=1", Status.RUNNING),
        ("run a event=2 event_us=1750000000000000", Status.QUEUED),
        ("run a event=4 event_us=1750000000002000", Status.WAITING),
        ("run a event=3 event_us=1750000000000000", Status.RUNNING),
        ("none r status=2\n  tool t", Status.FAILED),
        ("run a\n  run b status=3", Status.CANCELLED),
        ("run a\n  run b\n    run c\n      tool t status=3", Status.CANCELLED),
        ("run a status=1\n  run b status=3", Status.SUCCESS),
        ("run a\n  run b status=3\n  tool t", Status.SUCCESS),
        ("run a\n  run b status=2", Status.SUCCESS),
    ],
)
def test_status_of_a_run(outline: str, status: Status) -> None:
    """A run's own word, else its wrapper's, else cancelled with its last call, failed with its model; without an end, what its events say."""
    assert runs_of(resolve(facts_of(outline)))[0]["status"] == status


def events(*lines: str) -> NDArray[np.void]:
    """Facts of one span, key 1: each line `run name event=… event_us=…`."""
    facts = facts_of("\n".join(f"run job {line}" for line in lines))
    facts["span_key"] = facts["run_key"] = 1
    facts["started_us"] = START_US
    return facts


def at(ms: int) -> str:
    """`event_us=` that many milliseconds after the start."""
    return f"event_us={START_US + ms * 1000}"


def test_waiting_is_paired_and_summed() -> None:
    """Waits end with the resumption after them; a wait nobody resumed lasts to the end, and heartbeats are the last sign of life."""
    open_events = [
        f"event={Event.WAITING} {at(100)}",
        f"event={Event.WAITING} {at(150)}",
        f"event={Event.RESUMED} {at(300)}",
        f"event={Event.HEARTBEAT} {at(400)} heartbeat_interval_ms=10000",
        f"event={Event.WAITING} {at(500)}",
    ]
    waiting = {
        "run_key": 1,
        "root_run_key": 1,
        "status": Status.WAITING,
        "started_us": 0.0,
        "waiting_ms": 200.0,
        "waiting_since_us": 500.0,
        "last_heartbeat_us": 500.0,
        "heartbeat_interval_ms": 10000,
    }
    assert runs_of(resolve(events(*open_events))) == [waiting]
    ended = runs_of(resolve(events(*open_events, f"status=1 ended_us={START_US + 600_000}")))
    assert ended == [
        {name: value for name, value in waiting.items() if name != "waiting_since_us"}
        | {"status": Status.SUCCESS, "ended_us": 600.0, "waiting_ms": 300.0, "spans_stored": 1}
    ]
    told = runs_of(resolve(events(*open_events, f"status=1 waiting_ms=250 ended_us={START_US + 600_000}")))
    assert only(told, "status", "waiting_ms") == [{"status": Status.SUCCESS, "waiting_ms": 250.0}]


def test_queued_time_is_the_first_that_any_fact_tells() -> None:
    """The queued event, or what the span carries; a run that was only queued has not begun."""
    queued = f"event={Event.QUEUED} {at(-500)}"
    assert only(runs_of(resolve(events(queued))), "status", "queued_us") == [
        {"status": Status.QUEUED, "queued_us": -500.0}
    ]
    begun = events(queued, f"status=1 queued_us={START_US - 400_000}")
    assert only(runs_of(resolve(begun)), "status", "queued_us") == [{"status": Status.SUCCESS, "queued_us": -500.0}]


def segments(*lines: str) -> NDArray[np.void]:
    """Spans with one run id: a run that was suspended and resumed."""
    facts = facts_of("\n".join(lines))
    facts["run_key"], facts["has_run_id"] = 77, 1
    return facts


def test_one_run_over_several_spans() -> None:
    """Spans with the same run id are one run: from the first start to the last end, waiting in between."""
    facts = segments(
        f"run job status=4 started_us={START_US} ended_us={START_US + 100_000}",
        f"run job status=1 started_us={START_US + 400_000} ended_us={START_US + 500_000}",
    )
    assert runs_of(resolve(facts[:1])) == [
        {
            "run_key": 77,
            "root_run_key": 77,
            "status": Status.WAITING,
            "started_us": 0.0,
            "waiting_since_us": 100.0,
            "spans_stored": 1,
        }
    ]
    whole = [
        {
            "run_key": 77,
            "root_run_key": 77,
            "status": Status.SUCCESS,
            "started_us": 0.0,
            "ended_us": 500.0,
            "waiting_ms": 300.0,
            "spans_stored": 2,
        }
    ]
    assert runs_of(resolve(facts)) == whole
    assert runs_of(resolve(facts[::-1])) == whole


def test_the_steps_of_a_run_that_never_came_are_one_run() -> None:
    """It is known by the last of them, and ended if that failed; those of another one are another run."""
    facts = facts_of(
        """
        step - parent_key=91 status=1 ended_us=1750000000005000
          model gpt input_tokens=20
        step - parent_key=91 status=2 ended_us=1750000000090000
          tool get
          model gpt input_tokens=30
        step - parent_key=92 status=2 ended_us=1750000000100000
        step - parent_key=92 status=1 ended_us=1750000000200000
        """
    )
    whole = [
        {
            "run_key": 3,
            "root_run_key": 3,
            "status": Status.FAILED,
            "started_us": 1.0,
            "ended_us": 90.0,
            "tool_call_count": 1,
            "model_call_count": 2,
            "input_tokens": 50,
            "unpriced_call_count": 2,
            "spans_stored": 5,
        },
        {
            "run_key": 7,
            "root_run_key": 7,
            "status": Status.RUNNING,
            "started_us": 6.0,
            "spans_stored": 2,
        },
    ]
    assert runs_of(resolve(facts)) == whole
    assert runs_of(resolve(facts[::-1])) == whole


def test_a_given_parent_is_the_parent_where_the_trace_shows_none() -> None:
    """A run id given as parent counts for a root; what the trace shows wins."""
    facts = facts_of(
        """
        run job given_parent_key=55
          run sub given_parent_key=66
        """
    )
    assert only(runs_of(resolve(facts)), "run_key", "parent_run_key", "root_run_key") == [
        {"run_key": 1, "parent_run_key": 55, "root_run_key": 55},
        {"run_key": 2, "parent_run_key": 1, "root_run_key": 55},
    ]


def test_runs_that_are_their_own_ancestors_lose_their_parents() -> None:
    """Run ids used crosswise in two traces do not hang the resolver."""
    facts = facts_of(
        """
        run a
          run b
        run b
          run a
        """
    )
    facts["run_key"] = [1, 2, 2, 1]
    assert only(runs_of(resolve(facts)), "run_key", "parent_run_key", "root_run_key") == [
        {"run_key": 1, "root_run_key": 1},
        {"run_key": 2, "root_run_key": 2},
    ]


def members_of(resolved: Resolved) -> list[tuple[int, int, Use]]:
    """(run, span, use) in the order in which the spans speak."""
    rows = np.sort(resolved.members.records(), order=["run_key", "use", "rank"])
    return [(row["run_key"].item(), row["span_key"].item(), Use(row["use"].item())) for row in rows]


def test_who_speaks_for_a_run() -> None:
    """The run's own span, then what was folded into it; model calls where those have no content."""
    resolved = resolve(
        facts_of(
            """
            workflow flow
              run weather
                run weather
                  model gpt has_input=1 has_output=1
                  model gpt has_input=1 has_output=1
            run other has_input=1 has_output=1
              model gpt has_input=1 has_output=1
            """
        )
    )
    assert members_of(resolved) == [
        (2, 2, Use.ALL),
        (2, 1, Use.ALL),
        (2, 3, Use.ALL),
        (2, 4, Use.INPUT),
        (2, 5, Use.OUTPUT),
        (6, 6, Use.ALL),
    ]


def test_contents_of_records_count_as_those_of_their_spans() -> None:
    """Where they are, runs take them from calls as from spans; else they change nothing: they make no span, and keep none waiting."""
    facts = facts_of(
        """
        chain flow parent_key=91
          model gpt has_output=1
          model gpt has_output=1
          none record event=7 parent_key=3 has_input=1 inserted_us=100
          none record event=7 parent_key=3 has_output=1 inserted_us=100
          none record event=7 parent_key=92 has_input=1 inserted_us=100
        """
    )
    without, found = (resolve_columns(Columns.of(some), fed_since_us=99) for some in (facts[:3], facts))
    assert runs_of(found) == runs_of(without) != []
    assert calls_of(found) == calls_of(without)
    assert found.unsettled.tolist() == without.unsettled.tolist() == []
    assert members_of(without) == [(1, 1, Use.ALL), (1, 3, Use.OUTPUT)]
    assert members_of(found) == [(1, 1, Use.ALL), (1, 3, Use.INPUT), (1, 3, Use.OUTPUT)]


def test_reported_usage_is_the_run_spans_own_claim() -> None:
    """The run's own span speaks over the wrapper's; a wrapper where the run is silent."""
    resolved = resolve(
        facts_of(
            """
            workflow flow input_tokens=1 output_tokens=2 cost_usd=3
              run weather input_tokens=10
            """
        )
    )
    names = ("reported_input_tokens", "reported_output_tokens", "reported_cost_usd")
    assert only(runs_of(resolved), *names) == [
        {"reported_input_tokens": 10, "reported_output_tokens": 2, "reported_cost_usd": 3.0}
    ]


@pytest.mark.parametrize(
    ("outline", "mismatch"),
    [
        ("run a\n  model m input_tokens=100", 0),
        ("run a input_tokens=100\n  model m input_tokens=100", 0),
        ("run a input_tokens=101\n  model m input_tokens=100", 0),
        ("run a input_tokens=103\n  model m input_tokens=100", 1),
        ("run a output_tokens=50\n  model m input_tokens=100", 1),
        ("run a input_tokens=100\n  model m input_tokens=100\n  tool t\n    run b\n      model m input_tokens=50", 0),
        ("run a input_tokens=150\n  model m input_tokens=100\n  tool t\n    run b\n      model m input_tokens=50", 0),
        ("run a input_tokens=120\n  model m input_tokens=100\n  tool t\n    run b\n      model m input_tokens=50", 1),
        ("run a cost_usd=1\n  model m input_tokens=100 cost_usd=1", 0),
        ("run a cost_usd=1\n  model m input_tokens=100 cost_usd=2", 1),
        ("run a cost_usd=1\n  model m input_tokens=100", 0),
        ("run a input_tokens=100", 1),
    ],
)
def test_a_claim_that_differs_from_the_sum_is_flagged(outline: str, mismatch: int) -> None:
    """What a run claims is its own calls' usage or that with its sub-runs; a hundredth more or less is not worth a flag."""
    assert np.sort(resolve(facts_of(outline)).runs.records(), order="run_key")[0]["usage_mismatch"] == mismatch


def test_calls_are_priced_by_model_where_their_spans_say_no_cost() -> None:
    """The span's word wins; a call takes the model of a span that repeats it when it has none; what has no price is counted."""
    prices = np.zeros(1, PRICE)
    prices["model_key"], prices["day_until_s"] = 7, 86_400
    for name in PRICES:
        prices[name] = np.nan
    prices["input_usd_per_mtok"], prices["output_usd_per_mtok"] = 1e6, 2e6
    resolved = resolve(
        facts_of(
            """
            run boss
              model gpt model_key=7 input_tokens=2 output_tokens=1
              model gpt model_key=7 input_tokens=2 output_tokens=1 cost_usd=0.5
              model - input_tokens=3
                model gpt model_key=7 input_tokens=3
              run worker
                model other model_key=8 input_tokens=5
                model other model_key=8
            """
        ),
        prices=prices,
    )
    names = ("span_key", "cost_usd", "cost_source")
    assert only(calls_of(resolved), *names) == [
        {"span_key": 2, "cost_usd": 4.0, "cost_source": CostSource.PRICES},
        {"span_key": 3, "cost_usd": 0.5, "cost_source": CostSource.SPAN},
        {"span_key": 4, "cost_usd": 3.0, "cost_source": CostSource.PRICES},
        {"span_key": 7},
        {"span_key": 8},
    ]
    assert only(runs_of(resolved), "run_key", "cost_usd", "unpriced_call_count") == [
        {"run_key": 1, "cost_usd": 7.5, "unpriced_call_count": 1},
        {"run_key": 6, "unpriced_call_count": 1},
    ]


def test_a_cost_of_nothing_for_tokens_that_have_a_price_is_not_believed() -> None:
    """Emitters say 0 for models that their own price lists lack; a model without a price may really be free."""
    prices = np.zeros(1, PRICE)
    prices["model_key"], prices["day_until_s"] = 7, 86_400
    for name in PRICES:
        prices[name] = np.nan
    prices["input_usd_per_mtok"], prices["output_usd_per_mtok"] = 1e6, 2e6
    resolved = resolve(
        facts_of(
            """
            model gpt model_key=7 input_tokens=2 output_tokens=1 cost_usd=0
            model own model_key=8 input_tokens=2 output_tokens=1 cost_usd=0
            model gpt model_key=7 cost_usd=0
            """
        ),
        prices=prices,
    )
    calls = np.sort(resolved.calls.records(), order="span_key")
    assert calls[["span_key", "cost_usd", "cost_source"]].tolist() == [
        (1, 4.0, CostSource.PRICES),
        (2, 0.0, CostSource.SPAN),
        (3, 0.0, CostSource.SPAN),
    ]


def test_5_000_tool_calls_and_20_000_nested_runs() -> None:
    """Wide and deep traces are counted exactly."""
    wide = np.zeros(5_001, FACT)
    wide["span_key"] = wide["run_key"] = wide["name_key"] = np.arange(1, 5_002)
    wide["parent_key"][1:] = 1
    wide["role"] = [Role.RUN, *[Role.TOOL] * 5_000]
    wide["cost_usd"] = np.nan
    assert only(runs_of(resolve(wide)), "tool_call_count", "spans_stored") == [
        {"tool_call_count": 5_000, "spans_stored": 5_001}
    ]
    deep = np.zeros(20_001, FACT)
    deep["span_key"] = deep["run_key"] = deep["name_key"] = np.arange(1, 20_002)
    deep["parent_key"] = np.arange(20_001)
    deep["role"] = [*[Role.RUN] * 20_000, Role.MODEL]
    deep["input_tokens"][-1] = 7
    resolved = np.sort(resolve(deep).runs.records(), order="run_key")
    assert resolved["input_tokens"].tolist() == [7] * 20_000
    assert resolved["root_run_key"].tolist() == [1] * 20_000


@st.composite
def forests(draw: st.DrawFn) -> NDArray[np.void]:
    """Up to 14 spans and events with any parents (cycles and missing ones too), roles, names, words and numbers."""
    count = draw(st.integers(1, 14))
    number = st.integers(0, count)
    facts = np.zeros(count, FACT)
    facts["span_key"] = [draw(st.integers(1, count)) for _ in range(count)]
    for name, values in (
        ("parent_key", st.integers(0, count + 1)),
        ("name_key", st.integers(0, 3)),
        ("scope_key", st.integers(1, 3)),
        ("same_key", st.sampled_from([0, 0, 5, 6])),
        ("role", st.sampled_from(list(Role))),
        ("event", st.sampled_from([Event.NONE, Event.NONE, *Event])),
        ("status", st.sampled_from([Status.UNSET, Status.SUCCESS, Status.FAILED, Status.CANCELLED, Status.WAITING])),
        ("is_shadow", st.integers(0, 1)),
        ("has_input", st.integers(0, 1)),
        ("has_output", st.integers(0, 1)),
        ("event_us", number),
        ("queued_us", number),
        ("waiting_ms", number),
        ("heartbeat_interval_ms", number),
        ("input_tokens", number),
        ("output_tokens", number),
        ("cost_usd", st.sampled_from([np.nan, 0.0, 0.25])),
        ("given_parent_key", st.sampled_from([0, 0, 1, 50])),
    ):
        facts[name] = [draw(values) for _ in range(count)]
    facts["started_us"] = START_US + np.arange(count)
    facts["ended_us"] = facts["started_us"] + [draw(number) for _ in range(count)]
    facts["trace_key"] = draw(st.sampled_from([0, 1])) * (facts["span_key"] % 2)
    facts["run_key"] = np.where(np.arange(count) % 3 == 0, facts["span_key"], 1 + np.arange(count) % 2)
    return facts


@settings(max_examples=300, deadline=None)
@given(forests(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_rows(facts: NDArray[np.void], random: Any) -> None:
    """Whatever the spans are, the order in which they are read changes nothing and every run is counted."""
    order = list(range(len(facts)))
    random.shuffle(order)
    first, second = resolve(facts), resolve(facts[order])
    for name in ("runs", "members", "calls"):
        one, two = (np.sort(getattr(resolved, name).records(), kind="stable") for resolved in (first, second))
        assert one.tobytes() == two.tobytes()
    assert set(first.members["run_key"].tolist()) <= set(first.runs["run_key"].tolist())
    assert set(first.calls["run_key"].tolist()) - {0} <= set(first.runs["run_key"].tolist())
