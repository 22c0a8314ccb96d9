"""What became of calls: their status where they do not say it themselves, and which of their repeats knows more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanruns_receiver.resolver.columns import CALL, Bools, Columns, Event, Ints, Keys, Role, Status
from spanruns_receiver.resolver.groups import LATE_US, Groups
from spanruns_receiver.resolver.nodes import Nodes
from spanruns_receiver.resolver.tree import Tree
from spanruns_receiver.resolver.usage import Prices, fill_costs, fill_usage
from spanruns_receiver.resolver.walk import nearest


@dataclass(frozen=True)
class Calls:
    """Calls (CALL), and of each the node, the run (-1 for none) and the kind."""

    rows: Columns
    node: Ints
    group: Ints
    is_tool: Bools


def calls_of(spans: Nodes, tree: Tree, groups: Groups, prices: Prices) -> tuple[Calls, Columns]:
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
        has = own[f"has_{content}"] > 0
        rows[f"{content}_key"] = _told_instead(own, tree.call, has, ~has)[node]
    is_model = own["role"] == Role.MODEL
    named = np.where(is_model, own["name_key"] > 0, own["same_key"] > 0)
    rows["words_key"] = _told_instead(own, tree.call, named, is_model | ~named)[node]
    repeat = _telling_repeats(own, tree)
    position = np.searchsorted(node, tree.call[repeat])
    rows["status"][position] = own["status"][repeat]
    enriched = rows.take(position)
    enriched["span_key"] = own["span_key"][repeat]
    return Calls(rows, node, group, is_tool), enriched


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
    """Which model calls ended with the span around them, or their run, that says itself that it was cancelled, and know of no answer."""
    found = np.zeros(len(model), bool)
    says = own["status"] == Status.CANCELLED
    for around, tells in ((tree.parent[model], says), (tree.owner[model], _says_cancelled(own, tree))):
        found |= (around >= 0) & tells[around] & (own["ended_us"][model] >= own["ended_us"][around] - LATE_US)
    if found.any():
        answered = (own["has_output"] > 0) | (own["output_tokens"] > 0) | (own["same_key"] != 0)
        answered[tree.call[answered & (tree.call >= 0)]] = True
        found &= ~answered[model]
    return found


def _says_cancelled(own: Columns, tree: Tree) -> Bools:
    """Which runs say themselves, or by a span that is part of them, that they were cancelled."""
    says = np.zeros(len(own), bool)
    says[tree.run[(own["status"] == Status.CANCELLED) & (tree.run >= 0)]] = True
    return says


def _told_instead(own: Columns, call: Ints, tells: Bools, lacks: Bools) -> Keys:
    """For every call whose own span lacks something the key of the span that repeats it and tells, 0 for none. Of several the first."""
    repeats = np.flatnonzero((call >= 0) & (call != np.arange(len(own))) & tells)
    repeats = repeats[lacks[call[repeats]]]
    order = np.lexsort((own["span_key"][repeats], own["started_us"][repeats]))[::-1]
    found = np.zeros(len(own), np.uint64)
    found[call[repeats[order]]] = own["span_key"][repeats[order]]
    return found


def _telling_repeats(own: Columns, tree: Tree) -> Ints:
    """Spans that repeat a call and failed or were cancelled where the call itself does not say so."""
    call = tree.call
    repeats = np.flatnonzero((call >= 0) & (call != np.arange(len(own))))
    if not len(repeats):
        return repeats
    last_start, other = np.zeros(len(own), np.int64), repeats[own["status"][repeats] != Status.FAILED]
    np.maximum.at(last_start, call[other], own["started_us"][other])
    outer = call[repeats]
    # What calls success a failure of the same tool was told by a wrapper; one of a protocol below may have been handled.
    is_tool = own["role"][repeats] == Role.TOOL
    silent = (own["status"][outer] == Status.UNSET) | (
        (own["status"][outer] == Status.SUCCESS) & is_tool & (own["is_shadow"][repeats] == 0)
    )
    # A repeat that began after the failure, and did not fail, was another try.
    is_last = own["ended_us"][repeats] >= last_start[outer]
    # What was cancelled below, but not with the run, may have been handled, too.
    heads = np.append(_says_cancelled(own, tree), False)
    cancelled = (own["status"][repeats] == Status.CANCELLED) & (
        (own["is_shadow"][repeats] == 0) | heads[tree.owner[outer]]
    )
    telling: Ints = repeats[silent & is_last & (cancelled | (own["status"][repeats] == Status.FAILED))]
    return telling[np.argsort(own["status"][telling] == Status.FAILED, kind="stable")]  # what failed has the last word
