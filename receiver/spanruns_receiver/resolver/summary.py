"""The numbers of runs and calls, from the tree: sums, times, status. Pure; arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.pricing.cost import NO_PRICES
from spanruns_receiver.resolver.columns import (
    CALL,
    MEMBER,
    RUN,
    TOKENS,
    Bools,
    Columns,
    Event,
    Ints,
    Keys,
    Role,
    Status,
    Use,
)
from spanruns_receiver.resolver.contents import apart, note
from spanruns_receiver.resolver.tree import Nodes, Tree, grow, nodes
from spanruns_receiver.resolver.usage import Prices, fill_costs, fill_usage, summed
from spanruns_receiver.resolver.walk import depths, nearest, roots, without_cycles

LATE_US = 50_000
"""A run that ended unset was cancelled when its last call was, at its end: this is how far apart the two may be."""


@dataclass(frozen=True)
class Resolved:
    """What was decided: `runs` (RUN, by key), `members` (MEMBER: which facts speak for which run), `calls` (CALL; tools and models)."""

    runs: Columns
    members: Columns
    calls: Columns
    duplicates: bool  # some span has more than one record
    unsettled: NDArray[np.uint64]  # keys of traces with spans whose parents are still awaited


def resolve(facts: Columns, fed_since_us: int | None = None, prices: Prices = NO_PRICES) -> Resolved:
    """Everything that can be said of the traces that `facts` (FACT) holds, whole; see `nodes` for `fed_since_us`.

    Model calls whose spans do not say what they cost are priced from `prices` (dtype PRICE).
    """
    facts, contents = apart(facts)
    spans = nodes(facts, fed_since_us)
    note(spans.facts, contents)
    tree = grow(spans)
    groups = _Groups(facts, spans, tree)
    calls, enriched = _calls(spans, tree, groups, prices)
    runs = _runs(groups, calls)
    records = np.count_nonzero(facts["event"] == Event.NONE)
    duplicates = bool(records > np.count_nonzero(spans.facts["event"] == Event.NONE))
    unsettled = np.unique(spans.facts["trace_key"][(spans.parent < 0) & ~spans.is_root])
    members = Columns.joined(*_members(groups), _explanations(groups, calls, enriched, runs))
    return Resolved(runs, members, Columns.joined(calls.rows, enriched), duplicates, unsettled)


class _Groups:
    """Runs as people see them: every span that carries the same run id is one run (a resumed or repeated run has several)."""

    def __init__(self, facts: Columns, spans: Nodes, tree: Tree) -> None:
        self.facts, self.spans, self.tree = facts, spans, tree
        own = spans.facts
        self.heads: Ints = np.flatnonzero(tree.is_run)
        self.keys, of_head = np.unique(_run_keys(own, spans.parent, self.heads), return_inverse=True)
        self.of_node = np.full(len(own), -1, np.int64)
        self.of_node[self.heads] = of_head
        self.of_head: Ints = of_head.astype(np.int64)
        standing = tree.run >= 0
        self.of_node[standing] = self.of_node[tree.run[standing]]
        self.owner = np.full(len(own), -1, np.int64)  # the group around a node
        owned = tree.owner >= 0
        self.owner[owned] = self.of_node[tree.owner[owned]]
        self.count = len(self.keys)
        self.parent = self._parents()
        self.failed_steps = _failed_steps(own, tree)

    def _parents(self) -> Ints:
        parent = np.full(self.count, -1, np.int64)
        around = self.owner[self.heads]
        other = (around >= 0) & (around != self.of_head)
        # The earliest segment's parent, whatever the order of the facts.
        order = np.argsort(self.spans.facts["started_us"][self.heads][other], kind="stable")[::-1]
        parent[self.of_head[other][order]] = around[other][order]
        return without_cycles(parent)

    def zeros(self, kind: Any = np.int64) -> Any:
        return np.zeros(self.count, kind)


def _run_keys(own: Columns, parent: Ints, heads: Ints) -> Keys:
    """The keys of the runs. The steps of one that never came are its segments: it is known by the last, which speaks first for it."""
    keys = own["run_key"][heads]
    lost = (own["role"][heads] == Role.STEP) & (parent[heads] < 0)
    if lost.any():
        step = heads[lost]
        order = np.lexsort((own["span_key"][step], -own["started_us"][step], own["parent_key"][step]))
        _, first, run = np.unique(own["parent_key"][step][order], return_index=True, return_inverse=True)
        latest = keys[lost][order][first]
        keys[np.flatnonzero(lost)[order]] = latest[run]
    return keys


@dataclass(frozen=True)
class _Calls:
    rows: Columns
    node: Ints
    group: Ints
    is_tool: Bools


def _calls(spans: Nodes, tree: Tree, groups: _Groups, prices: Prices) -> tuple[_Calls, Columns]:
    """One row per call; and, for calls that failed or were cancelled only in a repeat of theirs, the repeat that knows why."""
    own = spans.facts
    node = np.flatnonzero(tree.call == np.arange(len(own)))
    rows = Columns.zeros(CALL, len(node))
    rows["span_key"] = rows["call_key"] = own["span_key"][node]
    rows["started_us"] = own["started_us"][node]
    group = groups.owner[node]
    rows["run_key"][group >= 0] = groups.keys[group[group >= 0]]
    rows["is_tool"] = is_tool = own["role"][node] == Role.TOOL
    rows["status"] = np.where(own["event"][node] != Event.NONE, Status.RUNNING, own["status"][node])
    rows["status"][_given_up(own, tree, node)] = Status.CANCELLED
    rows["status"][rows["status"] == Status.UNSET] = Status.SUCCESS
    fill_usage(rows, node, own, tree, spans.parent)
    fill_costs(rows, node, own, tree.call, prices)
    for content in ("input", "output"):
        rows[f"{content}_key"] = _has_instead(own, tree.call, f"has_{content}")[node]
    repeat = _telling_repeats(own, tree.call)
    position = np.searchsorted(node, tree.call[repeat])
    rows["status"][position] = own["status"][repeat]
    enriched = rows.take(position)
    enriched["span_key"] = own["span_key"][repeat]
    return _Calls(rows, node, group, is_tool), enriched


def _given_up(own: Columns, tree: Tree, node: Ints) -> Ints:
    """Positions of calls that were cancelled, whose emitter writes down what is there when a span ends and has no word for it.

    Without an answer alone that is not said: contents may not be told, and a tool may answer nothing.
    """
    silent = (own["status"][node] == Status.UNSET) & (own["event"][node] == Event.NONE) & (own["has_output"][node] == 0)
    silent &= tree.owner[node] >= 0
    found = np.flatnonzero(silent)
    if not len(found):
        return found
    is_tool = own["role"][node[found]] == Role.TOOL
    tool, model = found[is_tool], found[~is_tool]
    unanswered = _unheard(own, tree, node[model]) | _cut_off(own, tree, node[model])
    return np.concatenate([tool[_outlived(own, tree, node[tool])], model[unanswered]])


def _outlived(own: Columns, tree: Tree, tool: Ints) -> Bools:
    """Which tool calls ended after the agent that had asked a model for them, and that gave no answer: it no longer waited for them."""
    head, above = tree.owner[tool], tree.parent[tool]
    found: Bools = (own["ended_us"][tool] > own["ended_us"][head]) & (above >= 0)
    found &= own["scope_key"][tool] == own["scope_key"][above]  # clocks of other machines differ
    found &= (own["has_input"][tool] > 0) & ~tree.is_workflow[head]
    found &= (own["status"][head] != Status.SUCCESS) & (own["event"][head] == Event.NONE)
    if not found.any():
        return found
    answered, asks = own["has_output"] > 0, np.zeros(len(own), bool)
    for whole in (tree.call, tree.run):
        answered[whole[answered & (whole >= 0)]] = True
    around = nearest(tree.parent, tree.is_run | (own["role"] == Role.TOOL))
    answered[around[tree.is_run & (around >= 0)]] = True  # an agent that a tool asks may be its answer
    model = np.flatnonzero((own["role"] == Role.MODEL) & (tree.owner >= 0))
    asks[tree.owner[model]] = True
    found &= ~answered[tool] & asks[head] & ~answered[head]
    return found


def _unheard(own: Columns, tree: Tree, model: Ints) -> Bools:
    """Which model calls ended with their agent and are unknown, even by their model, though their scope told it of others in the trace.

    Such an emitter tells the model with the answer. Where it tells contents of no call, they may be switched off.
    """
    head = tree.owner[model]
    found: Bools = (own["name_key"][model] == 0) & (own["same_key"][model] == 0) & (own["output_tokens"][model] == 0)
    found &= (own["ended_us"][model] >= own["ended_us"][head] - LATE_US) & ~tree.is_workflow[head]
    if not found.any():
        return found
    teller = own["trace_key"] ^ own["scope_key"]
    tells = (own["role"] == Role.MODEL) & (own["name_key"] != 0) & (own["has_output"] > 0)
    found &= np.isin(teller[model], teller[tells])
    return found


def _cut_off(own: Columns, tree: Tree, model: Ints) -> Bools:
    """Which model calls ended with the span around them, which says that it was cancelled, and know of no answer, not even its usage."""
    above = tree.parent[model]
    found: Bools = (above >= 0) & (own["status"][above] == Status.CANCELLED)
    found &= (own["same_key"][model] == 0) & (own["output_tokens"][model] == 0)
    found &= own["ended_us"][model] >= own["ended_us"][above] - LATE_US
    return found


def _has_instead(own: Columns, call: Ints, has: str) -> Keys:
    """For every call without a content of its own the key of the span that repeats it and has one, 0 for none. Of several the first."""
    repeats = np.flatnonzero((call >= 0) & (call != np.arange(len(own))) & (own[has] > 0))
    repeats = repeats[own[has][call[repeats]] == 0]
    order = np.lexsort((own["span_key"][repeats], own["started_us"][repeats]))[::-1]
    found = np.zeros(len(own), np.uint64)
    found[call[repeats[order]]] = own["span_key"][repeats[order]]
    return found


def _telling_repeats(own: Columns, call: Ints) -> Ints:
    """Spans that repeat a call and failed or were cancelled where the call itself does not say so."""
    repeats = np.flatnonzero((call >= 0) & (call != np.arange(len(own))))
    last_start = np.zeros(len(own), np.int64)
    np.maximum.at(last_start, call[repeats], own["started_us"][repeats])
    outer = call[repeats]
    # What calls success a failure of the same tool was told by a wrapper; one of a protocol below may have been handled.
    is_tool = own["role"][repeats] == Role.TOOL
    silent = (own["status"][outer] == Status.UNSET) | (
        (own["status"][outer] == Status.SUCCESS) & is_tool & (own["is_shadow"][repeats] == 0)
    )
    # A repeat that began after the failure was another try.
    is_last = own["ended_us"][repeats] >= last_start[outer]
    cancelled = (own["status"][repeats] == Status.CANCELLED) & (own["is_shadow"][repeats] == 0)
    telling: Ints = repeats[silent & is_last & (cancelled | (own["status"][repeats] == Status.FAILED))]
    return telling[np.argsort(own["status"][telling] == Status.FAILED, kind="stable")]  # what failed has the last word


def _runs(groups: _Groups, calls: _Calls) -> Columns:
    runs = Columns.zeros(RUN, groups.count)
    runs["run_key"] = groups.keys
    own = groups.spans.facts.take(groups.heads)
    _family(runs, groups, own)
    runs["is_workflow"] = np.bincount(groups.of_head, groups.tree.is_workflow[groups.heads], groups.count) > 0
    _lifecycle(runs, groups, own, calls)
    _counts(runs, groups, calls)
    return runs


def _family(runs: Columns, groups: _Groups, own: Columns) -> None:
    given = groups.zeros(np.uint64)
    given[groups.of_head] = own["given_parent_key"]
    given[given == groups.keys] = 0
    has = groups.parent >= 0
    runs["parent_run_key"] = given
    runs["parent_run_key"][has] = groups.keys[groups.parent[has]]
    top = roots(groups.parent)
    runs["root_run_key"] = np.where(given[top] != 0, given[top], groups.keys[top])


def _lifecycle(runs: Columns, groups: _Groups, own: Columns, calls: _Calls) -> None:
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


def _went_on(groups: _Groups, own: Columns, status: NDArray[np.uint8]) -> Bools:
    """Steps of runs that never came which are not known to be the end of theirs: all but a last one that failed or was cancelled."""
    step: Bools = own["role"] == Role.STEP
    if not step.any():
        return step
    latest = groups.zeros()
    np.maximum.at(latest, groups.of_head, own["started_us"])
    is_last = own["started_us"] == latest[groups.of_head]
    went_on: Bools = step & ~(is_last & np.isin(status, (Status.FAILED, Status.CANCELLED)))
    return went_on


def _own_status(groups: _Groups, calls: _Calls) -> NDArray[np.uint8]:
    """Each head's status: its own word, else that of a span folded into it, else what its last step was, at its end.

    That is of one without an answer: cancelled when its last call or inner run was; an agent failed when its model or its own step did.
    """
    own, tree = groups.spans.facts, groups.tree
    status = own["status"].copy()
    folded = np.flatnonzero((tree.run >= 0) & (tree.run != np.arange(len(own))) & (own["event"] == Event.NONE))
    answered = own["has_output"] > 0
    answered[tree.run[folded[answered[folded]]]] = True
    ill = folded[(status[folded] == Status.FAILED) | (status[folded] == Status.CANCELLED)]
    ill = ill[status[tree.run[ill]] == Status.UNSET]
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
        heads = heads[~answered[heads] & ~tree.is_workflow[heads]]
        status[heads] = Status.FAILED
    while len(cancelled):  # and with a run the one around it
        cancelled = ended_by(cancelled)
        cancelled = cancelled[~answered[cancelled]]
        status[cancelled] = Status.CANCELLED
    return np.asarray(status[groups.heads], np.uint8)


def _failed_steps(own: Columns, tree: Tree) -> Ints:
    """Chains that are nothing but a step of the run directly around them, and failed."""
    step = np.flatnonzero(
        np.isin(own["role"], (Role.CHAIN, Role.STEP)) & (own["status"] == Status.FAILED) & (tree.run < 0)
    )
    if not len(step):
        return step
    around = nearest(tree.parent, (tree.run >= 0) | (own["role"] == Role.TOOL))[step]
    found: Ints = step[(around >= 0) & (own["role"][around] != Role.TOOL)]
    return found


def _events(runs: Columns, groups: _Groups) -> None:
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


def _waiting(runs: Columns, groups: _Groups, own: Columns, status: NDArray[np.uint8], is_span: Bools) -> None:
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


def _counts(runs: Columns, groups: _Groups, calls: _Calls) -> None:
    """Calls of the run itself; tokens and cost with all its sub-runs."""
    mine = calls.group >= 0
    group, rows, is_tool = calls.group[mine], calls.rows.take(np.flatnonzero(mine)), calls.is_tool[mine]
    failed = rows["status"] == Status.FAILED
    runs["tool_call_count"] = np.bincount(group, is_tool, groups.count)
    runs["tool_error_count"] = np.bincount(group, is_tool & failed, groups.count)
    runs["model_call_count"] = np.bincount(group, ~is_tool, groups.count)
    for name in TOKENS:
        np.add.at(runs[name], group, rows[name])
    runs["cost_usd"] = summed(rows["cost_usd"], group, groups.count)
    used = (rows["input_tokens"] > 0) | (rows["output_tokens"] > 0)
    runs["unpriced_call_count"] = np.bincount(group, used & np.isnan(rows["cost_usd"]), groups.count)
    _reported(runs, groups)
    # What a run claims may or may not count its sub-runs in.
    mismatch = _claims_other(runs)
    runs["spans_stored"] = _spans_stored(groups)
    for level in _deepest_first(groups.parent):
        up = groups.parent[level]
        for name in (*TOKENS, "unpriced_call_count"):
            np.add.at(runs[name], up, runs[name][level])
        cost = runs["cost_usd"][level]
        known = ~np.isnan(cost)
        unset = np.isnan(runs["cost_usd"][up]) & known
        runs["cost_usd"][up[unset]] = 0
        np.add.at(runs["cost_usd"], up[known], cost[known])
    runs["usage_mismatch"] = mismatch & _claims_other(runs)


def _spans_stored(groups: _Groups) -> Ints:
    """How many spans each run has, where the process that counts them saw them: not beside another one's."""
    around = groups.owner
    if groups.tree.parent is not groups.spans.parent:
        above = nearest(groups.spans.parent, groups.of_node >= 0)
        around = np.where(above >= 0, groups.of_node[above], -1)
    around = np.where(groups.of_node >= 0, groups.of_node, around)
    is_span = groups.spans.facts["event"] == Event.NONE
    return np.bincount(around[is_span & (around >= 0)], minlength=groups.count)


