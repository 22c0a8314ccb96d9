"""Contexts that were left behind, and parents that never came."""

from __future__ import annotations

from spanruns_receiver.resolver.adrift import OWN_SCOPE
from spanruns_receiver.resolver.columns import Columns
from spanruns_receiver.resolver.tree import grow, nodes
from spanruns_schema.store import rows

from tests.support.outlines import START_US, facts_of, told
from tests.support.resolving import Bench


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


def test_a_lost_call_is_of_the_innermost_run_of_those_that_lie_in_each_other() -> None:
    """While an inner run is under way it is that one's, also where two of them follow one another; of two at once it is nobody's."""
    facts = facts_of(
        f"""
        run outer ended_us={START_US + 200_000}
          run first ended_us={START_US + 20_000}
          run second started_us={START_US + 30_000} ended_us={START_US + 50_000}
            run deep started_us={START_US + 40_000} ended_us={START_US + 50_000}
          run third started_us={START_US + 100_000} ended_us={START_US + 120_000}
          run fourth started_us={START_US + 110_000} ended_us={START_US + 130_000}
        model of_first parent_key=91 started_us={START_US + 10_000}
        model between parent_key=92 started_us={START_US + 25_000}
        model of_second parent_key=93 started_us={START_US + 35_000}
        model of_deep parent_key=94 started_us={START_US + 45_000}
        model unclear parent_key=95 started_us={START_US + 115_000}
        model of_fourth parent_key=96 started_us={START_US + 125_000}
        model after parent_key=97 started_us={START_US + 250_000}
        """
    )
    assert told(grow(nodes(Columns.of(facts))))[6:] == [
        "call of 2", "call of 1", "call of 3", "call of 4", "lone call", "call of 6", "lone call",
    ]  # fmt: skip


def test_what_begins_after_the_run_around_it_is_not_part_of_it() -> None:
    """A context that was left behind puts later runs below the first one; a queue may, and a step that makes no calls is none."""
    facts = facts_of(
        f"""
        workflow chain
          model gpt
          workflow chain started_us={START_US + 900_000}
            model gpt
          chain step started_us={START_US + 900_000}
          run queued started_us={START_US + 900_000} queued_us={START_US + 50_000}
          run named started_us={START_US + 900_000}
          run elsewhere started_us={START_US + 900_000} scope_key=9
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "workflow", "call of 1", "workflow", "call of 3", "inside 1", "run under 1", "run", "run under 1",
    ]  # fmt: skip


def test_what_failed_starts_nothing_after_its_end() -> None:
    """Neither itself nor in spans of the service's own, which go with the runs in them; what did not fail may do that in the background."""
    facts = facts_of(
        f"""
        run first
          model gpt
          none background started_us={START_US + 900_000} scope_key=9
            run second started_us={START_US + 901_000}
          chain broken status=2 started_us={START_US + 900_000} ended_us={START_US + 901_000}
            run third started_us={START_US + 902_000}
            none later started_us={START_US + 902_000} scope_key=9
              run fourth started_us={START_US + 903_000}
              run fifth started_us={START_US + 904_000}
        """
    )
    found = nodes(Columns.of(facts))
    assert told(grow(found)) == [
        "run", "call of 1", "inside 1", "run under 1", "inside 1", "run", "nothing", "run", "run",
    ]  # fmt: skip
    assert found.parent.tolist()[6:] == [-1, 6, 6]


def test_a_run_of_our_own_instrumentation_may_begin_late(bench: Bench) -> None:
    """What a service itself starts in the background is that run's, although it has ended."""
    facts = facts_of(
        f"""
        run job scope_key={OWN_SCOPE}
          model gpt
          run later started_us={START_US + 900_000} scope_key={OWN_SCOPE}
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == ["run", "call of 1", "run under 1"]
    assert rows(bench.store, "SELECT cityHash64('spanruns') AS scope") == [{"scope": int(OWN_SCOPE)}]


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
