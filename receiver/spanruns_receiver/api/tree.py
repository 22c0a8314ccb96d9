"""Spans as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

# Deeper spans hang below the last one that still nests: every JSON parser has a limit.
MAX_DEPTH = 100

Span = dict[str, Any]


def build(spans: Sequence[Span]) -> list[Span]:
    """The roots, each span with `depth` and `children`, in the order of `spans`.

    A span whose parent is not there is a root. Spans that are each other's ancestors hang below the first of them.
    """
    present = {span["span_id"] for span in spans}
    below: defaultdict[str, list[Span]] = defaultdict(list)
    roots: list[Span] = []
    for span in spans:
        span["children"] = []
        if span["parent_span_id"] in present and span["parent_span_id"] != span["span_id"]:
            below[span["parent_span_id"]].append(span)
        else:
            roots.append(span)
    placed: set[str] = set()
    for root in roots:
        _place(root, below, placed)
    for span in spans:
        if span["span_id"] not in placed:  # only reachable from itself
            roots.append(span)
            _place(span, below, placed)
    return roots


def _place(root: Span, below: dict[str, list[Span]], placed: set[str]) -> None:
    root["depth"] = 0
    placed.add(root["span_id"])
    todo = [(root, root)]
    while todo:
        span, holder = todo.pop()
        for child in below[span["span_id"]]:
            if child["span_id"] in placed:
                continue
            placed.add(child["span_id"])
            child["depth"] = span["depth"] + 1
            holder["children"].append(child)
            todo.append((child, child if child["depth"] < MAX_DEPTH else holder))
