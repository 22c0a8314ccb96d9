"""The rules of the tree: which spans are runs, which call belongs to which run, what a run's numbers are.

Pure and set-based: arrays of facts in, arrays of decisions out; any depth, any order, whole batches of traces at once.
A span is known by its 64-bit key, its parent by that one's key, so traces need not be told apart. Pointers up the tree are
doubled until they stand still, so the number of rounds is the logarithm of the depth.

Rules (docs/decisions/0002-resolver.md says why):
- a chain is a workflow when nothing significant stands above it, a run when it calls a model and tools inside a tool call, else nothing;
  the shadow of a tool call in which a model and tools are called is a run, too: the agent that the call asks;
- a step is a chain that never stands alone: where the run around it never came, it is that run, with the other steps of it (`groups.py`);
- a nameless agent is a workflow when a named agent runs below it and it makes no calls before or after that one, else a run; one that
  makes no calls inside an agent that makes some is a step of that one;
- a run directly inside a run of the same name is that run; a run under a tool call is a run of its own;
- a workflow in one of its name, of one scope, is that one if no run of this scope stands between them;
- a workflow above exactly one run is folded into it, with the calls that it makes itself, unless it works as an agent does: calls a model
  and tools while that run is not under way; above several or none it is itself a run;
- a root without any run, but with calls below, makes a run;
- a call directly inside a call of its kind is the same call: tools when they have the same name or the inner one is a shadow, models always;
- a model call around several answered ones, one after the other, that another instrumentation saw is none: those are the calls;
- what several instrumentations saw side by side is one thing too (`beside.py`);
- what began after the span around it had ended, having made its calls, is not part of it: a context was left behind;
- an agent beside the one whose tool asked it, in the time of that call, hangs below the call;
- what has lost its parent is part of the run that was under way in its trace (`lost.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spanruns_receiver.resolver.adrift import asked_beside, is_call
from spanruns_receiver.resolver.beside import Found, Standing, adopted, same_things
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Keys, Role, Status, is_any
from spanruns_receiver.resolver.lost import Places, lost, orphaned, with_runs
from spanruns_receiver.resolver.nodes import Nodes, Part
from spanruns_receiver.resolver.walk import nearest, roots, settle

LEVELS = 32
"""Levels of runs inside each other, each seen by several instrumentations, that are put together."""


@dataclass(frozen=True)
class Tree:
    """What every node is. Indexes are into `Nodes`; -1 stands for none."""

    run: Ints  # the run that the node stands for or was folded into
    owner: Ints  # the nearest run around the node (a run's own is its parent)
    call: Ints  # for tool and model spans: the call that the node stands for (itself, or the one it repeats)
    is_run: Bools
    is_workflow: Bools  # of runs: made from a workflow, or from a root
    parent: Ints  # the node's parent; of what other instrumentations saw beside it, the span that shows the same

    def with_part(self, part: Part, inner: Tree) -> Tree:
        """The same, with some traces decided anew."""
        return Tree(
            run=part.outward(self.run, inner.run),
            owner=part.outward(self.owner, inner.owner),
            call=part.outward(self.call, inner.call),
            is_run=part.put(self.is_run, inner.is_run),
            is_workflow=part.put(self.is_workflow, inner.is_workflow),
            parent=part.outward(self.parent, inner.parent),
        )


def grow(nodes: Nodes) -> Tree:
    """Decide what every node is."""
    parent, name = _taken_in(nodes), nodes.facts["name_key"]
    role = _settled_roles(nodes, parent)
    asked = Found(*asked_beside(nodes.facts, role, parent))
    if len(asked.node):
        parent = adopted(parent, asked)
    return _put_together(nodes, role, parent, name, LEVELS)


def _put_together(nodes: Nodes, role: Ints, parent: Ints, name: Keys, levels: int) -> Tree:
    """What every node is, with what several instrumentations saw as one: what is below two that turned out to be one is found only
    then, so traces in which something was found are looked at again."""
    tree, standing = _decide(nodes, role, parent, name)
    found = same_things(nodes.facts, standing)
    if not levels or not len(found.node):
        return tree
    parent, name, part = adopted(parent, found), _one_name(name, found, nodes.facts), nodes.beside(found.node)
    again = _put_together(nodes.of(part), role[part.at], part.inward(parent), name[part.at], levels - 1)
    return tree.with_part(part, again)


def _taken_in(nodes: Nodes) -> Ints:
    """The parents, with what lost its own below the run that was under way."""
    orphan = orphaned(nodes.facts, nodes.parent)
    missing = lost(nodes.facts, nodes.parent, orphan, nodes.is_root)
    if not len(missing):
        return nodes.parent
    part = nodes.beside(missing)
    return part.outward(nodes.parent, _parents_of_lost(nodes.of(part), orphan[part.at], part.place[missing]))


def _parents_of_lost(nodes: Nodes, orphan: Bools, missing: Ints) -> Ints:
    """The parents, once those are found to whom parts belong that lost theirs: first what has runs in it, then the rest."""
    facts, parent = nodes.facts, nodes.parent
    top = roots(parent)
    has_run = with_runs(facts, top)[missing]
    for part, find in ((missing[has_run], Places.of_parts_with_runs), (missing[~has_run], Places.of_others)):
        if len(part):
            tree, _ = _decide(nodes, _settled_roles(nodes, parent), parent, facts["name_key"])
            found = find(Places(facts, top, orphan, parent, tree.is_run, tree.run >= 0), part)
            if (found >= 0).any():
                parent = adopted(parent, Found(part, found))
    return parent


def _decide(nodes: Nodes, role: Ints, parent: Ints, name: Keys) -> tuple[Tree, Standing]:
    """What every node is, if these are the parents and names."""
    is_tool, is_model = role == Role.TOOL, role == Role.MODEL
    is_shadow = nodes.facts["is_shadow"].astype(bool)  # of agents, too, that are all that their call does
    around = nearest(parent, _is_run(role) | is_tool)  # the nearest run or tool call
    above = nearest(parent, _is_run(role))
    fold = _fold(nodes.facts, role, around, above, name)
    if not np.array_equal(parent, nodes.parent):
        fold = _emptied(role, fold, around, nearest(nodes.parent, _is_run(role) | is_tool))
    fallback = _fallback_roots(role, nodes.is_root, parent)
    runs = _is_run(role) | fallback
    itself = np.arange(len(parent))
    fold = np.where(fallback, itself, fold)
    above = nearest(parent, runs)
    stands = np.where(runs, fold, -1)
    owner = np.where(above >= 0, stands[above], -1)
    is_run = runs & (stands == itself)
    owner = _owner_of_runs(owner, is_run, above, stands)
    call = _calls(nodes.facts, name, is_tool | is_shadow, is_model, parent, runs)
    tree = Tree(stands, owner, call, is_run, is_run & (fallback | (role == Role.WORKFLOW)), parent)
    return tree, Standing(role, parent, np.where(runs, fold, np.where(call >= 0, call, itself)), around, above)


def _one_name(name: Keys, found: Found, facts: Columns) -> Keys:
    """The names, with one and the same for what was seen twice."""
    first = np.arange(len(name))
    first[found.node] = found.same
    for _ in range(len(found.node)):
        if np.array_equal(first, further := first[first]):
            break
        first = further
    told = np.where(name == 0, facts["span_key"], name)[first]
    known = np.zeros(len(name), bool)
    known[found.node] = known[found.same] = True
    return np.where(known, told, name)


def _is_run(role: Ints) -> Bools:
    return is_any(role, Role.RUN, Role.WORKFLOW)


def _settled_roles(nodes: Nodes, parent: Ints) -> Ints:
    """Chains, steps and nameless agents become runs, workflows or nothing, by what stands above and below them."""
    role = nodes.facts["role"].astype(np.int64)
    step = role == Role.STEP
    chain = (role == Role.CHAIN) | step
    around = nearest(parent, role != Role.NONE)
    wrapper = _around_calls(nodes.facts, role, around)
    if wrapper.any():
        role[wrapper] = Role.NONE
        around = nearest(parent, role != Role.NONE)
    outermost = (around < 0) & nodes.is_root[roots(parent)]
    shadow = (role == Role.TOOL) & nodes.facts["is_shadow"].astype(bool)
    asked = _asked_agents(role, parent, (chain | shadow) & (around >= 0) & (role[np.maximum(around, 0)] == Role.TOOL))
    role[chain] = np.where(outermost[chain], Role.WORKFLOW, Role.NONE)
    role[asked | (step & outermost)] = Role.RUN
    agent = role == Role.AGENT
    if agent.any():
        above = nearest(parent, (role == Role.RUN) | agent | (role == Role.TOOL))
        inner = np.flatnonzero((role == Role.RUN) & (above >= 0))
        count, only = np.bincount(above[inner], minlength=len(role)), np.full(len(role), -1, np.int64)
        only[above[inner]] = inner
        has_inner, has_calls = count > 0, np.zeros(len(role), bool)
        has_calls[above[is_call(role) & (above >= 0)]] = True
        beyond = _beyond(nodes.facts, is_call(role), above, only, count)
        empty = agent & ~has_inner & ~has_calls
        outer = np.maximum(around := nearest(parent, (role == Role.RUN) | (agent & ~empty) | (role == Role.TOOL)), 0)
        step = empty & (around >= 0) & has_calls[outer] & (role[outer] != Role.TOOL)
        role[agent] = np.where(has_inner[agent] & ~beyond[agent], Role.WORKFLOW, Role.RUN)
        role[step] = Role.NONE
    return role


def _around_calls(facts: Columns, role: Ints, around: Ints) -> Bools:
    """Model spans that are none: around several calls one after the other that another instrumentation saw get their answers.

    One that is made for another version of a framework may take the span of an agent for that of its call.
    """
    model, found = role == Role.MODEL, np.zeros(len(role), bool)
    inner = np.flatnonzero(model & (around >= 0) & (facts["output_tokens"] > 0) & (facts["status"] != Status.FAILED))
    outer, scope = around[inner], facts["scope_key"]
    inner = inner[model[outer] & (scope[inner] != scope[outer])]
    order = np.lexsort((facts["started_us"][inner], scope[inner], around[inner]))
    first, second = inner[order][:-1], inner[order][1:]
    after = (around[first] == around[second]) & (scope[first] == scope[second])
    after &= facts["started_us"][second] >= facts["ended_us"][first]
    found[around[second[after]]] = True
    return found


def _beyond(facts: Columns, calls: Bools, above: Ints, only: Ints, below: Ints) -> Bools:
    """Which nodes make such calls while none of the runs below them is under way: before the one there is, or after it.

    What is called meanwhile is that run's, told of by another instrumentation. Of several runs it does not matter.
    """
    call = np.flatnonzero(calls & (above >= 0))
    around = above[call]
    call, around = call[below[around] > 0], around[below[around] > 0]
    run, started = only[around], facts["started_us"][call]
    is_open = facts["event"][run] != Event.NONE
    within = (facts["started_us"][run] <= started) & (is_open | (started <= facts["ended_us"][run]))
    found = np.zeros(len(above), bool)
    found[around[(below[around] > 1) | ~within]] = True
    return found


def _asked_agents(role: Ints, parent: Ints, asked: Bools) -> Bools:
    """Which of the spans that stand in a tool call work as agents do: a model is called, and tools are."""
    if not asked.any():
        return asked
    inside = nearest(parent, asked | is_any(role, Role.RUN, Role.AGENT, Role.WORKFLOW, Role.TOOL))
    found = asked.copy()
    for kind in (Role.TOOL, Role.MODEL):
        calling = np.zeros(len(role), bool)
        calling[inside[(role == kind) & (inside >= 0)]] = True
        found &= calling
    return found


def _fold(facts: Columns, role: Ints, around: Ints, above: Ints, name: Keys) -> Ints:
    """For every run or workflow the run that it is part of, itself where it is one of its own."""
    itself = np.arange(len(role))
    is_run, is_workflow = role == Role.RUN, role == Role.WORKFLOW
    # Only what stands directly inside (no tool call between) can be the same run.
    inside = np.where(_is_run(role) & (above >= 0) & (around == above), above, -1)
    same = (inside >= 0) & (name != 0)
    same[same] = name[same] == name[inside[same]]
    # A graph may have a part of its own name; what two instrumentations call so is one.
    both = np.where(same, is_workflow & is_workflow[inside] & (facts["scope_key"] != facts["scope_key"][inside]), False)
    named, same = same & is_run, same & (both | is_run[inside])
    fold = settle(np.where(same, inside, itself))
    # What is around it may be a workflow that was found to be that run.
    if (named & ~same & is_run[fold[inside]]).any():
        same |= named & is_run[fold[inside]]
        fold = settle(np.where(same, inside, itself))
    inside = np.where(same, -1, np.where(inside >= 0, fold[inside], -1))
    wrapper = is_workflow & ~same
    runs = np.flatnonzero(is_run & ~same)
    below, only = _runs_below(runs, inside, wrapper)
    outer = np.where(inside >= 0, inside, 0)
    nested = wrapper & (inside >= 0) & wrapper[outer]
    repeats = nested & ((below[outer] == below) | ((below == 0) & (below[outer] == 1)))
    one_scope = nested & ~repeats & (name != 0) & (name == name[outer])
    one_scope &= facts["scope_key"] == facts["scope_key"][outer]
    if one_scope.any():
        own, _ = _runs_below(runs, inside, wrapper, facts["scope_key"])
        repeats |= one_scope & (own[outer] == own)
    one = wrapper & (below == 1)
    outermost, works = settle(np.where(repeats, inside, itself)), np.zeros(len(role), bool)
    works[outermost[_at_work(facts, role, around, only, one)]] = True
    one &= ~works[outermost]
    fold = np.where(one, only, np.where(repeats, inside, fold))
    return settle(fold)


def _emptied(role: Ints, fold: Ints, around: Ints, at_first: Ints) -> Ints:
    """The folds, with wrappers whose one run was found to be another's: they are that run, too.

    `around` and `at_first` are the nearest run or tool call now, and before anything was found to be the same as something else.
    """
    runs, wrapper = np.flatnonzero(role == Role.RUN), (role == Role.WORKFLOW) & (fold == np.arange(len(role)))
    (below, _), (had, run) = _runs_below(runs, around, wrapper), _runs_below(runs, at_first, wrapper)
    return settle(np.where(wrapper & (below == 0) & (had == 1), run, fold))


def _at_work(facts: Columns, role: Ints, around: Ints, only: Ints, wrapper: Bools) -> Bools:
    """Which wrappers around one run call a model and tools themselves while it is not under way, as agents do."""
    found = wrapper.copy()
    for kind in (Role.TOOL, Role.MODEL):
        if found.any():
            found &= _beyond(facts, role == kind, around, only, found.astype(np.int64))
    return found


def _runs_below(runs: Ints, inside: Ints, workflow: Bools, scope: Keys | None = None) -> tuple[Ints, Ints]:
    """How many runs each workflow has below it through workflows only, and one of them; with `scope`, of those of its own scope."""
    below, only = np.zeros(len(inside), np.int64), np.full(len(inside), -1, np.int64)
    at, run = inside[runs], runs
    while True:
        on = at >= 0
        on[on] = workflow[at[on]]
        at, run = at[on], run[on]
        if not len(at):
            return below, only
        own = slice(None) if scope is None else scope[run] == scope[at]
        np.add.at(below, at[own], 1)
        only[at[own]] = run[own]
        at = inside[at]


def _fallback_roots(role: Ints, is_root: Bools, parent: Ints) -> Bools:
    """Plain roots without any run below, but with calls: they make the run."""
    top = roots(parent)
    has_run, has_call = np.zeros(len(role), bool), np.zeros(len(role), bool)
    has_run[top[_is_run(role)]] = True
    has_call[top[is_call(role) & (top != np.arange(len(role)))]] = True
    found: Bools = is_root & (parent < 0) & (role == Role.NONE) & has_call & ~has_run
    return found


def _owner_of_runs(owner: Ints, is_run: Bools, above: Ints, stands: Ints) -> Ints:
    """A run's owner is its parent run: where the run around it was folded into this very run, the one above that."""
    owner = owner.copy()
    climb = above.copy()
    itself = np.arange(len(owner))
    while True:
        again = is_run & (owner == itself)
        if not again.any():
            return owner
        climb[again] = above[climb[again]]
        owner[again] = np.where(climb[again] >= 0, stands[climb[again]], -1)


def _calls(facts: Columns, name: Keys, is_tool: Bools, is_model: Bools, parent: Ints, runs: Bools) -> Ints:
    """For every tool and model span the call that it stands for: the outermost of those that repeat each other.

    What one instrumentation tells of a model below a call of its own that is over, whose context was left behind, is another call.
    """
    itself = np.arange(len(parent))
    outer = nearest(parent, runs | is_tool)
    at = np.maximum(outer, 0)
    repeats = is_tool & (outer >= 0) & is_tool[at] & ~runs[at]
    repeats &= facts["is_shadow"].astype(bool) | (name == name[at])
    call = np.where(repeats, outer, itself)
    outer = nearest(parent, runs | is_tool | is_model)
    at = np.maximum(outer, 0)
    repeats = is_model & (outer >= 0) & is_model[at]
    is_over = (facts["ended_us"][at] > 0) & (facts["ended_us"][at] < facts["started_us"])
    repeats &= ~(is_over & (facts["scope_key"] == facts["scope_key"][at]))
    call = settle(np.where(repeats, outer, call))
    return np.where(is_tool | is_model, call, -1)
