"""Walking a forest: arrays of parents in, arrays of nodes out.

Pointers are doubled until they stand still, so depth costs its logarithm; the walk that is made most often is one pass of the compiled module.
"""

from __future__ import annotations

import numpy as np

from spanruns_receiver.resolver.columns import Bools, Ints
from spanruns_receiver.resolver.table import compiled_module


def nearest(parent: Ints, stop: Bools) -> Ints:
    """For every node the nearest proper ancestor that `stop` marks, -1 where there is none."""
    if compiled_module():
        return np.frombuffer(compiled_module().nearest(parent, stop.view(np.uint8)), np.int64)
    pointer = parent.copy()
    while True:
        moving = pointer >= 0
        moving[moving] = ~stop[pointer[moving]]
        if not moving.any():
            return pointer
        pointer[moving] = pointer[pointer[moving]]


def roots(parent: Ints) -> Ints:
    """For every node its topmost ancestor, itself at a root."""
    top = nearest(parent, parent < 0)
    return np.where(top < 0, np.arange(len(parent)), top)


def depths(parent: Ints) -> Ints:
    """For every node how many ancestors it has."""
    depth, at = (parent >= 0).astype(np.int64), parent.copy()
    while (inside := at >= 0).any():
        depth[inside] += depth[at[inside]]
        at[inside] = at[at[inside]]
    return depth


def settle(pointer: Ints) -> Ints:
    """Follow pointers until each stands on one that points at itself."""
    while True:
        further = pointer[pointer]
        if np.array_equal(further, pointer):
            return pointer
        pointer = further


def on_cycles(parent: Ints) -> Bools:
    """Which nodes are their own ancestors."""
    pointer = parent.copy()
    found = np.zeros(len(parent), bool)
    for _ in range(len(parent).bit_length() + 1):
        moving = pointer >= 0
        if not moving.any():
            return found
        pointer[moving] = pointer[pointer[moving]]
    found[pointer[pointer >= 0]] = True  # after more steps than there are nodes, a pointer stands on its cycle
    return found


def without_cycles(parent: Ints) -> Ints:
    """Cut the parents of nodes that are their own ancestors (real traces have none); what hangs below a cycle stays there."""
    return np.where(on_cycles(parent), -1, parent)