def _claims_other(runs: Columns) -> Bools:
    """Whether what a run's own spans claim is more than a hundredth (and more than one token) off its sums."""
    other = np.zeros(len(runs), bool)
    for name, least in (("input_tokens", 1.0), ("output_tokens", 1.0), ("cost_usd", 0.0)):
        claimed, summed = runs[f"reported_{name}"].astype(np.float64), runs[name].astype(np.float64)
        allowed = np.maximum(least, 0.01 * np.maximum(claimed, summed))
        other |= (claimed > 0) & (np.abs(claimed - summed) > allowed)
    return other


def _reported(runs: Columns, groups: _Groups) -> None:
    """What the run's own spans claim; 0 (and NaN for cost) where they claim nothing."""
    own, tree = groups.spans.facts, groups.tree
    runs["reported_cost_usd"] = np.nan
    speaks = np.flatnonzero((groups.of_node >= 0) & (own["event"] == Event.NONE))
    # A run's own span is written last, over those folded into it.
    speaks = speaks[np.argsort(tree.is_run[speaks], kind="stable")]
    for name in ("input_tokens", "output_tokens"):
        told = speaks[own[name][speaks] > 0]
        runs[f"reported_{name}"][groups.of_node[told]] = own[name][told]
    told = speaks[~np.isnan(own["cost_usd"][speaks])]
    runs["reported_cost_usd"][groups.of_node[told]] = own["cost_usd"][told]


