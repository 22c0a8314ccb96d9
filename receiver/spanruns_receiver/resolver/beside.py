"""What several instrumentations saw side by side: spans of one run or call that are not inside each other.

Frameworks tell of their steps by callbacks, and each instrumentation that listens makes a tree of its own; a stream's span closes
before another one's begins to look. Spans of one scope are never the same thing: that is what keeps parallel calls apart. Of two scopes
they are, while both are open, when

- they are model calls with the same answer's id; then the runs around them are the same too, if neither is inside the other;
- they are runs of one name, or calls of one kind and name, with the same run or tool call around them, and no id says otherwise. The date
  at the end of a model's name does not count: the one asks for `gpt-5`, the other was answered by `gpt-5-2026-01-31`.

A call that hangs further out than another one of its name, but lies within it in time, is that one, and so is a run with nothing in it
that has the time and the name of another one, further out or further in (`_astray`). A workflow that is empty because what it stands around
was found in another's tree is that one's wrapper (`_hollow`).

Of several that are open at once the one is taken that ends next to it: callbacks tell of parallel calls in any order.

A generator's span may be over before the call that it makes begins: two model calls below one span, of one name and the same usage, are one
also when the second begins right after the first. A generator that was over knows no usage: where it and the call after it are the only two
below their span, they are one, too. So are a run that was over with nothing in it and the one of its name right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spanruns_receiver.resolver.adrift import INSTANT_US, is_call
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Keys, Role, Status, is_any
from spanruns_receiver.resolver.joins import are_in
from spanruns_receiver.resolver.walk import on_cycles

MOST_OPEN = 64
"""Calls of one name that are open at once among which the one is looked for that another scope's span stands for."""

MOST_RUNS = 64
"""Runs, and calls, inside each other that are looked through for those which two spans have in common."""

SOON_US = 10_000
"""A generator's span and the call, or the run, that it makes lie at most so far apart; they were seen half a millisecond apart."""

LAZY_US = 1_000_000
"""The same where no usage tells, but nothing else is there: a client that is made for its first call took half a second."""

_KIND = {Role.RUN: 1, Role.WORKFLOW: 1, Role.TOOL: 2, Role.MODEL: 3}
_MIX, _MIX_TOO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True)
class Standing:
    """What is known of the tree so far, by node; -1 stands for none."""

    role: Ints
    parent: Ints
    stands_for: Ints  # the run or call of which the node is a part, or the node itself
    around: Ints  # the nearest run or tool call above
    run: Ints  # the nearest run above


@dataclass(frozen=True)
class Found:
    """Nodes that show what another node shows, and that one."""

    node: Ints
    same: Ints

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """All of several, or of none."""
        none = np.zeros(0, np.int64)
        node, same = ([none, *arrays] for arrays in ([part.node for part in parts], [part.same for part in parts]))
        return cls(np.concatenate(node), np.concatenate(same))


def same_things(facts: Columns, standing: Standing) -> Found:
    """Nodes that are the same thing as another one, and that one; of several each points at the one before it.

    Each trace is asked for what stands side by side, where there is none for what went astray, then for what is hollow.
    """
    heads, found, trace = _heads(facts, standing), list[Found](), facts["trace_key"]
    for look in (_seen_twice, _astray, _hollow):
        if len(heads):
            found.append(look(facts, standing, heads))
            heads = heads[~are_in(trace[heads], trace[found[-1].node])]
    return Found.joined(found)


def _seen_twice(facts: Columns, standing: Standing, heads: Ints) -> Found:
    """What stands beside something that began before it."""
    role, things = standing.role, _Things(facts, standing)
    pairs, runs = np.full(len(role), -1, np.int64), np.full(len(role), -1, np.int64)
    for node, same in (
        things.shown_twice(heads, _names(facts, heads, standing, facts["name_key"])),
        _told_within(facts, standing, heads, things),
        _nameless(facts, standing, heads, things),
        things.shown_twice(heads, _usages(facts, heads, standing), SOON_US),
        _unused(facts, standing, heads, things),
        _unfilled(facts, standing, heads, things),
    ):
        pairs[node] = np.where(pairs[node] < 0, same, pairs[node])
    node, same = things.shown_twice(heads, _answers(facts, heads, standing))
    pairs[node] = same
    owner = np.where(standing.run >= 0, standing.stands_for[standing.run], -1)
    for place in np.flatnonzero((owner[node] != owner[same]) & (role[node] == Role.MODEL)).tolist():
        head, other = _deeper(standing, int(node[place]), int(same[place]))
        pairs[node[place]] = -1
        pairs[other] = head
        if found := _one_run(facts, standing, head, other):
            runs[found[1]] = found[0]
    pairs = np.where(runs >= 0, runs, pairs)
    told = np.flatnonzero(pairs >= 0)
    return Found(told, pairs[told])


