"""Facts of a writer's own rows: what the store's views would map, without their cost at every insert.

Interprets the same data (`spanruns_schema.dialects`) as the views' SQL; `docs/decisions/0003-facts-by-the-receiver.md` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanruns_receiver.decode.block import encode
from spanruns_receiver.decode.model import Block
from spanruns_receiver.facts.columns import FACTS, NAMES
from spanruns_receiver.facts.rows import event_facts, span_facts

__all__ = ["TABLE", "facts_block"]

TABLE = "span_facts"


def facts_block(rows: Mapping[str, Sequence[Sequence[Any]]]) -> Block | None:
    """The facts of decoded rows by table as one block of `span_facts`; None where there are none."""
    facts = [*span_facts(rows.get("otel_traces", ())), *event_facts(rows.get("otel_logs", ()))]
    return Block(NAMES, len(facts), encode(FACTS, facts)) if facts else None
