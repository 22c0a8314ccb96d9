"""Spans that hang where they do not belong: contexts that were left behind, agents that a tool asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Role, Status, is_any
from spanruns_receiver.resolver.walk import nearest

OWN_SCOPE = np.uint64(12760437533351641002)
"""`cityHash64` of the scope of our own instrumentation, whose contexts are what a service meant."""


CLOCK_US = 1_000
"""In JavaScript spans begin at whole milliseconds and end between them: one may seem to begin after the end of what it is in."""

INSTANT_US = 10_000
"""What a tool call takes that does nothing but ask an agent, beyond that one's time; and no more than that."""


def is_call(role: NDArray[Any]) -> Bools:
    """Which roles are calls of tools and models."""
    return is_any(role, Role.TOOL, Role.MODEL)


def left_behind(own: Columns, parent: Ints) -> Bools:
    """Runs that began in a context that an earlier one had left behind: after the span around them ended, which had made calls or
    failed.

    What waited in a queue, or for a request, may begin as late as it will, and so may what a service says itself; a step that makes no
    calls is none. A span of the service between the two may be what it does in the background, unless what is around it failed: that
    starts nothing any more, so the outermost of such spans is the one that is marked.
    """
    started = np.where(own["started_us"] % CLOCK_US == 0, own["started_us"] - (CLOCK_US - 1), own["started_us"])
    late: Bools = (parent >= 0) & (started > own["ended_us"][np.maximum(parent, 0)])
    if not late.any():
        return late
    plain = (own["role"] == Role.NONE) & (own["event"] == Event.NONE) & (own["queued_us"] == 0) & (own["is_entry"] == 0)
    outermost = plain & ((parent < 0) | ~plain[parent])
    outer, top = nearest(parent, ~plain), np.arange(len(own))
    between = (parent >= 0) & plain[parent]
    top[between] = nearest(parent, outermost)[between]
    late &= ~plain
    late[between] = started[top[between]] > own["ended_us"][outer[between]]
    late &= outer >= 0
    outer = np.maximum(outer, 0)
    agent = is_any(own["role"], Role.RUN, Role.AGENT)
    wrapper = is_any(own["role"], Role.WORKFLOW, Role.CHAIN, Role.STEP)
    wide = (agent | wrapper) & (own["event"] == Event.NONE)
    late &= wide & wide[outer] & (own["queued_us"] == 0) & (own["is_entry"] == 0)
    late &= (own["scope_key"] == own["scope_key"][outer]) & (own["scope_key"] != OWN_SCOPE)
    asked = late.copy()
    asked[outer[late]] = True
    around = nearest(parent, asked)
    call = np.flatnonzero(is_call(own["role"]) & (around >= 0))
    has_called = np.zeros(len(own), bool)
    has_called[around[call[own["started_us"][call] <= own["ended_us"][around[call]]]]] = True
    failed = own["status"][outer] == Status.FAILED
    late &= (failed | (has_called[outer] & ~between)) & (agent | has_called)
    marked = np.zeros(len(own), bool)
    marked[top[late]] = True
    return marked


def asked_beside(facts: Columns, role: Ints, parent: Ints) -> tuple[Ints, Ints]:
    """Agents that a tool asked, told of not inside its call but beside the agent whose tool it is; and these calls.

    Emitters that hang every agent below the workflow leave only the time to tell: the agent's is that of the call, but for an instant.
    """
    is_run, is_span = role == Role.RUN, facts["event"] == Event.NONE
    run = np.flatnonzero(is_run & is_span & (parent >= 0) & (role[parent] == Role.WORKFLOW))
    run = run[(np.bincount(parent[run], minlength=len(role)) > 1)[parent[run]]]
    if not len(run):
        return run, run
    around = nearest(parent, is_run | (role == Role.TOOL))
    may_ask = (role == Role.TOOL) & is_span & np.isin(around, run)
    may_ask[around[is_run & (around >= 0)]] = False
    call = np.flatnonzero(may_ask)
    calls: dict[tuple[int, int], list[int]] = {}
    of, scope, started, ended = (
        part.tolist() for part in (parent, facts["scope_key"], facts["started_us"], facts["ended_us"])
    )
    for node in call[np.argsort(facts["started_us"][call], kind="stable")].tolist():
        calls.setdefault((of[around[node]], scope[node]), []).append(node)
    found: dict[int, int] = {}
    for node in run[np.argsort(facts["started_us"][run], kind="stable")].tolist():
        beside, length = calls.get((of[node], scope[node]), []), ended[node] - started[node]
        at = bisect_left(beside, started[node] - INSTANT_US, key=started.__getitem__)
        for asks in beside[at : bisect_right(beside, started[node], key=started.__getitem__)]:
            fits = ended[node] <= ended[asks] < started[asks] + length + min(INSTANT_US, length + 1)
            if fits and asks not in found and around[asks] != node:
                found[asks] = node
                break
    return np.array(list(found.values()), np.int64), np.array(list(found), np.int64)
