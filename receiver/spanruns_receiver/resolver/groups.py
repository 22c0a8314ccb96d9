"""The runs of some traces: spans that are one, and which stand around which."""

from __future__ import annotations

from typing import Any

import numpy as np

from spanruns_receiver.resolver.columns import Columns, Ints, Keys, Role, Status, is_any
from spanruns_receiver.resolver.nodes import Nodes
from spanruns_receiver.resolver.tree import Tree
from spanruns_receiver.resolver.walk import nearest, without_cycles

LATE_US = 50_000
"""A run that ended unset was cancelled when its last call was, at its end: this is how far apart the two may be."""


class Groups:
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


def _failed_steps(own: Columns, tree: Tree) -> Ints:
    """Chains that are nothing but a step of the run directly around them, and failed."""
    step = np.flatnonzero(
        is_any(own["role"], Role.CHAIN, Role.STEP) & (own["status"] == Status.FAILED) & (tree.run < 0)
    )
    if not len(step):
        return step
    around = nearest(tree.parent, (tree.run >= 0) | (own["role"] == Role.TOOL))[step]
    found: Ints = step[(around >= 0) & (own["role"][around] != Role.TOOL)]
    return found
