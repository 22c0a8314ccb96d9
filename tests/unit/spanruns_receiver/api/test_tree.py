"""Spans become a tree, whatever their parents are."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from spanruns_receiver.api.tree import MAX_DEPTH, build


def spans(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    """Spans from ids and the ids of their parents."""
    return [{"span_id": span_id, "parent_span_id": parent} for span_id, parent in pairs]


def shape(roots: list[dict[str, Any]]) -> list[Any]:
    """Ids alone, nested."""
    return [[root["span_id"], *shape(root["children"])] for root in roots]


def test_children_hang_below_their_parents() -> None:
    """Order of siblings is that of the spans, also where a child came before its parent."""
    found = build(spans(("b", "a"), ("a", ""), ("c", "a"), ("d", "b")))
    assert shape(found) == [["a", ["b", ["d"]], ["c"]]]
    assert [found[0]["depth"], found[0]["children"][0]["children"][0]["depth"]] == [0, 2]


def test_a_span_without_its_parent_is_a_root() -> None:
    """A parent that never arrived hides nothing."""
    assert shape(build(spans(("a", ""), ("b", "gone"), ("c", "b")))) == [["a"], ["b", ["c"]]]


def test_spans_that_are_their_own_ancestors_are_shown() -> None:
    """A circle hangs below its first span."""
    assert shape(build(spans(("a", "a"), ("b", "c"), ("c", "b"), ("d", "c")))) == [["a"], ["b", ["c", ["d"]]]]


def test_a_deep_chain_stays_within_what_json_can_nest() -> None:
    """Below the limit spans hang side by side, with their true depth and parent."""
    chain = spans(("0", ""), *((str(n), str(n - 1)) for n in range(1, 5000)))
    (root,) = build(chain)
    assert len(json.dumps(root)) > 5000
    at_limit = root
    for _ in range(MAX_DEPTH - 1):
        (at_limit,) = at_limit["children"]
    assert [span["depth"] for span in at_limit["children"]] == list(range(MAX_DEPTH, 5000))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), unique_by=lambda pair: pair[0]))
def test_every_span_is_there_once(pairs: list[tuple[int, int]]) -> None:
    """No shape of parents loses or doubles a span."""
    found: list[str] = []
    todo = build(spans(*((str(a), str(b)) for a, b in pairs)))
    while todo:
        span = todo.pop()
        found.append(span["span_id"])
        todo.extend(span["children"])
    assert sorted(found) == sorted(str(a) for a, _ in pairs)
