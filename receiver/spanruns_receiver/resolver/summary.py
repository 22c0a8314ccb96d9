"""The numbers of runs and calls, from the tree. Pure; arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.pricing.cost import NO_PRICES
from spanruns_receiver.resolver.call_outcome import Calls, calls_of
from spanruns_receiver.resolver.columns import RUN, TOKENS, Bools, Columns, Event, Ints, Status
from spanruns_receiver.resolver.contents import apart, note
from spanruns_receiver.resolver.groups import Groups
from spanruns_receiver.resolver.members import explanations, members_of
from spanruns_receiver.resolver.nodes import nodes
from spanruns_receiver.resolver.run_status import lifecycle
from spanruns_receiver.resolver.tree import grow
from spanruns_receiver.resolver.usage import Prices, summed
from spanruns_receiver.resolver.walk import depths, nearest, roots


@dataclass(frozen=True)
class Resolved:
    """What was decided: `runs` (RUN, by key), `members` (MEMBER: which facts speak for which run), `calls` (CALL; tools and models)."""

    runs: Columns
    members: Columns
    calls: Columns
    duplicates: NDArray[np.uint64]  # keys of traces with spans that have more than one record
    unsettled: NDArray[np.uint64]  # keys of traces with spans whose parents are still awaited


def resolve(facts: Columns, fed_since_us: int | None = None, prices: Prices = NO_PRICES) -> Resolved:
    """Everything that can be said of the traces that `facts` (FACT) holds, whole; see `nodes` for `fed_since_us`.

    Model calls whose spans do not say what they cost are priced from `prices` (dtype PRICE).
    """
    facts, contents = apart(facts)
    spans = nodes(facts, fed_since_us)
    note(spans.facts, contents)
    tree = grow(spans)
    groups = Groups(facts, spans, tree)
    calls, enriched = calls_of(spans, tree, groups, prices)
    runs = _runs(groups, calls)
    records = np.bincount(spans.member_of[facts["event"] == Event.NONE], minlength=len(spans.facts))
    duplicates = np.unique(spans.facts["trace_key"][records > 1])
    unsettled = np.unique(spans.facts["trace_key"][(spans.parent < 0) & ~spans.is_root])
    members = Columns.joined(*members_of(groups), explanations(groups, calls, enriched, runs))
    return Resolved(runs, members, Columns.joined(calls.rows, enriched), duplicates, unsettled)


def _runs(groups: Groups, calls: Calls) -> Columns:
    runs = Columns.zeros(RUN, groups.count)
    runs["run_key"] = groups.keys
    own = groups.spans.facts.take(groups.heads)
    _family(runs, groups, own)
    runs["is_workflow"] = np.bincount(groups.of_head, groups.tree.is_workflow[groups.heads], groups.count) > 0
    lifecycle(runs, groups, own, calls)
    _counts(runs, groups, calls)
    return runs


def _family(runs: Columns, groups: Groups, own: Columns) -> None:
    given = groups.zeros(np.uint64)
    given[groups.of_head] = own["given_parent_key"]
    given[given == groups.keys] = 0
    has = groups.parent >= 0
    runs["parent_run_key"] = given
    runs["parent_run_key"][has] = groups.keys[groups.parent[has]]
    top = roots(groups.parent)
    runs["root_run_key"] = np.where(given[top] != 0, given[top], groups.keys[top])


def _counts(runs: Columns, groups: Groups, calls: Calls) -> None:
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


def _spans_stored(groups: Groups) -> Ints:
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


def _reported(runs: Columns, groups: Groups) -> None:
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


def _deepest_first(parent: Ints) -> list[Ints]:
    """Indexes that have a parent, level by level from the deepest."""
    depth = depths(parent)
    order = np.argsort(-depth, kind="stable")
    order = order[: np.count_nonzero(depth)]
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1) if len(order) else []
