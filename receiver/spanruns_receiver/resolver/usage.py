"""What model calls used and cost: their own word, that of the spans that repeat them, or prices. Pure; arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.pricing.cost import costs
from spanruns_receiver.resolver.columns import CALL_TOKENS, TOKENS, Bools, Columns, CostSource, Ints, Role
from spanruns_receiver.resolver.tree import Tree
from spanruns_receiver.resolver.walk import nearest

Prices = NDArray[np.void]


def fill_usage(rows: Columns, node: Ints, own: Columns, tree: Tree, sent_parent: Ints) -> None:
    """A model call's tokens and cost: its own, else those of the spans that repeat it, each counted once."""
    is_model = (own["role"] == Role.MODEL) & (tree.call >= 0)
    seen_by = _seen_by(tree, sent_parent)
    told = [name for name in CALL_TOKENS if own[name].any()]
    has_tokens = is_model & np.any([own[name] > 0 for name in (told or TOKENS)], axis=0)
    counted = _counted(has_tokens, own, tree, sent_parent, seen_by)
    at = np.searchsorted(node, tree.call[counted])
    for name in told:
        np.add.at(rows[name], at, own[name][counted])
    _add_parts(rows, "input_tokens", "cache_read_tokens", "cache_write_tokens")
    _add_parts(rows, "output_tokens", "reasoning_tokens")
    counted = _counted(is_model & ~np.isnan(own["cost_usd"]), own, tree, sent_parent, seen_by)
    rows["cost_usd"] = summed(own["cost_usd"][counted], np.searchsorted(node, tree.call[counted]), len(node))


def _add_parts(rows: Columns, whole: str, *parts: str) -> None:
    """Parts that are more than the whole are not in it: some count what was cached, or thought, beside it."""
    of_all = np.sum([rows[part] for part in parts], axis=0, dtype=rows[whole].dtype)
    beside = of_all > rows[whole]
    rows[whole][beside] += of_all[beside]


def _seen_by(tree: Tree, sent_parent: Ints) -> Ints | None:
    """For every node the span with which an instrumentation began to tell of the same; None where only one tells of anything."""
    if tree.parent is sent_parent:
        return None
    itself = np.arange(len(sent_parent))
    begins = (tree.parent != sent_parent) | (tree.call == itself)
    return np.where(begins, itself, nearest(tree.parent, begins))


def _counted(known: Bools, own: Columns, tree: Tree, sent_parent: Ints, seen_by: Ints | None) -> Ints:
    """Of spans that know something of the same call those to be summed: of one that tells of it, with nobody around them."""
    call = tree.call
    above = nearest(sent_parent, known)
    counted = np.flatnonzero(known & ((above < 0) | (call[np.maximum(above, 0)] != call)))
    if seen_by is None:
        return counted
    by = seen_by[counted]
    order = np.lexsort((own["span_key"][by], own["started_us"][by], by != call[counted], call[counted]))
    first = np.concatenate([[True], np.diff(call[counted][order]) != 0]) if len(order) else np.zeros(0, bool)
    chosen = np.full(len(call), -1, np.int64)
    chosen[call[counted][order][first]] = by[order][first]
    kept: Ints = counted[by == chosen[call[counted]]]
    return kept


def fill_costs(rows: Columns, node: Ints, own: Columns, call: Ints, prices: Prices) -> None:
    """The cost of calls whose spans do not say it, by the call's model, or that of a span that repeats it."""
    key = np.zeros(len(own), np.uint64)
    named = (own["role"] == Role.MODEL) & (own["name_key"] > 0)
    np.maximum.at(key, call[named], own["model_key"][named])
    own_name = own["name_key"][node] > 0
    key = np.where(own_name, own["model_key"][node], key[node])
    unsaid = np.isnan(rows["cost_usd"])
    rows["cost_source"] = np.where(unsaid | (own["role"][node] != Role.MODEL), CostSource.NONE, CostSource.SPAN)
    # Nothing for some tokens says that its price list lacks the model, as long as ours has it.
    free = (rows["cost_usd"] == 0) & ((rows["input_tokens"] > 0) | (rows["output_tokens"] > 0))
    asked = np.flatnonzero(unsaid | free)
    found = costs(prices, key[asked], own["started_us"][node][asked], {name: rows[name][asked] for name in CALL_TOKENS})
    priced = asked[~np.isnan(found)]
    rows["cost_usd"][priced] = found[~np.isnan(found)]
    rows["cost_source"][priced] = CostSource.PRICES


def summed(values: NDArray[np.float64], at: Ints, count: int) -> NDArray[np.float64]:
    """Sums by index, NaN where no value is known."""
    known = ~np.isnan(values)
    total = np.bincount(at[known], values[known], count)
    seen = np.bincount(at[known], minlength=count) > 0
    return np.where(seen, total, np.nan)
