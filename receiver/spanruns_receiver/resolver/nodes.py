"""Spans as nodes of a forest: one for all facts of a span, each with a pointer to its parent. All traces of a pass are in one forest;
some of them may be taken out, decided anew and put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.resolver.adrift import left_behind
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Keys
from spanruns_receiver.resolver.joins import are_in, places
from spanruns_receiver.resolver.walk import without_cycles


@dataclass(frozen=True)
class Nodes:
    """One entry per span: its own record if it has arrived, else what its lifecycle events say of it."""

    facts: Columns  # the fact that speaks for the span (FACT)
    parent: Ints  # index of the parent, -1 at a root or where the parent has not arrived
    is_root: Bools  # has no parent to wait for
    member_of: Ints  # for every fact given to `nodes`: the index of its span

    def beside(self, some: Ints) -> Part:
        """The traces of some nodes."""
        trace = self.facts["trace_key"]
        return Part(np.flatnonzero(are_in(trace, trace[some])), len(trace))

    def of(self, part: Part) -> Nodes:
        """Those of some traces only; of no fact it is said whose it is."""
        at = part.at
        return Nodes(self.facts.take(at), part.inward(self.parent), self.is_root[at], self.member_of[:0])


class Part:
    """The nodes of some traces: `at` are their indexes among all nodes, `place` is by index among all the one among these."""

    def __init__(self, at: Ints, count: int) -> None:
        self.at = at
        self.place = np.full(count + 1, -1, np.int64)  # the last one is that of none, -1
        self.place[at] = np.arange(len(at))

    def inward(self, pointers: Ints) -> Ints:
        """Of pointers of all nodes those of these."""
        return self.place[pointers[self.at]]

    def outward(self, pointers: Ints, inner: Ints) -> Ints:
        """Pointers of all nodes, with other ones of these."""
        return self.put(pointers, np.append(self.at, -1)[inner])

    def put(self, values: NDArray[Any], inner: NDArray[Any]) -> NDArray[Any]:
        """Values of all nodes, with other ones of these."""
        values = values.copy()
        values[self.at] = inner
        return values


def nodes(facts: Columns, fed_since_us: int | None = None) -> Nodes:
    """Fold facts to one node per span and link the nodes.

    A span whose parent has not arrived is taken for a root, unless its trace got facts after `fed_since_us` (unix microseconds):
    then the parent is most likely still open. Where a request entered its process there is nothing to wait for.
    """
    order, is_first = _by_span(facts)
    own = facts.take(order[is_first])
    keys = own["span_key"]
    member_of = np.empty(len(facts), np.int64)
    member_of[order] = np.cumsum(is_first) - 1
    parent_keys = _any_parent(facts, member_of, own)
    position = places(parent_keys, keys)
    parent = without_cycles(np.where((parent_keys != 0) & (parent_keys != keys), position, -1))
    adrift = left_behind(own, parent)
    parent = np.where(adrift, -1, parent)
    awaits = (parent_keys != 0) & _is_fed(facts, own, fed_since_us) & ~own["is_entry"].astype(bool) & ~adrift
    return Nodes(own, parent, (parent < 0) & ~awaits, member_of)


def _by_span(facts: Columns) -> tuple[Ints, Bools]:
    """The order by span, of each first what speaks for it; and which of these are first."""
    order = np.argsort(facts["span_key"])
    keys = facts["span_key"][order]
    is_first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    if not is_first.all():
        # A span's own record speaks for it; else its `started` event, which knows the parent; else any event.
        rank = np.where(facts["event"] == Event.STARTED, 1, facts["event"].astype(np.int64) + 1)
        rank[facts["event"] == Event.NONE] = 0
        # The times only break ties, so that the order of arrival never matters.
        order = np.lexsort((facts["started_us"], facts["event_us"], rank, facts["span_key"]))
    return order, is_first


def _is_fed(facts: Columns, own: Columns, since_us: int | None) -> Bools:
    """For every node whether its trace got facts since then."""
    if since_us is None:
        return np.zeros(len(own), bool)
    return are_in(own["trace_key"], facts["trace_key"][facts["inserted_us"] > since_us])


def _any_parent(facts: Columns, member_of: Ints, own: Columns) -> Keys:
    """A node's parent key; a heartbeat does not know it, but another event of the same span may."""
    parents = own["parent_key"]
    told = facts["event"] != Event.NONE
    if not told.any():
        return parents
    known = np.zeros(len(own), np.uint64)
    np.maximum.at(known, member_of[told], facts["parent_key"][told])
    return np.where((own["event"] != Event.NONE) & (parents == 0), known, parents)
