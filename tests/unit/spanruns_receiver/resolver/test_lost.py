"""Parents that never came."""

from __future__ import annotations

from spanruns_receiver.resolver.columns import Columns
from spanruns_receiver.resolver.nodes import nodes
from spanruns_receiver.resolver.tree import grow

from tests.support.outlines import START_US, facts_of, told


def test_a_lost_call_is_of_no_run_where_none_or_several_were_under_way() -> None:
    """Neither before a run, nor while two are, nor below itself."""
    facts = facts_of(
        """
        model early parent_key=90
        run alpha
          model gpt
        run beta
        tool unclear parent_key=91
        tool outer trace_key=5 parent_key=92
          run inner trace_key=5 started_us=1
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "lone call", "run", "call of 2", "run", "lone call", "lone call", "run",
    ]  # fmt: skip


def test_a_lost_part_belongs_to_the_innermost_run_under_way() -> None:
    """Be it a call or a step with calls in it; of runs side by side to the one around them, and to a root that makes the run itself."""
    facts = facts_of(
        f"""
        run outer
          run inner ended_us={START_US + 5_000}
            model gpt
          model in_inner parent_key=90
          chain step parent_key=91 started_us={START_US + 20_000}
            tool get
          run one started_us={START_US + 30_000}
          run two started_us={START_US + 30_000}
          none step parent_key=92 started_us={START_US + 31_000}
            model gpt
        none root trace_key=2
        none step trace_key=2 parent_key=93
          model gpt trace_key=2
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "run", "run under 1", "call of 2", "call of 2", "inside 1", "call of 1", "run under 1", "run under 1", "inside 1", "call of 1",
        "workflow", "inside 11", "call of 11",
    ]  # fmt: skip


def test_a_lost_part_with_a_run_is_beside_the_runs_under_way() -> None:
    """A tool's span that did not come leaves its agent to the one around all. What a remote caller asked for, in a request of its own or
    in several parts of which none is the root, stays as it is, and so do parts with one and the same lost parent."""
    facts = facts_of(
        """
        run boss
          run asked
            model gpt
          run beside parent_key=90
          none served is_entry=1 parent_key=91
            run remote
        run first trace_key=2 parent_key=92
          model gpt trace_key=2
        run second trace_key=2 parent_key=93
        chain step trace_key=3 parent_key=94
        chain step trace_key=3 parent_key=94
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "run", "run under 1", "call of 2", "run under 1", "nothing", "run", "run", "call of 7", "run", "workflow", "workflow",
    ]  # fmt: skip


def test_a_lost_call_waits_for_its_parent_until_the_root_has_come() -> None:
    """While a trace is fed, a part of it that has ended takes nothing in; its root does."""
    facts = facts_of(
        """
        run part parent_key=90 inserted_us=100
          model gpt parent_key=91 inserted_us=100
        run whole trace_key=2 inserted_us=100
          model gpt trace_key=2 parent_key=92 inserted_us=100
        """
    )
    assert told(grow(nodes(Columns.of(facts), fed_since_us=99))) == ["run", "lone call", "run", "call of 3"]
    assert told(grow(nodes(Columns.of(facts), fed_since_us=100))) == ["run", "call of 1", "run", "call of 3"]


def test_a_lost_part_is_where_its_scope_tells_of_a_run() -> None:
    """Of runs side by side, and else below the root, be it over; a run whose clock went back keeps no other trace from that."""
    facts = facts_of(
        f"""
        none root
          run one scope_key=7
          run two scope_key=8
          model gpt scope_key=8 parent_key=90
        run back trace_key=2 ended_us={START_US}
          model gpt trace_key=2 parent_key=91
        run outer trace_key=3
          run inner trace_key=3
          model gpt trace_key=3 parent_key=92
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "nothing", "run", "run", "call of 3", "run", "call of 5", "run", "run under 7", "call of 8",
    ]  # fmt: skip


def test_what_a_crash_left_over_is_part_of_the_run_that_had_begun() -> None:
    """Of it only its events are there, and its end may still come; a run that waits in a queue has no parts yet."""
    facts = facts_of(
        """
        run crashed event=1 ended_us=0
        chain step parent_key=90
          model gpt
        run queued event=2 ended_us=0 trace_key=2
        chain step parent_key=91 trace_key=2
          model gpt trace_key=2
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "run", "inside 1", "call of 1", "run", "workflow", "call of 5",
    ]  # fmt: skip