def _members(groups: _Groups) -> list[Columns]:
    """Which spans speak for a run, and who first: its latest segment, what was folded into it, then its model calls."""
    own, tree = groups.spans.facts, groups.tree
    node = np.flatnonzero(groups.of_node >= 0)
    rows = Columns.zeros(MEMBER, len(node))
    rows["span_key"] = own["span_key"][node]
    rows["run_key"] = groups.keys[groups.of_node[node]]
    head = tree.run[node]
    depth = depths(tree.parent)
    away = depth[node] - depth[head]
    # The latest segment first; of a segment its own span, then those around it, the nearest first, then those inside it.
    order = np.lexsort((own["span_key"][node], np.abs(away), away > 0, own["span_key"][head], -own["started_us"][head]))
    rows["rank"][order] = np.arange(1, len(node) + 1)
    content = [rows]
    for use, has, newest in ((Use.INPUT, "has_input", False), (Use.OUTPUT, "has_output", True)):
        content.append(_content_of_models(groups, node, use, has, newest))
    return content


def _content_of_models(groups: _Groups, node: Ints, use: Use, has: str, newest: bool) -> Columns:
    """The first model call's input and the last one's output, for runs whose own spans carry none."""
    own, call = groups.spans.facts, groups.tree.call
    lacks = np.ones(groups.count, bool)
    lacks[groups.of_node[node[own[has][node] > 0]]] = False
    model = np.flatnonzero((own["role"] == Role.MODEL) & (call >= 0) & (own[has] > 0))
    model = model[groups.owner[call[model]] >= 0]
    model = model[lacks[groups.owner[call[model]]]]
    # What is written last stays: of a call its own span rather than one that repeats it.
    began, is_own = own["started_us"][call[model]], model == call[model]
    order = np.lexsort((own["span_key"][model], is_own, began if newest else -began))
    chosen = np.full(groups.count, -1, np.int64)
    chosen[groups.owner[call[model[order]]]] = model[order]
    group = np.flatnonzero(chosen >= 0)
    return _told_by(own["span_key"][chosen[group]], groups.keys[group], use)


