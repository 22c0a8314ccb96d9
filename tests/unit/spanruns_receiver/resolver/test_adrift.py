"""Contexts that were left behind."""

from __future__ import annotations

from spanruns_receiver.resolver.adrift import OWN_SCOPE
from spanruns_receiver.resolver.columns import Columns
from spanruns_receiver.resolver.nodes import nodes
from spanruns_receiver.resolver.tree import grow
from spanruns_schema.store import rows

from tests.support.outlines import START_US, facts_of, told
from tests.support.resolving import Bench


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


def test_what_begins_within_the_end_of_the_run_around_it_is_part_of_it() -> None:
    """JavaScript's spans begin at whole milliseconds and end between them, so that the last agent of a pipeline began after that."""
    facts = facts_of(
        f"""
        run pipeline status=2 started_us={START_US} ended_us={START_US + 1_977}
          run first started_us={START_US} ended_us={START_US + 475}
            model gpt started_us={START_US} ended_us={START_US + 262}
          run second started_us={START_US + 2_000} ended_us={START_US + 2_397}
            model gpt started_us={START_US + 2_000} ended_us={START_US + 2_161}
          run later started_us={START_US + 3_000} ended_us={START_US + 3_397}
            model gpt started_us={START_US + 3_000} ended_us={START_US + 3_161}
        """
    )
    assert told(grow(nodes(Columns.of(facts)))) == [
        "run", "run under 1", "call of 2", "run under 1", "call of 4", "run", "call of 6",
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
