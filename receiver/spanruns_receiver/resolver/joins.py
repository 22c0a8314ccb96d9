"""Rows of two tables that have the same key. Keys are 64-bit hashes in no order; the compiled module looks them up, else they are sorted."""

from __future__ import annotations

import numpy as np

from spanruns_receiver.resolver.columns import Bools, Ints, Keys
from spanruns_receiver.resolver.table import compiled_module


def places(keys: Keys, among: Keys) -> Ints:
    """For every key the first position at which `among` has it, -1 where it has it not."""
    if compiled_module():
        return np.frombuffer(compiled_module().key_places(*_arrays(keys, among)), np.int64)
    if not len(among):
        return np.full(len(keys), -1, np.int64)
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    place = np.minimum(np.searchsorted(ordered, keys), len(among) - 1)
    return np.where(ordered[place] == keys, order[place], -1)


def are_in(keys: Keys, among: Keys) -> Bools:
    """Which of the keys `among` has."""
    return places(keys, among) >= 0


def matches(keys: Keys, among: Keys) -> tuple[Ints, Ints]:
    """Every pair of positions at which the two have the same key, in the order of `keys`, then of `among`."""
    if compiled_module():
        left, right = compiled_module().key_matches(*_arrays(keys, among))
        return np.frombuffer(left, np.int64), np.frombuffer(right, np.int64)
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    first = np.searchsorted(ordered, keys, "left")
    count = np.searchsorted(ordered, keys, "right") - first
    left = np.repeat(np.arange(len(keys)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + within]


def _arrays(keys: Keys, among: Keys) -> tuple[Keys, Keys]:
    # A column stands in its block where it may, not where a processor reads eight bytes at once.
    left, right = (np.require(column, np.uint64, ["C", "A"]) for column in (keys, among))
    return left, right