def _told_by(span_key: NDArray[np.uint64], run_key: NDArray[np.uint64], use: Use) -> Columns:
    """Members that speak after all that are of the run itself."""
    rows = Columns.zeros(MEMBER, len(span_key))
    rows["span_key"], rows["run_key"] = span_key, run_key
    rows["rank"], rows["use"] = np.iinfo(np.uint32).max // 4, use
    return rows


def _explanations(groups: _Groups, calls: _Calls, enriched: Columns, runs: Columns) -> Columns:
    """For failed runs the failed call directly below that explains it: the latest model call, else the latest tool call, else a step.

    A failure after which the run's model answered again was overcome, and explains nothing.
    """
    own, rows = groups.spans.facts, calls.rows
    mine = (calls.group >= 0) & (own["event"][calls.node] == Event.NONE)
    mine[mine] = runs["status"][calls.group[mine]] == Status.FAILED
    answered = np.zeros(groups.count, np.int64)
    answers = mine & ~calls.is_tool & (rows["status"] == Status.SUCCESS)
    np.maximum.at(answered, calls.group[answers], rows["started_us"][answers])
    failed = np.flatnonzero(mine & (rows["status"] == Status.FAILED))
    failed = failed[own["ended_us"][calls.node[failed]] >= answered[calls.group[failed]]]
    order = np.lexsort((rows["span_key"][failed], own["ended_us"][calls.node[failed]], ~calls.is_tool[failed]))
    chosen = np.full(groups.count, -1, np.int64)
    chosen[calls.group[failed[order]]] = failed[order]
    group = np.flatnonzero(chosen >= 0)
    told = _told_by(rows["span_key"][chosen[group]], groups.keys[group], Use.ERROR)
    step = groups.failed_steps
    step = step[np.argsort(own["ended_us"][step], kind="stable")]
    step = step[(chosen[groups.owner[step]] < 0) & (runs["status"][groups.owner[step]] == Status.FAILED)]
    steps = _told_by(own["span_key"][step], groups.keys[groups.owner[step]], Use.ERROR)
    steps["rank"] -= np.arange(len(step), dtype=np.uint32)
    # What the call itself does not say, the span that repeats it may.
    telling = np.flatnonzero(np.isin(enriched["call_key"], told["span_key"]))
    repeats = _told_by(enriched["span_key"][telling], enriched["run_key"][telling], Use.ERROR)
    repeats["rank"] = repeats["rank"] + np.uint32(1)
    return Columns.joined(told, repeats, steps)


def _deepest_first(parent: Ints) -> list[Ints]:
    """Indexes that have a parent, level by level from the deepest."""
    depth = depths(parent)
    order = np.argsort(-depth, kind="stable")
    order = order[: np.count_nonzero(depth)]
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1) if len(order) else []