def _told_within(facts: Columns, standing: Standing, heads: Ints, things: _Things) -> tuple[Ints, Ints]:
    """Model calls, as of `shown_twice`, where a span has no name but that which one inside it knows."""
    name, stands = facts["name_key"], standing.stands_for
    inner = np.flatnonzero((standing.role == Role.MODEL) & (name != 0) & (name[stands] == 0))
    if not len(inner):
        return inner, inner
    models, name = heads[standing.role[heads] == Role.MODEL], name.copy()
    name[stands[inner]] = name[inner]
    return things.shown_twice(models, np.where(name[models] == 0, np.uint64(0), _names(facts, models, standing, name)))


def _nameless(facts: Columns, standing: Standing, heads: Ints, things: _Things) -> tuple[Ints, Ints]:
    """Failed model calls, as of `shown_twice`, of which only one of the two spans knows the name: what got no answer may tell none."""
    failed = heads[(standing.role[heads] == Role.MODEL) & (facts["status"][heads] == Status.FAILED)]
    within, is_nameless = _within(facts, failed, standing), facts["name_key"] == 0
    near = are_in(within, within[is_nameless[failed]])

    def order(first: int, second: int) -> tuple[int, int] | None:
        return (second, first) if is_nameless[first] != is_nameless[second] else None

    groups = _groups(facts, failed[near], within[near])
    return _apart([pair for group in groups for pair in things.among(group, 0, order)])


def _unused(facts: Columns, standing: Standing, heads: Ints, things: _Things) -> tuple[Ints, Ints]:
    """Model calls, as of `shown_twice`, and the one before each that was over and knows no usage; nothing else is below their span."""
    node, same = things.shown_twice(heads, _pairs(facts, heads, standing), LAZY_US)
    has_failed = facts["status"] == Status.FAILED
    over = (facts["output_tokens"][same] == 0) & (has_failed[node] | ~has_failed[same])
    return node[over], same[over]


def _unfilled(facts: Columns, standing: Standing, heads: Ints, things: _Things) -> tuple[Ints, Ints]:
    """Runs, as of `shown_twice`, and the one before each that was over with nothing in it."""
    name, is_empty = facts["name_key"], _are_empty(standing, heads)
    runs = heads[(standing.role[heads] == Role.RUN) & are_in(name[heads], name[is_empty])]
    node, same = things.shown_twice(runs, _names(facts, runs, standing, name), SOON_US)
    over = is_empty[same]
    return node[over], same[over]


def _astray(facts: Columns, standing: Standing, heads: Ints) -> Found:
    """Calls that were made inside another one's, to judge by time and name, but whose span hangs further out; and runs with nothing in
    them that another one's hang elsewhere.

    Callbacks give no context to what is called: a decorated tool, a client's own span, belong to the outer run then, or to none. Who does
    not know which agent asked which one has them all below the workflow, or one below the other.
    """
    role, name = standing.role, facts["name_key"]
    is_empty = _are_empty(standing, heads)
    may_be = is_call(role[heads]) | ((role[heads] == Role.RUN) & are_in(name[heads], name[is_empty]))
    heads = heads[may_be & (name[heads] != 0)]
    if not len(heads):
        return Found(heads, heads)
    things = _Things(facts, standing)
    key = (facts["trace_key"][heads] * _MIX + role[heads].astype(np.uint64)) * _MIX_TOO + name[heads]
    order = _Elsewhere(facts, standing, is_empty)
    pairs = [pair for group in _groups(facts, heads, key) for pair in things.among(group, 0, order)]
    return Found(*_apart(pairs))


