"""When runs began, waited and ended, and how."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.resolver.call_outcome import Calls
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Role, Status, is_any
from spanruns_receiver.resolver.groups import LATE_US, Groups
from spanruns_receiver.resolver.walk import nearest


def lifecycle(runs: Columns, groups: Groups, own: Columns, calls: Calls) -> None:
    """When a run began and ended, and what it is now. A real end beats waiting, which beats running, in whatever order they came."""
    status = _own_status(groups, calls)
    is_span = own["event"] == Event.NONE
    begun = is_span | (own["event"] != Event.QUEUED)
    far = np.iinfo(np.int64).max
    started = np.full(groups.count, far)
    np.minimum.at(started, groups.of_head[begun], own["started_us"][begun])
    only_queued = started == far
    np.minimum.at(started, groups.of_head, np.where(only_queued[groups.of_head], own["started_us"], far))
    runs["started_us"] = started
    ended = is_span & (status != Status.WAITING) & ~_went_on(groups, own, status)
    order = np.argsort(own["ended_us"][ended], kind="stable")
    last_group, last_status = groups.of_head[ended][order], status[ended][order]
    runs["status"] = np.where(only_queued, Status.QUEUED, Status.RUNNING)
    runs["status"][last_group] = np.where(last_status == Status.UNSET, Status.SUCCESS, last_status)
    runs["ended_us"][last_group] = own["ended_us"][ended][order]
    _events(runs, groups)
    _waiting(runs, groups, own, status, is_span)


def _went_on(groups: Groups, own: Columns, status: NDArray[np.uint8]) -> Bools:
    """Steps of runs that never came which are not known to be the end of theirs: all but a last one that failed or was cancelled."""
    step: Bools = own["role"] == Role.STEP
    if not step.any():
        return step
    latest = groups.zeros()
    np.maximum.at(latest, groups.of_head, own["started_us"])
    is_last = own["started_us"] == latest[groups.of_head]
    step &= ~(is_last & is_any(status, Status.FAILED, Status.CANCELLED))
    return step


def _own_status(groups: Groups, calls: Calls) -> NDArray[np.uint8]:
    """Each head's status: its own word, else that of a span folded into it, else what its last step was, at its end.

    The last counts of one without an answer: cancelled when its last call or inner run was; an agent failed when its model or its own step
    did, and when what it answers is the error of that. A failure without a message that a folded span tells comes after that: a
    cancellation has none where only `Exception` is known.
    """
    own, tree = groups.spans.facts, groups.tree
    status = own["status"].copy()
    folded = np.flatnonzero((tree.run >= 0) & (tree.run != np.arange(len(own))) & (own["event"] == Event.NONE))
    answered = own["has_output"] > 0
    answered[tree.run[folded[answered[folded]]]] = True
    ill = folded[(status[folded] == Status.FAILED) | (status[folded] == Status.CANCELLED)]
    ill = ill[status[tree.run[ill]] == Status.UNSET]
    is_mute = (status[ill] == Status.FAILED) & (own["said_size"][ill] == 0)
    mute, ill = ill[is_mute], ill[~is_mute]
    status[tree.run[ill]] = status[ill]
    inner = groups.heads[(tree.owner[groups.heads] >= 0) & (own["event"][groups.heads] == Event.NONE)]
    failed = calls.node[(calls.rows["status"] == Status.FAILED) & ~calls.is_tool]
    failed = np.concatenate([failed, groups.failed_steps])
    cancelled = calls.node[calls.rows["status"] == Status.CANCELLED]
    cancelled = np.concatenate([cancelled, inner[status[inner] == Status.CANCELLED]])
    if len(cancelled) or len(failed):
        # A generator's model call may be open around the tools that it asked for: it is no later step.
        around = nearest(tree.parent, tree.call >= 0)[cancelled]
        around = around[(around >= 0) & (own["role"][around] == Role.MODEL)]
        steps = calls.node[(tree.owner[calls.node] >= 0) & ~np.isin(calls.node, tree.call[around])]
        steps = np.concatenate([steps, inner])
        last = np.zeros(len(own), np.int64)
        np.maximum.at(last, tree.owner[steps], own["ended_us"][steps])

    def ended_by(step: Ints) -> Ints:
        """The runs around these steps that ended with them and do not say how."""
        head = tree.owner[step]
        at_end = (head >= 0) & (own["ended_us"][step] >= np.maximum(last[head], own["ended_us"][head] - LATE_US))
        at_end &= own["started_us"][step] <= own["ended_us"][head]  # not what was left behind in its context
        found: Ints = np.unique(head[at_end & (status[head] == Status.UNSET)])
        return found

    if len(failed):
        heads = ended_by(failed)
        # An answer that is as long as an error is that error: the texts themselves are not read here.
        said = own["said_size"]
        passed_on = (said[failed] > 0) & (said[failed] == said[tree.owner[failed]])
        passed_on &= own["status"][failed] == Status.FAILED
        unanswered = ~answered[heads] | np.isin(heads, ended_by(failed[passed_on]))
        heads = heads[unanswered & ~tree.is_workflow[heads]]
        status[heads] = Status.FAILED
    while len(cancelled):  # and with a run the one around it
        cancelled = ended_by(cancelled)
        cancelled = cancelled[~answered[cancelled]]
        status[cancelled] = Status.CANCELLED
    status[tree.run[mute[status[tree.run[mute]] == Status.UNSET]]] = Status.FAILED
    return np.asarray(status[groups.heads], np.uint8)


def _events(runs: Columns, groups: Groups) -> None:
    """Queued and last seen, from lifecycle events and from what the spans carry."""
    facts = groups.facts
    group = groups.of_node[groups.spans.member_of]
    mine = np.flatnonzero(group >= 0)
    facts, group = facts.take(mine), group[mine]
    seen = (facts["event"] != Event.NONE) & (facts["event"] != Event.QUEUED)
    np.maximum.at(runs["last_heartbeat_us"], group[seen], facts["event_us"][seen])
    np.maximum.at(runs["heartbeat_interval_ms"], group, facts["heartbeat_interval_ms"])
    queued = np.where(facts["event"] == Event.QUEUED, facts["event_us"], facts["queued_us"])
    far = np.iinfo(np.int64).max
    first = np.full(groups.count, far)
    np.minimum.at(first, group[queued > 0], queued[queued > 0])
    runs["queued_us"] = np.where(first == far, 0, first)


def _waiting(runs: Columns, groups: Groups, own: Columns, status: NDArray[np.uint8], is_span: Bools) -> None:
    """Time spent waiting, and since when a run waits now: from waiting/resumed events and from suspended segments."""
    marks: dict[int, list[tuple[int, bool]]] = {}
    facts = groups.facts
    for index in np.flatnonzero((facts["event"] == Event.WAITING) | (facts["event"] == Event.RESUMED)):
        group = int(groups.of_node[groups.spans.member_of[index]])
        if group >= 0:
            marks.setdefault(group, []).append((int(facts["event_us"][index]), facts["event"][index] == Event.WAITING))
    for head in np.flatnonzero(is_span & (status == Status.WAITING)):
        marks.setdefault(int(groups.of_head[head]), []).append((int(own["ended_us"][head]), True))
    for head in np.flatnonzero(np.isin(groups.of_head, list(marks))):
        marks[int(groups.of_head[head])].append((int(own["started_us"][head]), False))
    told = np.bincount(groups.of_head, own["waiting_ms"], groups.count)
    runs["waiting_ms"] = told
    for group, pairs in marks.items():
        total_us, since = _pair(sorted(pairs))
        if since and not told[group]:  # nobody resumed it: it waited until it ended
            total_us += max(0, int(runs["ended_us"][group]) - since)
        runs["waiting_ms"][group] = max(total_us / 1000, told[group])
        if since and runs["status"][group] in (Status.RUNNING, Status.QUEUED):
            runs["status"][group] = Status.WAITING
            runs["waiting_since_us"][group] = since


def _pair(marks: list[tuple[int, bool]]) -> tuple[int, int]:
    """Microseconds between each wait and the resumption after it; and since when it waits still, 0 if it does not."""
    total, since = 0, 0
    for at, waits in marks:
        if waits:
            since = since or at
        elif since:
            total += at - since
            since = 0
    return total, since
