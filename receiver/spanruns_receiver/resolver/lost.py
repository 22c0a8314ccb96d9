"""Parts of a trace whose parents never came, and where they belong: only the time, and the scope, tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spanruns_receiver.resolver.adrift import is_call
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Keys, Role, is_any
from spanruns_receiver.resolver.joins import are_in, places
from spanruns_receiver.resolver.walk import nearest, roots

MOST_OPEN = 32
"""Runs under way at once among which the innermost is looked for."""


def orphaned(facts: Columns, parent: Ints) -> Bools:
    """Which spans lack their parent: it never ended, was not sampled, or was dropped on its way."""
    found: Bools = (parent < 0) & (facts["parent_key"] != 0)
    if found.any():
        found[found] = ~are_in(facts["parent_key"][found], facts["span_key"])
    return found


def lost(facts: Columns, parent: Ints, orphan: Bools, is_root: Bools) -> Ints:
    """Orphans beside which their trace has something else, and whose parents are awaited no longer (`is_root`): not after the trace's root
    has come, which ends last.

    Where a request entered its process the parent may well be kept elsewhere, if it is kept at all; a call's own span is the same
    from either side.
    """
    is_span, trace = facts["event"] == Event.NONE, facts["trace_key"]
    found = np.flatnonzero(orphan & is_span & ((facts["is_entry"] == 0) | is_call(facts["role"])))
    if not len(found):
        return found
    ended = trace[is_span & (facts["parent_key"] == 0)]
    found = found[is_root[found] | are_in(trace[found], ended)]
    traces, parts = np.unique(trace[parent < 0], return_counts=True)
    return found[are_in(trace[found], traces[parts > 1])]


def with_runs(facts: Columns, top: Ints) -> Bools:
    """Which topmost spans have a run below them, or are one themselves; `top` is that of each node."""
    found = np.zeros(len(top), bool)
    found[top[_says_run(facts)]] = True
    return found


def _says_run(facts: Columns) -> Bools:
    return is_any(facts["role"], Role.RUN, Role.AGENT, Role.WORKFLOW)


def _has_begun(facts: Columns) -> Bools:
    found: Bools = facts["event"] != Event.QUEUED
    return found


@dataclass(frozen=True)
class Places:
    """Where a lost part of a trace may belong."""

    facts: Columns
    top: Ints  # the topmost span above each node, as it was sent
    orphan: Bools
    parent: Ints
    is_run: Bools
    stands: Bools  # for a run, or a wrapper of one

    def of_parts_with_runs(self, lost: Ints) -> Ints:
        """For each the outermost run that is under way, or the wrapper between two; -1 for none.

        Such a part may stand beside any run. Several of which none is the root are what a remote caller asked for.
        """
        trace, around = self.facts["trace_key"], nearest(self.parent, self.stands)
        runs, wrappers = (np.flatnonzero(which & self._is_whole) for which in (self.is_run, self.stands))
        found = under_way(self.facts, runs, lost, around, trace, outermost=True)
        return np.where(found >= 0, found, under_way(self.facts, wrappers, lost, around, trace, outermost=True))

    def of_others(self, lost: Ints) -> Ints:
        """For each the innermost run that is under way, or else the root, which may be over before what it started; -1 for none.

        If there are several side by side it is the one of which the same scope tells, but none that hangs below the same lost parent.
        """
        facts, trace, parent_key = self.facts, self.facts["trace_key"], self.facts["parent_key"]
        is_top = self.top == np.arange(len(self.top))
        host = (self.stands & _has_begun(facts) & (self._is_whole | _says_run(facts))) | (self._is_whole & is_top)
        around, hosts = nearest(self.parent, host), np.flatnonzero(host)
        mine, found = (under_way(facts, hosts, lost, around, key) for key in (trace ^ facts["scope_key"], trace))
        found = np.where((mine >= 0) & ~_is_inside(found, mine, around), mine, found)
        found = np.where(found >= 0, found, _only_root(facts, lost))
        while (beside := (found >= 0) & (parent_key[self.top[np.maximum(found, 0)]] == parent_key[lost])).any():
            found[beside] = around[found[beside]]
        return found

    @cached_property
    def _is_whole(self) -> Bools:
        """Which spans are of a part of their trace whose root is there."""
        return _has_begun(self.facts) & ~self.orphan[roots(self.parent)]


def _is_inside(node: Ints, outer: Ints, around: Ints) -> Bools:
    """Which nodes have the other one around them."""
    at = node
    while (on := (at >= 0) & (at != outer)).any():
        at = np.where(on, around[at], at)
    return at >= 0


def _only_root(facts: Columns, lost: Ints) -> Ints:
    """For every span the root of its trace, -1 where there are several, or none."""
    trace, root = facts["trace_key"], np.flatnonzero((facts["parent_key"] == 0) & _has_begun(facts))
    known, first, count = np.unique(trace[root], return_index=True, return_counts=True)
    found = places(trace[lost], known[count == 1]).copy()
    found[found >= 0] = root[first[count == 1]][found[found >= 0]]
    return found


def under_way(facts: Columns, runs: Ints, lost: Ints, around: Ints, within: Keys, *, outermost: bool = False) -> Ints:
    """For every span which of these runs with the same key (`within`) was under way when it began; -1 for none.

    Of several inside each other (`around` each is the next) it is the innermost, or the outermost; of several side by side the one
    around them all.
    """
    runs, started = runs[are_in(within[runs], within[lost])], facts["started_us"]
    node, is_over = np.concatenate([runs, runs, lost]), facts["event"][runs] == Event.NONE
    ended = np.where(is_over, np.maximum(started, facts["ended_us"])[runs], np.iinfo(np.int64).max)
    times = np.concatenate([started[runs], ended, started[lost]])
    begins, asks, ends = 0, 1, 2
    kind = np.repeat([begins, ends, asks], [len(runs), len(runs), len(lost)])
    order = np.lexsort([kind, times, within[node]])
    step = (kind == begins).astype(np.int64) - (kind == ends)
    count, which = np.cumsum(step[order]), np.cumsum((step * node)[order])
    asked = kind[order] == asks
    found = np.where(count == 1, which, -1)
    if (several := asked & (count > 1)).any():
        found[several] = _joints((step * (node + 1))[order], several, around, outermost)
    of_lost = np.empty(len(lost), np.int64)
    of_lost[order[asked] - 2 * len(runs)] = found[asked]
    return of_lost


def _joints(moves: Ints, asked: Bools, around: Ints, outermost: bool) -> list[int]:
    """At each of the places asked for what is to be said of the runs that are open there; n + 1 opens run n, -n - 1 closes it."""
    is_open, found, joint = set[int](), list[int](), None
    for move, is_asked in zip(moves.tolist(), asked.tolist(), strict=True):
        if is_asked:
            joint = _joint(is_open, around, outermost) if joint is None else joint
            found.append(joint)
        elif move:
            (is_open.add if move > 0 else is_open.remove)(abs(move) - 1)
            joint = None
    return found


def _joint(runs: set[int], around: Ints, outermost: bool) -> int:
    """Of some runs the innermost, or the outermost, or else the one around all that are; -1 for none."""
    lines = [_line(run, around) for run in runs] if len(runs) < MOST_OPEN else []
    outer = set() if outermost else {run for line in lines for run in line[:-1]}
    joint = -1
    for first, *others in zip(*(line for line in lines if line[-1] not in outer), strict=False):
        if any(other != first for other in others):
            break
        joint = first
    return joint


def _line(run: int, around: Ints) -> list[int]:
    """The runs around a run, the outermost first, and itself."""
    line = [run]
    while (outer := int(around[line[-1]])) >= 0 and len(line) < MOST_OPEN:
        line.append(outer)
    return line[::-1]
