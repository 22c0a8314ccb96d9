"""Which facts speak for a run, and which call explains why it failed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.resolver.call_outcome import Calls
from spanruns_receiver.resolver.columns import MEMBER, Columns, Event, Ints, Role, Status, Use
from spanruns_receiver.resolver.groups import Groups
from spanruns_receiver.resolver.joins import are_in
from spanruns_receiver.resolver.walk import depths, nearest


def members_of(groups: Groups) -> list[Columns]:
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
    return [*content, _names_of_tools(groups)]


def _names_of_tools(groups: Groups) -> Columns:
    """The tool calls that runs without a name stand in, or are all of."""
    own, tree = groups.spans.facts, groups.tree
    head = groups.heads[own["name_key"][groups.heads] == 0]
    if not len(head):
        return Columns.zeros(MEMBER, 0)
    around = nearest(tree.parent, tree.is_run | (own["role"] == Role.TOOL))[head]
    asked = (around >= 0) & (own["role"][around] == Role.TOOL)
    return _told_by(own["span_key"][around[asked]], groups.keys[groups.of_node[head[asked]]], Use.NAME)


def _content_of_models(groups: Groups, node: Ints, use: Use, has: str, newest: bool) -> Columns:
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


def explanations(groups: Groups, calls: Calls, enriched: Columns, runs: Columns) -> Columns:
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
    telling = np.flatnonzero(are_in(enriched["call_key"], told["span_key"]))
    repeats = _told_by(enriched["span_key"][telling], enriched["run_key"][telling], Use.ERROR)
    repeats["rank"] = repeats["rank"] + np.uint32(1)
    return Columns.joined(told, repeats, steps)
