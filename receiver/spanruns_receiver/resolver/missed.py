"""Traces that got facts while no resolver ran: found by when their facts were written, resolved stretch by stretch."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from spanruns_schema.resolving import sql
from spanruns_schema.store import Store, rows

from spanruns_receiver.resolver.passes import Books, resolve_traces
from spanruns_receiver.resolver.times import from_us

STRETCH = timedelta(minutes=5)
"""Facts written within this time are looked up at once."""

MARGIN = timedelta(minutes=5)
"""How long before the time that it has reached a resolver may have left facts: those of traces it waited with."""


def last_pass(store: Store) -> datetime | None:
    """A time up to which every fact was resolved; None in a store without facts."""
    (found,) = rows(store, sql("last_pass"))
    if reached_us := found["until_us"] or found["resolved_us"]:
        return from_us(reached_us) - MARGIN
    return from_us(found["fact_us"] - 1) if found["fact_us"] else None


def reach(store: Store, until: datetime) -> None:
    """Note that all facts written until then are resolved, but for those of traces that are waited with."""
    store.command(sql("reach"), {"until": until})


def resolve_missed(store: Store, books: Books, after: datetime, until: datetime, stop: threading.Event) -> int:
    """Resolve every trace that got facts between the two times, or until `stop` is set; returns the number of facts read.

    What is done is noted stretch by stretch: who is stopped meanwhile goes on there.
    """
    facts = 0
    while not stop.is_set():
        (found,) = rows(store, sql("next_fact"), {"after": after})
        start = from_us(found["fact_us"])
        if start >= until or not found["fact_us"]:
            break
        end = min(start + STRETCH, until)
        traces = [row["trace_id"] for row in rows(store, sql("missed"), {"from": start, "to": end})]
        facts += resolve_traces(store, books, traces).facts
        reach(store, end)
        after = end - timedelta(microseconds=1)
    return facts