def _apart(pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    """Pairs as an array of the first and one of the second ones."""
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second


def _are_empty(standing: Standing, heads: Ints) -> Bools:
    """Of all nodes: which are runs, among these heads, without any run or call in them."""
    found = np.zeros(len(standing.role), bool)
    found[heads[standing.role[heads] == Role.RUN]] = True
    inner = heads[standing.run[heads] >= 0]
    around = standing.stands_for[standing.run[inner]]
    found[around[around != inner]] = False
    return found


def _hollow(facts: Columns, standing: Standing, heads: Ints) -> Found:
    """Workflows with nothing in them, and each the wrapper of its name beside it that another scope tells of, around the run that it is."""
    role = standing.role
    full = standing.run[is_any(role, *_KIND) & (standing.run >= 0)]
    empty = np.setdiff1d(heads[(role[heads] == Role.WORKFLOW) & (facts["name_key"][heads] != 0)], full)
    wrapper = np.flatnonzero((role == Role.WORKFLOW) & (standing.stands_for != np.arange(len(role))))
    wrapper = wrapper[are_in(facts["name_key"][wrapper], facts["name_key"][empty])]
    node, stands = np.concatenate([empty, wrapper]), np.concatenate([empty, standing.stands_for[wrapper]])
    hollow, found = set(empty.tolist()), dict[int, int]()
    started, ended, scope = facts["started_us"], facts["ended_us"], facts["scope_key"]
    for group in _groups(facts, node, _within(facts, stands, standing) * _MIX + facts["name_key"][node]):
        for one in hollow.intersection(group):
            near = [other for other in group if other not in hollow and scope[other] != scope[one]]
            near = [other for other in near if started[other] < ended[one] and started[one] < ended[other]]
            if near:
                found[one] = min(near, key=lambda other: abs(int(started[other] - started[one])))
    return Found(np.array(list(found), np.int64), np.array(list(found.values()), np.int64))


class _Elsewhere:
    """Which of two that have a name in common is inside the other: the one that hangs further out, of runs the one that is empty."""

    def __init__(self, facts: Columns, standing: Standing, is_empty: Bools) -> None:
        self._started, self._ended = facts["started_us"], facts["ended_us"]
        self._standing, self._is_empty = standing, is_empty

    def __call__(self, first: int, second: int) -> tuple[int, int] | None:
        """The outer and the inner one, of runs the empty and the other one; None where neither is inside the other."""
        outer, inner = (_around_all(self._standing, self._standing.around, node) for node in (first, second))
        if len(outer) > len(inner):
            first, second, outer, inner = second, first, inner, outer
        if not len(outer) < len(inner) < MOST_RUNS or inner[: len(outer)] != outer or inner[len(outer)] == first:
            return None
        if self._standing.role[first] == Role.RUN:
            if not self._is_empty[first]:
                first, second = second, first
            if not self._is_empty[first]:
                return None
        is_within = self._started[first] + INSTANT_US > self._started[second]
        return (first, second) if is_within and self._ended[first] < self._ended[second] + INSTANT_US else None


def adopted(parent: Ints, found: Found) -> Ints:
    """The parents with each node that was seen twice below its other self, unless that would close a circle."""
    moved = parent.copy()
    moved[found.node] = found.same
    circle = on_cycles(moved)
    moved[circle] = parent[circle]
    return moved


def _heads(facts: Columns, standing: Standing) -> Ints:
    """Runs and calls in traces in which more than one scope tells of any."""
    is_head = (standing.stands_for == np.arange(len(facts))) & (facts["event"] == Event.NONE)
    heads: Ints = np.flatnonzero(is_head & is_any(standing.role, *_KIND))
    if not len(heads):
        return heads
    order = np.argsort(facts["trace_key"][heads], kind="stable")
    heads = heads[order]
    trace, scope = facts["trace_key"][heads], facts["scope_key"][heads]
    first = np.flatnonzero(np.concatenate([[True], trace[1:] != trace[:-1]]))
    several = np.minimum.reduceat(scope, first) != np.maximum.reduceat(scope, first)
    return heads.compress(np.repeat(several, np.diff(np.append(first, len(heads)))))


def _around(heads: Ints, standing: Standing) -> Ints:
    """The run or tool call around each head; a wrapper that is part of the head itself is not around it."""
    found = standing.around[heads]
    while True:
        stands = np.where(found >= 0, standing.stands_for[found], -1)
        again = stands == heads
        if not again.any():
            return stands
        found[again] = standing.around[found[again]]


def _within(facts: Columns, heads: Ints, standing: Standing) -> Keys:
    around = _around(heads, standing)
    return np.where(around >= 0, facts["span_key"][np.maximum(around, 0)], facts["trace_key"][heads])


def _answers(facts: Columns, heads: Ints, standing: Standing) -> Keys:
    """What the same id says is the same: of models anywhere in the trace, of tools within one run. 0 for what has none."""
    key = facts["same_key"][heads]
    within = np.where(standing.role[heads] == Role.MODEL, np.uint64(0), _within(facts, heads, standing))
    return np.where(key == 0, key, key * _MIX + within)


def _names(facts: Columns, heads: Ints, standing: Standing, names: Keys) -> Keys:
    """What the same one of these names within one run or tool call may say is the same; of models also none. 0 for what has none."""
    name, role = names[heads], standing.role[heads]
    kinds = np.zeros(len(Role), np.uint64)
    kinds[list(_KIND)] = list(_KIND.values())
    key = (_within(facts, heads, standing) * _MIX + kinds[role]) * _MIX_TOO + name
    return np.where((name == 0) & (role != Role.MODEL), np.uint64(0), key)


def _usages(facts: Columns, heads: Ints, standing: Standing) -> Keys:
    """What the same usage below one span may say is the same model call. 0 for what has none."""
    parent = standing.parent[heads]
    used = (standing.role[heads] == Role.MODEL) & (facts["output_tokens"][heads] > 0) & (parent >= 0)
    below = facts["span_key"][np.maximum(parent, 0)]
    key = (below * _MIX + facts["input_tokens"][heads]) * _MIX_TOO + facts["output_tokens"][heads]
    return np.where(used, key * _MIX + facts["name_key"][heads], np.uint64(0))


def _pairs(facts: Columns, heads: Ints, standing: Standing) -> Keys:
    """What may be the same model call because it and one other of its name are all that is below a span. 0 for the others."""
    key, parent = np.zeros(len(heads), np.uint64), standing.parent[heads]
    called = np.flatnonzero((standing.role[heads] == Role.MODEL) & (parent >= 0))
    two = called[(np.bincount(parent[called], minlength=len(facts)) == 2)[parent[called]]]
    name = facts["name_key"][heads[two]]
    key[two] = np.where(name == 0, np.uint64(0), facts["span_key"][parent[two]] * _MIX + name)
    return key


def _groups(facts: Columns, heads: Ints, key: Keys) -> list[list[int]]:
    """Heads with the same key of which there is more than one scope, each group in the order in which they began."""
    heads, key = heads[key != 0], key[key != 0]
    if not len(heads):
        return []
    length = facts["started_us"][heads] - facts["ended_us"][heads]
    order = np.lexsort((facts["span_key"][heads], length, facts["started_us"][heads], key))
    heads, key = heads[order], key[order]
    scope = facts["scope_key"][heads]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    several = np.minimum.reduceat(scope, first) != np.maximum.reduceat(scope, first)
    ends, nodes = np.append(first[1:], len(heads)), heads.tolist()
    return [nodes[start:end] for start, end in zip(first[several].tolist(), ends[several].tolist(), strict=True)]


@dataclass
class _Thing:
    """One run or call that spans of several scopes show."""

    first: int
    last: int
    scopes: set[int]
    ids: set[int]
    ended: int

    def may_be(self, other: _Thing) -> bool:
        """Whether no scope told of it twice, and the ids do not say that these are two."""
        if not self.scopes.isdisjoint(other.scopes):
            return False
        return not (self.ids and other.ids) or not self.ids.isdisjoint(other.ids)

    def add(self, other: _Thing, first: int = -1) -> None:
        self.first, self.last = self.first if first < 0 else first, other.last
        self.scopes |= other.scopes
        self.ids |= other.ids
        self.ended = max(self.ended, other.ended)


class _Things:
    """Runs and calls with all their spans, those inside them and those that were found beside them before."""

    def __init__(self, facts: Columns, standing: Standing) -> None:
        self._facts = facts
        self._members = np.argsort(standing.stands_for, kind="stable")
        self._heads = standing.stands_for[self._members]
        self._count = np.bincount(standing.stands_for, minlength=len(standing.stands_for))

    def shown_twice(self, heads: Ints, key: Keys, gap_us: int = 0) -> tuple[Ints, Ints]:
        """Nodes, and for each the one before it that shows the same, among heads that share a key.

        The second begins before the first ends, or less than `gap_us` after it.
        """
        groups = _groups(self._facts, heads, key)
        plain = [group for group in groups if len(group) == 2]
        two = np.array(plain, np.int64).reshape(-1, 2)
        alone = (self._count[two] == 1).all(axis=1)
        first, second = two[alone].T
        ids = self._facts["same_key"]
        same = self._facts["ended_us"][first] + gap_us > self._facts["started_us"][second]
        same &= (ids[first] == ids[second]) | (ids[first] == 0) | (ids[second] == 0)
        others = [group for group, is_alone in zip(plain, alone.tolist(), strict=True) if not is_alone]
        others += [group for group in groups if len(group) > 2]
        more = _apart([pair for group in others for pair in self.among(group, gap_us)])
        return np.concatenate([second[same], more[0]]), np.concatenate([first[same], more[1]])

    def among(
        self, group: list[int], gap_us: int, order: Callable[[int, int], tuple[int, int] | None] | None = None
    ) -> Iterator[tuple[int, int]]:
        """Pairs as of `shown_twice` in one group, those that `order` puts in one: which is the same as which."""
        things: list[_Thing] = []
        passed: dict[int, int] = {}  # by scope, how many of the first are over or were told of by it
        began, scopes = self._lists["started_us"], self._lists["scope_key"]
        for node in group:
            thing, started, scope = self._thing(node), began[node], scopes[node]
            at = passed.get(scope, 0)
            while at < len(things) and (scope in things[at].scopes or things[at].ended + gap_us <= started):
                at += 1
            passed[scope] = at
            near = [other for other in things[at : at + MOST_OPEN] if other.ended + gap_us > started]
            near = [other for other in near if other.may_be(thing)]
            near.sort(key=lambda other: (max(abs(other.ended - thing.ended), INSTANT_US), other.ended))
            for other in near:
                if order is None:
                    yield node, other.last
                    other.add(thing)
                elif pair := order(other.first, node):
                    yield pair
                    other.add(thing, pair[1])
                else:
                    continue
                break
            else:
                things.append(thing)

    @cached_property
    def _lists(self) -> dict[str, list[int]]:
        """Plain numbers, which are faster to look at one by one."""
        names = ("started_us", "ended_us", "scope_key", "same_key")
        return {name: self._facts[name].tolist() for name in names} | {"count": self._count.tolist()}

    def _thing(self, node: int) -> _Thing:
        lists = self._lists
        if lists["count"][node] == 1:
            id_ = lists["same_key"][node]
            return _Thing(node, node, {lists["scope_key"][node]}, {id_} if id_ else set(), lists["ended_us"][node])
        start, end = np.searchsorted(self._heads, [node, node + 1])
        members = self._members[start:end]
        members = members[self._facts["event"][members] == Event.NONE]
        ids = set(self._facts["same_key"][members].tolist()) - {0}
        return _Thing(node, node, set(self._facts["scope_key"][members].tolist()), ids, lists["ended_us"][node])


def _deeper(standing: Standing, node: int, same: int) -> tuple[int, int]:
    """The two in the order in which they are kept: the one inside more runs, else `same`, which began first."""
    of_node, of_same = _runs_around(standing, node), _runs_around(standing, same)
    return (node, same) if len(of_node) > len(of_same) else (same, node)


def _runs_around(standing: Standing, node: int) -> list[int]:
    """The nearest runs around a node, the outermost first."""
    return _around_all(standing, standing.run, node)


def _around_all(standing: Standing, above: Ints, node: int) -> list[int]:
    """What stands around a node by these pointers, the outermost first."""
    found: list[int] = []
    at = int(above[node])
    while at >= 0 and len(found) < MOST_RUNS:
        around = int(standing.stands_for[at])
        if around != node and (not found or found[-1] != around):
            found.append(around)
        at = int(above[at])
    return found[::-1]


def _one_run(facts: Columns, standing: Standing, head: int, other: int) -> tuple[int, int] | None:
    """The outermost runs in which two spans of one model call differ, the earlier first: they are the same run, seen twice."""
    mine, theirs = _runs_around(standing, head), _runs_around(standing, other)
    differ = [(a, b) for a, b in zip(mine, theirs, strict=False) if a != b]
    if not differ or MOST_RUNS in (len(mine), len(theirs)):
        return None
    first, second = sorted(differ[0], key=lambda run: (facts["started_us"][run], facts["span_key"][run]))
    overlap = facts["started_us"][second] < facts["ended_us"][first]
    if facts["scope_key"][first] == facts["scope_key"][second] or not overlap or facts["event"][second] != Event.NONE:
        return None
    return first, second
