"""The rules of the tree, each on a small tree; `told` gives one phrase a line."""

from __future__ import annotations

import time

import numpy as np
import pytest
from spanruns_receiver.resolver import walk
from spanruns_receiver.resolver.columns import FACT, Columns, Event, Role
from spanruns_receiver.resolver.nodes import nodes
from spanruns_receiver.resolver.tree import grow
from spanruns_receiver.resolver.walk import nearest, roots

from tests.support.outlines import START_US, facts_of, told

TREES = {
    "a wrapper that calls a model and tools is an agent, not the one that it chose": (
        f"""
        workflow boss ended_us={START_US + 900_000}
          model gpt
          tool transfer
          run expert started_us={START_US + 500_000} ended_us={START_US + 600_000}
            model gpt started_us={START_US + 510_000}
          model gpt started_us={START_US + 700_000}
        """,
        ["workflow", "call of 1", "call of 1", "run under 1", "call of 4", "call of 1"],
    ),
    "so is one that another instrumentation's wrapper stands around": (
        f"""
        chain boss ended_us={START_US + 900_000}
          workflow boss ended_us={START_US + 900_000}
            model gpt
            tool transfer
            run expert started_us={START_US + 500_000} ended_us={START_US + 600_000}
              model gpt started_us={START_US + 510_000}
        """,
        ["workflow", "part of 1", "call of 1", "call of 1", "run under 1", "call of 5"],
    ),
    "a wrapper that ended before its run began is no run that was left behind": (
        f"""
        workflow request
          run weather started_us={START_US + 900_000}
            model gpt
        """,
        ["part of 2", "run", "call of 2"],
    ),
    "agents that tools asked, told of beside the one whose tools they are": (
        f"""
        workflow flow ended_us={START_US + 900_000}
          run boss ended_us={START_US + 890_000}
            tool ask_expert started_us={START_US + 100_000} ended_us={START_US + 500_000}
          run expert started_us={START_US + 101_000} ended_us={START_US + 495_000}
            tool ask_clerk started_us={START_US + 200_000} ended_us={START_US + 300_000}
            tool ask_clerk started_us={START_US + 200_100} ended_us={START_US + 310_000}
          run clerk started_us={START_US + 200_500} ended_us={START_US + 299_000}
          run clerk started_us={START_US + 200_600} ended_us={START_US + 309_000}
        """,
        [
            *("part of 2", "run", "call of 2", "run under 2", "call of 4", "call of 4"),
            *("run under 4", "run under 4"),
        ],
    ),
    "agents at work beside each other, and one whose tool asked another one inside it": (
        f"""
        workflow flow ended_us={START_US + 900_000}
          run boss ended_us={START_US + 890_000}
            tool nap started_us={START_US + 100_000} ended_us={START_US + 500_000}
            tool nap started_us={START_US + 600_000} ended_us={START_US + 600_900}
            tool ask started_us={START_US + 700_000} ended_us={START_US + 800_000}
              run clerk started_us={START_US + 701_000} ended_us={START_US + 799_000}
          run expert started_us={START_US + 120_000} ended_us={START_US + 495_000}
          run expert started_us={START_US + 600_100} ended_us={START_US + 600_200}
          run expert started_us={START_US + 701_000} ended_us={START_US + 799_000}
          run other started_us={START_US + 101_000} ended_us={START_US + 499_000} scope_key=7
        """,
        [
            *("workflow", "run under 1", "call of 2", "call of 2", "call of 2", "run under 2"),
            *("run under 1", "run under 1", "run under 1", "run under 1"),
        ],
    ),
    "a run and its calls": (
        """
        run weather
          model gpt
          tool get_weather
          none step
            model gpt
        """,
        ["run", "call of 1", "call of 1", "inside 1", "call of 1"],
    ),
    "a wrapper with one agent below is that agent's run": (
        """
        workflow flow
          none step
            run weather
              tool get_weather
        """,
        ["part of 3", "inside 3", "run", "call of 3"],
    ),
    "what a wrapper calls before and after its one agent is that agent's, also around another wrapper": (
        f"""
        workflow service
          model plan
          workflow flow
            run weather
              tool get_weather
            model judge started_us={START_US + 104_000}
        """,
        ["part of 4", "call of 4", "part of 4", "run", "call of 4", "call of 4"],
    ),
    "what a wrapper makes while its agent is at work is the agent's": (
        """
        workflow flow
          run weather
            tool get_weather
          model gpt
        """,
        ["part of 2", "run", "call of 2", "call of 2"],
    ),
    "a chain that calls a model and tools inside a tool call is a run, one that only calls a model is not": (
        """
        run boss
          tool delegate
            chain researcher
              chain step
                model gpt
              chain step
                tool lookup
          tool summarize
            chain sequence
              model gpt
        """,
        [
            "run",
            "call of 1",
            "run under 1",
            "inside 3",
            "call of 3",
            "inside 3",
            "call of 3",
            "call of 1",
            "inside 1",
            "call of 1",
        ],
    ),
    "the shadow of a call is the agent that the call asks if a model and tools are called in it, and repeats the call still": (
        """
        run boss
          tool delegate
            tool - shadow
              model gpt
              tool lookup
                tool - shadow
          tool fetch
            tool - shadow
              model gpt
        """,
        [
            *("run", "call of 1", "run under 1", "call of 3", "call of 3", "repeats 5"),
            *("call of 1", "repeats 7", "call of 1"),
        ],
    ),
    "a wrapper of wrappers around one agent": (
        """
        workflow flow
          workflow inner
            run weather
        """,
        ["part of 3", "part of 3", "run"],
    ),
    "a wrapper above several agents is their parent": (
        """
        workflow crew
          run writer
            model gpt
          run editor
          model gpt
        """,
        ["workflow", "run under 1", "call of 2", "run under 1", "call of 1"],
    ),
    "a wrapper repeated around several agents is one": (
        """
        workflow flow
          workflow flow
            run writer
            run editor
        """,
        ["workflow", "part of 1", "run under 1", "run under 1"],
    ),
    "a wrapper beside an agent inside a wrapper": (
        """
        workflow flow
          run first
          workflow part
            run second
        """,
        ["workflow", "run under 1", "part of 4", "run under 1"],
    ),
    "a wrapper without agents is a run": (
        """
        workflow pipeline
          tool fetch
        """,
        ["workflow", "call of 1"],
    ),
    "a run inside a run of the same name is that run": (
        """
        run weather
          run weather
            model gpt
            run weather
              tool get_weather
        """,
        ["run", "part of 1", "call of 1", "part of 1", "call of 1"],
    ),
    "a run inside a run of another name is a sub-run": (
        """
        run boss
          run worker
            tool get_weather
        """,
        ["run", "run under 1", "call of 2"],
    ),
    "a run below a tool call is a sub-run, whatever its name": (
        """
        run weather
          tool delegate
            run weather
              model gpt
        """,
        ["run", "call of 1", "run under 1", "call of 3"],
    ),
    "nameless runs are never the same": (
        """
        run -
          run -
        """,
        ["run", "run under 1"],
    ),
    "a wrapper above a tool above a run has none of its own": (
        """
        workflow flow
          tool delegate
            run worker
        """,
        ["workflow", "call of 1", "run under 1"],
    ),
    "a chain at the root is a wrapper, others are nothing": (
        """
        chain graph
          chain node
            tool get_weather
          chain node
            model gpt
        """,
        ["workflow", "inside 1", "call of 1", "inside 1", "call of 1"],
    ),
    "a chain at the root around one agent": (
        """
        chain kickoff
          chain task
            run writer
              model gpt
        """,
        ["part of 3", "inside 3", "run", "call of 3"],
    ),
    "a step is nothing inside its run": (
        """
        run told
          step -
            model gpt
        """,
        ["run", "inside 1", "call of 1"],
    ),
    "a step is a run where the one around it never came": (
        """
        step - parent_key=91
          tool get
        step - parent_key=91
          step -
            model gpt
        """,
        ["run", "call of 1", "run", "inside 3", "call of 3"],
    ),
    "a chain below plain spans is still the outermost": (
        """
        none http
          chain graph
            tool get_weather
        """,
        ["nothing", "workflow", "call of 2"],
    ),
    "a nameless agent above agents is a wrapper": (
        """
        agent trace
          chain flow
            run weather
              model gpt
        """,
        ["part of 3", "inside 3", "run", "call of 3"],
    ),
    "a nameless agent above several agents is their parent": (
        """
        agent trace
          run writer
          run editor
        """,
        ["workflow", "run under 1", "run under 1"],
    ),
    "a nameless agent with calls of its own is a run": (
        f"""
        agent manager
          none step
            run worker
              model gpt
          tool final_answer started_us={START_US + 104_000}
        """,
        ["run", "inside 1", "run under 1", "call of 3", "call of 1"],
    ),
    "a nameless agent that one instrumentation tells of, and its name another": (
        """
        agent FunctionAgent
          run weather
            tool get_weather
          none step
            model gpt
        """,
        ["part of 2", "run", "call of 2", "inside 2", "call of 2"],
    ),
    "nameless agents inside a nameless agent are runs": (
        """
        agent manager
          agent worker
        """,
        ["run", "run under 1"],
    ),
    "nameless agents without calls are steps of an agent with calls": (
        """
        agent executor
          agent prepare
            agent split
          model gpt
          agent parse
        """,
        ["run", "inside 1", "inside 1", "call of 1", "inside 1"],
    ),
    "a nameless agent without calls that a tool called is a run": (
        """
        run manager
          tool ask
            agent worker
        """,
        ["run", "call of 1", "run under 1"],
    ),
    "a nameless agent without agents is a run": (
        """
        agent task
          model gpt
        """,
        ["run", "call of 1"],
    ),
    "a nameless agent above an agent that a tool called is a run": (
        """
        agent manager
          tool ask
            agent worker
              model gpt
        """,
        ["run", "call of 1", "run under 1", "call of 3"],
    ),
    "a root without any run but with calls makes a run": (
        """
        none job
          none step
            model gpt
          tool fetch
        """,
        ["workflow", "inside 1", "call of 1", "call of 1"],
    ),
    "lone calls make none": (
        """
        model gpt
        tool fetch
        none nothing
        """,
        ["lone call", "lone call", "nothing"],
    ),
    "calls beside a run stay without one": (
        """
        none request
          run weather
            model gpt
          model gpt
        """,
        ["nothing", "run", "call of 2", "lone call"],
    ),
    "a call repeated inside itself is one call": (
        """
        run weather
          model gpt
            none http
              model gpt-4
                model gpt-4
          tool get_weather
            tool get_weather
        """,
        ["run", "call of 1", "inside 1", "repeats 2", "repeats 2", "call of 1", "repeats 6"],
    ),
    "a tool that calls another tool is two calls": (
        """
        run weather
          tool outer
            tool inner
        """,
        ["run", "call of 1", "call of 1"],
    ),
    "a model call in the context that an earlier one of its instrumentation left behind is another": (
        f"""
        run weather
          model gpt scope_key=7
            model gpt scope_key=8
            model gpt scope_key=7 started_us={START_US + 500_000}
              model gpt scope_key=8 started_us={START_US + 510_000}
        """,
        ["run", "call of 1", "repeats 2", "call of 1", "repeats 4"],
    ),
    "protocol spans repeat the tool call around them": (
        """
        run weather
          tool get_weather
            tool renamed shadow
              none send
                tool renamed shadow
        """,
        ["run", "call of 1", "repeats 2", "inside 1", "repeats 2"],
    ),
    "protocol spans are calls where none is around them": (
        """
        run weather
          tool get_weather shadow
            tool get_weather shadow
        """,
        ["run", "call of 1", "repeats 2"],
    ),
    "a model call inside a tool call is a call of its own": (
        """
        run weather
          model gpt
          tool summarise
            model gpt
        """,
        ["run", "call of 1", "call of 1", "call of 1"],
    ),
    "a repeat below a sub-run is not a repeat": (
        """
        run weather
          tool get_weather
            run sub
              tool get_weather
        """,
        ["run", "call of 1", "run under 1", "call of 3"],
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_rule(name: str) -> None:
    """Each rule of the tree decides a small tree as written beside it."""
    outline, expected = TREES[name]
    assert told(grow(nodes(Columns.of(facts_of(outline))))) == expected


@pytest.mark.parametrize("name", TREES)
def test_rules_do_not_depend_on_order(name: str) -> None:
    """The same spans in another order, and some of them twice, are the same tree."""
    outline, expected = TREES[name]
    facts = facts_of(outline)
    random = np.random.default_rng(7)
    for _ in range(5):
        shuffled = facts[random.permutation(len(facts))]
        assert told(grow(nodes(Columns.of(np.concatenate([shuffled, shuffled[:2]]))))) == expected


def test_missing_parents_hide_nothing() -> None:
    """A call whose parent never arrives is that of the run that was under way; what is below it stays with it."""
    facts = facts_of(
        """
        run weather
          none step
            model gpt
            tool get_weather
              run sub
        """
    )
    decided = ["run", "call of 1", "call of 1", "run under 1"]
    assert told(grow(nodes(Columns.of(facts[[0, 2, 3, 4]])))) == decided
    facts["trace_key"][2] = 7
    assert told(grow(nodes(Columns.of(facts[[0, 2, 3, 4]])))) == ["run", "lone call", *decided[2:]]


def test_missing_parents_are_awaited_while_their_trace_is_fed() -> None:
    """A chain or a plain span makes no run as long as its parent may still come; where the request entered, none is awaited."""
    facts = facts_of(
        """
        chain graph parent_key=91 inserted_us=100
          model gpt
        none request parent_key=92 is_entry=1
          model gpt
        none request parent_key=93
          model gpt
        run weather parent_key=94
        """
    )
    facts["trace_key"] = [1, 1, 2, 2, 3, 3, 1]
    decided = ["workflow", "call of 1", "workflow", "call of 3", "workflow", "call of 5", "run"]
    assert told(grow(nodes(Columns.of(facts)))) == decided
    assert told(grow(nodes(Columns.of(facts), fed_since_us=100))) == decided
    waiting = ["nothing", "lone call", "workflow", "call of 3", "workflow", "call of 5", "run"]
    assert told(grow(nodes(Columns.of(facts), fed_since_us=99))) == waiting
    facts["trace_key"][2:4] = 1
    assert told(grow(nodes(Columns.of(facts), fed_since_us=99))) == waiting


def test_cycles_are_cut() -> None:
    """Spans that are their own ancestors lose their parents; spans below them keep theirs."""
    facts = facts_of(
        """
        run first
          none step
            run second
              model gpt
        """
    )
    facts["parent_key"][0] = 3
    assert nodes(Columns.of(facts)).parent.tolist() == [-1, -1, -1, 2]
    assert told(grow(nodes(Columns.of(facts)))) == ["run", "nothing", "run", "call of 3"]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    """A parent id equal to the span's own id is no parent."""
    facts = facts_of("run weather parent_key=1")
    assert nodes(Columns.of(facts)).parent.tolist() == [-1]


def test_a_spans_own_record_speaks_before_its_events() -> None:
    """Of a span with events the span itself is its node; of events alone the one that began it, with the parent any of them knows."""
    facts = facts_of(
        """
        run outer
        run inner
        run inner event=1
        run open event=2
        run open event=3
        run open event=1 parent_key=1
        """
    )
    facts["span_key"][:] = [1, 2, 2, 3, 3, 3]
    facts["parent_key"][2] = 1
    spans = nodes(Columns.of(facts))
    assert spans.facts["event"].tolist() == [Event.NONE, Event.NONE, Event.STARTED]
    assert spans.member_of.tolist() == [0, 1, 1, 2, 2, 2]
    assert spans.parent.tolist() == [-1, -1, 0]


def test_a_heartbeat_takes_its_parent_from_other_events() -> None:
    """Without a started event the parent is the one that any event of the span names."""
    facts = facts_of(
        """
        run outer
        run inner event=3
        run inner event=4 parent_key=1
        """
    )
    facts["span_key"][2] = 2
    assert nodes(Columns.of(facts)).parent.tolist() == [-1, 0]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_nearest_skips_what_does_not_stop(monkeypatch: pytest.MonkeyPatch, is_compiled: bool) -> None:
    """The nearest marked ancestor is found through any number of unmarked ones, compiled or not."""
    if not is_compiled:
        monkeypatch.setattr(walk, "compiled_module", lambda: None)
    parent = np.array([-1, 0, 1, 2, 3, -1])
    assert nearest(parent, np.array([1, 0, 1, 0, 0, 0], bool)).tolist() == [-1, 0, 0, 2, 2, -1]
    assert roots(parent).tolist() == [0, 0, 0, 0, 0, 5]
    random = np.random.default_rng(3)
    parent = np.maximum(np.arange(1000) - random.integers(1, 30, 1000), -1)
    stop = random.random(1000) < 0.2
    for node, found in enumerate(nearest(parent, stop).tolist()):
        at = parent[node]
        while at >= 0 and not stop[at]:
            at = parent[at]
        assert found == at


def test_no_spans() -> None:
    """Nothing in, nothing out."""
    assert told(grow(nodes(Columns.of(np.zeros(0, FACT))))) == []


def test_a_chain_of_20_000_spans_is_fast() -> None:
    """Depth costs its logarithm: a trace that is one chain is decided in about the time of a flat one."""
    count = 20_000
    facts = np.zeros(count, FACT)
    facts["span_key"] = np.arange(1, count + 1)
    facts["parent_key"] = np.arange(count)
    facts["role"] = Role.NONE
    facts["role"][0], facts["role"][-1] = Role.RUN, Role.TOOL
    began = time.process_time()
    tree = grow(nodes(Columns.of(facts)))
    assert time.process_time() - began < 2
    assert told(tree)[0] == "run"
    assert told(tree)[-1] == "call of 1"


def test_a_chain_of_20_000_nested_runs() -> None:
    """Sub-runs nest without a limit, each under the one around it."""
    count = 20_000
    facts = np.zeros(count, FACT)
    facts["span_key"] = facts["name_key"] = np.arange(1, count + 1)
    facts["parent_key"] = np.arange(count)
    facts["role"] = Role.RUN
    tree = grow(nodes(Columns.of(facts)))
    assert tree.owner.tolist() == list(range(-1, count - 1))
