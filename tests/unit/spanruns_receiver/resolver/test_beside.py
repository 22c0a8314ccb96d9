"""What several instrumentations saw side by side; `told` gives one phrase a line."""

from __future__ import annotations

import time

import numpy as np
import pytest
from spanruns_receiver.resolver.columns import FACT, Columns, Role
from spanruns_receiver.resolver.nodes import nodes
from spanruns_receiver.resolver.summary import resolve
from spanruns_receiver.resolver.tree import Tree, grow

from tests.support.outlines import START_US, facts_of, told

TREES = {
    "a stream's call whose spans stand side by side": (
        """
        run weather scope_key=1
          model gpt scope_key=1 same_key=5
          model gpt-4 scope_key=2 same_key=5
            model gpt-4 scope_key=3 same_key=5
        """,
        ["run", "call of 1", "repeats 2", "repeats 2"],
    ),
    "calls of one instrumentation are each their own, whatever their ids": (
        """
        run weather scope_key=1
          model gpt scope_key=1 same_key=5
          model gpt scope_key=1 same_key=5
          model other scope_key=2
        """,
        ["run", "call of 1", "call of 1", "call of 1"],
    ),
    "three trees of one agent, by callbacks": (
        """
        run weather scope_key=1
          none task scope_key=1
            model gpt scope_key=1
          tool get scope_key=1
          run weather scope_key=2
            model gpt scope_key=2
            tool get scope_key=2
          run weather scope_key=3
            model gpt scope_key=3
            tool get scope_key=3
        """,
        [
            *["run", "inside 1", "call of 1", "call of 1"],
            *["part of 1", "repeats 3", "repeats 4"],
            *["part of 1", "repeats 3", "repeats 4"],
        ],
    ),
    "a wrapper whose agent was seen by another is that agent": (
        """
        none request
          run chat scope_key=1
            model gpt scope_key=1 same_key=5
          workflow flow scope_key=2
            run chat scope_key=2
            model gpt scope_key=2 same_key=5
        """,
        ["nothing", "run", "call of 2", "part of 2", "part of 2", "repeats 3"],
    ),
    "a graph seen by two is one, however many of its agents are known to be": (
        """
        workflow map scope_key=1
          workflow map scope_key=2
            run one scope_key=2
              model gpt scope_key=2 same_key=5
          run one scope_key=1
            model gpt scope_key=1 same_key=5
          run two scope_key=1
            model gpt scope_key=1 same_key=6
          workflow map scope_key=1
            run three scope_key=1
        """,
        [
            *["workflow", "part of 1", "run under 1", "call of 3", "part of 3", "repeats 4"],
            *["run under 1", "call of 7", "part of 10", "run under 1"],
        ],
    ),
    "two trees of one agent, neither inside the other": (
        """
        none request
          run weather scope_key=1
            model gpt scope_key=1
          run other scope_key=2
            model gpt scope_key=2
          run weather scope_key=2
            model gpt scope_key=2
        """,
        ["nothing", "run", "call of 2", "run", "call of 4", "part of 2", "repeats 3"],
    ),
    "the agents below two trees are the same as well": (
        """
        run boss scope_key=1
          tool ask scope_key=1
            run helper scope_key=1
              model gpt scope_key=1
        run boss scope_key=2
          tool ask scope_key=2
            run helper scope_key=2
              model gpt scope_key=2
        """,
        ["run", "call of 1", "run under 1", "call of 3", "part of 1", "repeats 2", "part of 3", "repeats 4"],
    ),
    "an answer tells that two runs are one, whatever their names": (
        """
        none request
          run weather scope_key=1
            model gpt scope_key=1 same_key=5
          workflow LangGraph scope_key=2
            model gpt scope_key=2 same_key=5
        """,
        ["nothing", "run", "call of 2", "part of 2", "repeats 3"],
    ),
    "an answer belongs to the inner run": (
        """
        run job scope_key=1
          run weather scope_key=2
            model gpt scope_key=2 same_key=5
          model gpt scope_key=3 same_key=5
        """,
        ["run", "run under 1", "call of 2", "repeats 3"],
    ),
    "an answer that is asked for again later is another call": (
        """
        run weather scope_key=1
          model gpt scope_key=1 same_key=5 ended_us=1
          model gpt scope_key=2 same_key=5
        """,
        ["run", "call of 1", "call of 1"],
    ),
    "a generator's span, over before its call begins": (
        f"""
        run weather scope_key=1
          none step scope_key=1
            model gpt scope_key=1 input_tokens=20 output_tokens=7 ended_us={START_US + 3_500}
            model gpt scope_key=2 input_tokens=20 output_tokens=7
          model gpt scope_key=2 input_tokens=20 output_tokens=7
        """,
        ["run", "inside 1", "call of 1", "repeats 3", "call of 1"],
    ),
    "calls right after each other with other usage": (
        f"""
        run weather scope_key=1
          model gpt scope_key=1 input_tokens=20 output_tokens=7 ended_us={START_US + 2_500}
          model gpt scope_key=2 input_tokens=20 output_tokens=8
        """,
        ["run", "call of 1", "call of 1"],
    ),
    "calls with the same usage, one of them later": (
        f"""
        run weather scope_key=1
          model gpt scope_key=1 input_tokens=20 output_tokens=7 ended_us={START_US + 2_500}
          model gpt scope_key=2 input_tokens=20 output_tokens=7 started_us={START_US + 13_000}
        """,
        ["run", "call of 1", "call of 1"],
    ),
    "a generator that was over and knows no usage, and the call that it made": (
        f"""
        run weather scope_key=1
          none step scope_key=1
            model gpt scope_key=1 ended_us={START_US + 3_500}
            model gpt scope_key=2 started_us={START_US + 503_000} ended_us={START_US + 600_000}
          none step scope_key=1
            model gpt scope_key=1 status=2 started_us={START_US + 601_000} ended_us={START_US + 602_000}
            model gpt scope_key=2 status=2 started_us={START_US + 603_000} ended_us={START_US + 604_000}
        """,
        ["run", "inside 1", "call of 1", "repeats 3", "inside 1", "call of 1", "repeats 6"],
    ),
    "calls after each other without usage, more than two, one that failed before, of other models": (
        f"""
        run weather scope_key=1
          none step scope_key=1
            model gpt scope_key=1 ended_us={START_US + 3_500}
            model gpt scope_key=2 started_us={START_US + 4_000}
            model gpt scope_key=2 started_us={START_US + 5_000}
          none step scope_key=1
            model gpt scope_key=1 status=2 started_us={START_US + 601_000} ended_us={START_US + 602_000}
            model gpt scope_key=2 started_us={START_US + 603_000} ended_us={START_US + 604_000}
          none step scope_key=1
            model gpt scope_key=1 started_us={START_US + 701_000} ended_us={START_US + 702_000}
            model claude scope_key=2 started_us={START_US + 703_000} ended_us={START_US + 704_000}
        """,
        ["run", *("inside 1", "call of 1", "call of 1", "call of 1"), *("inside 1", "call of 1", "call of 1") * 2],
    ),
    "a workflow whose agent hangs below the other instrumentation's": (
        """
        none request
          workflow flow scope_key=1
            run weather scope_key=1
              run weather scope_key=2
              model gpt scope_key=1
          workflow flow scope_key=2
          workflow other scope_key=2
          workflow flow scope_key=2
            none step scope_key=2
              model other scope_key=2
        """,
        [
            *("nothing", "part of 3", "run", "part of 3", "call of 3", "part of 3"),
            *("workflow", "workflow", "inside 8", "call of 8"),
        ],
    ),
    "a tool whose own span lost its context": (
        f"""
        run nightly scope_key=1
          run weather scope_key=2
            tool get scope_key=2 ended_us={START_US + 50_000}
            tool get scope_key=2 started_us={START_US + 60_000}
          tool get scope_key=1 ended_us={START_US + 40_000}
          tool get scope_key=1 started_us={START_US + 61_000} ended_us={START_US + 100_000}
          tool get scope_key=1 started_us={START_US + 62_000} ended_us={START_US + 900_000}
        """,
        ["run", "run under 1", "call of 2", "call of 2", "repeats 3", "repeats 4", "call of 1"],
    ),
    "a tool whose span without context ends an instant later, or begins before": (
        f"""
        run nightly scope_key=1
          run weather scope_key=2
            tool get scope_key=2 ended_us={START_US + 50_000}
            tool get scope_key=2 started_us={START_US + 60_000} ended_us={START_US + 90_000}
          tool get scope_key=1 ended_us={START_US + 51_000}
          tool get scope_key=1 started_us={START_US + 59_000} ended_us={START_US + 91_000}
        """,
        ["run", "run under 1", "call of 2", "call of 2", "repeats 3", "repeats 4"],
    ),
    "calls that hang in a tool call instead of the agent that it asked": (
        f"""
        run boss scope_key=1
          tool ask scope_key=1
            run helper scope_key=1
              model gpt scope_key=1 ended_us={START_US + 50_000}
              tool add scope_key=1 ended_us={START_US + 60_000}
            model gpt scope_key=2 ended_us={START_US + 51_000}
            tool add scope_key=2 ended_us={START_US + 59_000}
          tool ask scope_key=1
            run helper scope_key=1
              model gpt scope_key=1 ended_us={START_US + 52_000}
            model gpt scope_key=2 ended_us={START_US + 53_000}
        """,
        [
            *("run", "call of 1", "run under 1", "call of 3", "call of 3", "repeats 4", "repeats 5"),
            *("call of 1", "run under 1", "call of 9", "repeats 10"),
        ],
    ),
    "agents that are told of below the workflow, where another one knows which tool asked them": (
        f"""
        none request
          workflow flow scope_key=1
            run boss scope_key=1
              tool ask scope_key=1
                run helper scope_key=1
                  model gpt scope_key=1 same_key=5
                  tool add scope_key=1
          workflow flow scope_key=2
            run boss scope_key=2
            tool ask scope_key=2 ended_us={START_US + 105_000}
            run helper scope_key=2
            model gpt scope_key=2 same_key=5
            tool add scope_key=2
        """,
        [
            *("nothing", "part of 3", "run", "call of 3", "run under 3", "call of 5", "call of 5"),
            *("part of 3", "part of 3", "repeats 4", "part of 5", "repeats 6", "repeats 7"),
        ],
    ),
    "an agent below the one that handed over to it, whose calls are in another's tree": (
        f"""
        workflow flow scope_key=1
          run first scope_key=1 ended_us={START_US + 50_000}
            model gpt scope_key=1
          run second scope_key=1 started_us={START_US + 60_000} ended_us={START_US + 90_000}
            model gpt scope_key=1 started_us={START_US + 61_000}
          run first scope_key=2 ended_us={START_US + 50_000}
            run second scope_key=2 started_us={START_US + 60_000} ended_us={START_US + 90_000}
            run third scope_key=2
        """,
        [
            *("workflow", "run under 1", "call of 2", "run under 1", "call of 4"),
            *("part of 2", "part of 4", "run under 2"),
        ],
    ),
    "a run that was over before what it does began": (
        f"""
        none request
          run weather scope_key=1 ended_us={START_US + 2_500}
          run weather scope_key=2
            model gpt scope_key=2
          run other scope_key=1 ended_us={START_US + 5_500}
            model gpt scope_key=1 ended_us={START_US + 5_400}
          run other scope_key=2
            model gpt scope_key=2
          run late scope_key=1 ended_us={START_US + 8_500}
          run late scope_key=2 started_us={START_US + 50_000}
        """,
        [
            *("nothing", "run", "part of 2", "call of 2", "run", "call of 5", "run", "call of 7"),
            *("run", "run"),
        ],
    ),
    "failed calls of which one span knows the model": (
        """
        run weather scope_key=1
          model gpt scope_key=1 status=2
          model - scope_key=2 status=2
            model gpt scope_key=3 status=2
          model claude scope_key=4 status=2
          tool get scope_key=1
            model gpt scope_key=1
            model - scope_key=2
        """,
        ["run", "call of 1", "repeats 2", "repeats 2", "call of 1", "call of 1", "call of 1", "call of 1"],
    ),
    "a span around several answered calls is no call, around one it is": (
        f"""
        run weather scope_key=1
          model gpt scope_key=2 output_tokens=9
            model gpt scope_key=3 output_tokens=7 ended_us={START_US + 4_000}
            tool get scope_key=1
            model gpt scope_key=3 output_tokens=9 ended_us={START_US + 9_000}
          model gpt scope_key=2 output_tokens=9
            model gpt scope_key=3 status=2 ended_us={START_US + 8_000}
            model gpt scope_key=3 output_tokens=9 started_us={START_US + 9_000}
          model gpt scope_key=2 output_tokens=9
            model gpt scope_key=2 output_tokens=7 ended_us={START_US + 10_000}
            model gpt scope_key=2 output_tokens=9
          model gpt scope_key=2 output_tokens=9
            model gpt scope_key=3 output_tokens=9
            model gpt scope_key=4 output_tokens=9 started_us={START_US + 300_000} ended_us={START_US + 301_000}
        """,
        [
            *("run", "inside 1", "call of 1", "call of 1", "call of 1", "call of 1", "repeats 6", "repeats 6"),
            *("call of 1", "repeats 9", "repeats 9", "call of 1", "repeats 12", "repeats 12"),
        ],
    ),
    "a graph in one of its name, with another one's agents between": (
        """
        workflow team scope_key=1
          none step scope_key=2
            run one scope_key=2
              model gpt scope_key=2
            run two scope_key=2
              model gpt scope_key=2
          workflow team scope_key=1
            run one scope_key=1
              model gpt scope_key=1
            run two scope_key=1
              model gpt scope_key=1
        """,
        [
            *("workflow", "inside 1", "run under 1", "call of 3", "run under 1", "call of 5"),
            *("part of 1", "part of 3", "repeats 4", "part of 5", "repeats 6"),
        ],
    ),
    "parallel calls that one tells of in the other order, when they are almost over": (
        f"""
        run weather scope_key=1
          tool get scope_key=1 ended_us={START_US + 50_000}
          tool get scope_key=1 ended_us={START_US + 49_000}
          tool get scope_key=2 started_us={START_US + 48_400} ended_us={START_US + 49_200}
          tool get scope_key=2 started_us={START_US + 49_600} ended_us={START_US + 50_200}
        """,
        ["run", "call of 1", "call of 1", "repeats 3", "repeats 2"],
    ),
    "parallel calls of which the earlier takes longer": (
        f"""
        run weather scope_key=1
          tool get scope_key=1 ended_us={START_US + 90_000}
          tool get scope_key=1 ended_us={START_US + 50_000}
          tool get scope_key=2 ended_us={START_US + 91_000}
          tool get scope_key=2 ended_us={START_US + 51_000}
        """,
        ["run", "call of 1", "call of 1", "repeats 2", "repeats 3"],
    ),
    "a failed call that hangs beside its run": (
        f"""
        none request
          run weather scope_key=1
            model gpt scope_key=1
          model gpt scope_key=2 ended_us={START_US + 50_000}
        """,
        ["nothing", "run", "call of 2", "repeats 3"],
    ),
    "a tool inside one of its name that an inner agent calls": (
        f"""
        run boss scope_key=1
          tool search scope_key=1
            run helper scope_key=2
              tool search scope_key=2 ended_us={START_US + 50_000}
        """,
        ["run", "call of 1", "run under 1", "call of 3"],
    ),
    "calls of models that nobody names": (
        """
        run weather scope_key=1
          model - scope_key=1
          model - scope_key=2
          model gpt scope_key=3
        """,
        ["run", "call of 1", "repeats 2", "call of 1"],
    ),
    "other answers are other calls": (
        """
        run weather scope_key=1
          model gpt scope_key=1 same_key=5
          model gpt scope_key=2 same_key=6
        """,
        ["run", "call of 1", "call of 1"],
    ),
    "parallel calls of a tool, each seen twice": (
        """
        run weather scope_key=1
          tool get scope_key=1
          tool get scope_key=1
          tool get scope_key=2
          tool get scope_key=2
        """,
        ["run", "call of 1", "call of 1", "repeats 2", "repeats 3"],
    ),
    "parallel calls with ids find their own": (
        """
        run weather scope_key=1
          tool get scope_key=1 same_key=5
          tool get scope_key=1 same_key=6
          tool get scope_key=2 same_key=6
          tool get scope_key=2 same_key=5
        """,
        ["run", "call of 1", "call of 1", "repeats 3", "repeats 2"],
    ),
    "what another instrumentation saw more of is more": (
        """
        run weather scope_key=1
          tool get scope_key=1
          tool get scope_key=2
          tool get scope_key=2
        """,
        ["run", "call of 1", "repeats 2", "call of 1"],
    ),
    "one that is repeated inside has been seen by that instrumentation": (
        """
        run weather scope_key=1
          model gpt scope_key=1
            model gpt scope_key=2
          model gpt scope_key=2
        """,
        ["run", "call of 1", "repeats 2", "call of 1"],
    ),
    "a tool under two names with one id": (
        """
        run weather scope_key=1
          tool get scope_key=1 same_key=5
          tool server.get scope_key=2 same_key=5
        """,
        ["run", "call of 1", "repeats 2"],
    ),
    "a wrapper around one of two trees": (
        """
        workflow weather scope_key=1
          run weather scope_key=2
            model gpt scope_key=2
          run weather scope_key=1
            model gpt scope_key=1
        """,
        ["part of 2", "run", "call of 2", "part of 2", "repeats 3"],
    ),
    "agents of several instrumentations with other names are several": (
        """
        none request
          run writer scope_key=1
            model gpt scope_key=1
          run editor scope_key=2
            model gpt scope_key=2
        """,
        ["nothing", "run", "call of 2", "run", "call of 4"],
    ),
    "an agent and the one of its name that a tool of another one called": (
        """
        run helper scope_key=1
          tool ask scope_key=1
            run helper scope_key=2
        """,
        ["run", "call of 1", "run under 1"],
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_rule(name: str) -> None:
    """Each rule decides a small tree as written beside it, in whatever order the spans came."""
    outline, expected = TREES[name]
    facts = facts_of(outline)
    random = np.random.default_rng(7)
    for _ in range(4):
        assert told(grow(nodes(Columns.of(facts)))) == expected
        facts = facts[random.permutation(len(facts))]


def test_other_traces_are_others() -> None:
    """Names and times bind only within a trace."""
    facts = facts_of(
        """
        run weather scope_key=1 trace_key=1
        run weather scope_key=2 trace_key=1
        run weather scope_key=2 trace_key=2
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == ["run", "part of 1", "run"]


def test_traces_are_decided_together_as_each_alone() -> None:
    """Only some traces of many are looked at again, each as often as it takes: none is touched by what was found in another."""
    facts = [facts_of(outline) for outline, _ in TREES.values()]
    for trace, rows in enumerate(facts, 1):
        rows["trace_key"] = trace
        for name in ("span_key", "parent_key", "same_key"):
            rows[name] += np.where(rows[name] > 0, 1000 * trace, 0).astype(np.uint64)
    together = grow(nodes(Columns.of(np.concatenate(facts))))
    start = 0
    for rows, (_, expected) in zip(facts, TREES.values(), strict=True):
        mine = slice(start, start + len(rows))
        run, owner, call, parent = (
            np.where(pointer[mine] >= 0, pointer[mine] - start, -1)
            for pointer in (together.run, together.owner, together.call, together.parent)
        )
        assert told(Tree(run, owner, call, together.is_run[mine], together.is_workflow[mine], parent)) == expected
        start += len(rows)


def test_a_call_seen_by_three_counts_once() -> None:
    """Tokens are those of one of the spans that know them, spans are counted where they were sent, contents are found in any."""
    resolved = resolve(
        Columns.of(
            facts_of(
                """
                run job scope_key=1
                  run weather scope_key=2
                    model gpt scope_key=2 same_key=5
                  model gpt scope_key=3 same_key=5 input_tokens=20 output_tokens=7 has_input=1
                  model gpt scope_key=4 same_key=5 input_tokens=20 output_tokens=7 has_output=1
                """
            )
        )
    )
    runs, calls, members = resolved.runs, resolved.calls, resolved.members
    assert runs["run_key"].tolist() == [1, 2]
    assert runs["model_call_count"].tolist() == [0, 1]
    assert runs["input_tokens"].tolist() == [20, 20]
    assert runs["output_tokens"].tolist() == [7, 7]
    assert runs["spans_stored"].tolist() == [3, 2]
    assert calls["span_key"].tolist() == [3]
    told_by = [members[name].tolist() for name in ("span_key", "run_key", "use")]
    assert sorted(zip(*told_by, strict=True)) == [(1, 1, 0), (2, 2, 0), (4, 2, 1), (5, 2, 2)]


def test_usage_of_a_span_around_several_calls_is_theirs() -> None:
    """What a span that turned out to be no call says of tokens is not counted anywhere, in no other trace either."""
    resolved = resolve(
        Columns.of(
            facts_of(
                f"""
                run weather scope_key=1
                  model gpt scope_key=2 input_tokens=20 output_tokens=9
                    model gpt scope_key=3 input_tokens=20 output_tokens=7 ended_us={START_US + 4_000}
                    model gpt scope_key=3 input_tokens=30 output_tokens=9 started_us={START_US + 4_000}
                run other scope_key=1 trace_key=2
                  model gpt scope_key=1 trace_key=2 input_tokens=5 output_tokens=4
                """
            )
        )
    )
    assert resolved.runs["input_tokens"].tolist() == [50, 5]
    assert resolved.runs["output_tokens"].tolist() == [16, 4]
    assert resolved.runs["model_call_count"].tolist() == [2, 1]


def test_usage_is_that_of_one_who_tells_of_the_call() -> None:
    """Spans inside the first that know the usage count, not those of another instrumentation beside it; without any, that one's do."""
    resolved = resolve(
        Columns.of(
            facts_of(
                """
                run weather scope_key=1
                  model gpt scope_key=1 same_key=5
                    model gpt scope_key=3 same_key=5 input_tokens=20 output_tokens=7 cost_usd=1
                    model gpt scope_key=3 same_key=5 input_tokens=1 output_tokens=1
                  model gpt scope_key=2 same_key=5 input_tokens=30 output_tokens=7 cost_usd=2
                    model gpt scope_key=4 same_key=5 input_tokens=20 output_tokens=7 cost_usd=1
                  model other scope_key=1
                    model other scope_key=3
                  model other scope_key=2 input_tokens=5 output_tokens=3
                """
            )
        )
    )
    calls = resolved.calls
    fields = ("span_key", "input_tokens", "output_tokens", "cost_usd")
    assert list(zip(*(np.nan_to_num(calls[name]).tolist() for name in fields), strict=True)) == [
        (2, 21, 8, 1.0),
        (7, 5, 3, 0.0),
    ]


def test_no_circles() -> None:
    """A span is never put below itself, however ids contradict the tree."""
    facts = facts_of(
        """
        model gpt scope_key=1 same_key=5
          tool get scope_key=1
            model gpt scope_key=2 same_key=5
        """
    )
    facts["started_us"] = START_US - facts["started_us"]
    assert told(grow(nodes(Columns.of(facts)))) == ["lone call", "lone call", "lone call"]


@pytest.mark.parametrize("step_us", [1_000_000, 0], ids=["one after the other", "all at once"])
def test_5_000_tool_calls_seen_twice_are_fast(step_us: int) -> None:
    """Many calls of one tool, by two instrumentations, are as many calls."""
    count = 5_000
    facts = np.zeros(2 * count + 1, FACT)
    facts["span_key"] = np.arange(1, len(facts) + 1)
    facts["role"], facts["role"][0] = Role.TOOL, Role.RUN
    facts["parent_key"][1:] = 1
    facts["name_key"] = 9
    facts["started_us"][1:] = START_US + np.tile(np.arange(count) * step_us, 2)
    facts["ended_us"] = facts["started_us"] + 1_000
    facts["scope_key"][: count + 1] = 1
    began = time.process_time()
    calls = resolve(Columns.of(facts)).calls
    assert time.process_time() - began < 3
    assert len(calls) == count


def test_deep_runs_with_many_calls_seen_elsewhere_are_fast() -> None:
    """However deep runs are nested, and however many of their calls another instrumentation saw at the top."""
    depth, count = 5_000, 2_000
    facts = np.zeros(depth + 2 * count, FACT)
    facts["span_key"] = facts["run_key"] = np.arange(1, len(facts) + 1)
    facts["role"], facts["role"][:depth] = Role.MODEL, Role.RUN
    facts["parent_key"][:depth], facts["name_key"][:depth] = np.arange(depth), np.arange(1, depth + 1)
    facts["parent_key"][depth : depth + count], facts["parent_key"][depth + count :] = depth, 1
    facts["same_key"][depth:] = np.tile(np.arange(1, count + 1), 2)
    facts["scope_key"], facts["scope_key"][depth + count :] = 1, 2
    facts["started_us"], facts["ended_us"] = START_US, START_US + 1_000
    began = time.process_time()
    runs = resolve(Columns.of(facts)).runs
    assert time.process_time() - began < 3
    assert runs["run_key"][runs["model_call_count"] > 0].tolist() == [depth]
    assert runs["model_call_count"].sum() == count
