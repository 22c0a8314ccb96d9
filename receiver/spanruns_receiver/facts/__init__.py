"""Facts of a writer's own rows: what the store's views would map, without their cost at every insert.

Interprets the same data (`spanruns_schema.dialects`) as the views' SQL; `docs/decisions/0003-facts-by-the-receiver.md` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanruns_receiver.decode import DEFAULT_LIMITS, Block, Decoded, Signal, portable
from spanruns_receiver.decode.block import encode
from spanruns_receiver.facts.columns import FACTS, NAMES
from spanruns_receiver.facts.rows import event_facts, span_facts

__all__ = ["TABLE", "decode_with_facts", "facts_block"]

TABLE = "span_facts"


def decode_with_facts(signal: Signal, payloads: Sequence[bytes], received_ns: Sequence[int]) -> Decoded:
    """As `decode.decode`, with a block of facts where there are any; slower by what one object a span costs."""
    return portable.decode(signal, payloads, DEFAULT_LIMITS, received_ns, more=_facts)


def _facts(rows: Mapping[str, Sequence[Sequence[Any]]]) -> Mapping[str, Block]:
    found = facts_block(rows)
    return {TABLE: found} if found else {}


def facts_block(rows: Mapping[str, Sequence[Sequence[Any]]]) -> Block | None:
    """The facts of decoded rows by table as one block of `span_facts`; None where there are none."""
    facts = [*span_facts(rows.get("otel_traces", ())), *event_facts(rows.get("otel_logs", ()))]
    return Block(NAMES, len(facts), encode(FACTS, facts)) if facts else None
