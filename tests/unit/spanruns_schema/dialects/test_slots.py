"""The order in which keys are tried, over all dialects."""

from __future__ import annotations

from itertools import pairwise

import pytest
from spanruns_schema.dialects import BASE, Dialect, load
from spanruns_schema.dialects.slots import Slots, _merged, scoped


def dialects(base: list[str], *others: list[str]) -> list[Dialect]:
    """Dialects a, b, … and the base, each with these sources of one field."""
    found = [Dialect(name, n, fields={"f": keys}) for n, (name, keys) in enumerate(zip("abcd", others, strict=False))]
    return [*found, Dialect(BASE, 1000, fields={"f": base})]


@pytest.mark.parametrize(
    ("base", "others", "order"),
    [
        (["g.1", "g.2"], [], ["g.1", "g.2"]),
        (["g.1", "g.2"], [["a.1"], ["b.1"]], ["a.1", "b.1", "g.1", "g.2"]),
        (["g.1", "g.2"], [["g.1", "a.1"], ["b.1", "g.2"]], ["b.1", "g.1", "a.1", "g.2"]),
        (["g.1", "$span_name"], [["a.1", "$span_name"], ["b.1"]], ["a.1", "b.1", "g.1", "$span_name"]),
        (["g.1"], [["name"], ["name"]], ["a|name", "b|name", "g.1"]),
        (["g.1"], [["a.1", "name"], ["=b.1", "b.2"]], ["b|=b.1", "a.1", "a|name", "b.2", "g.1"]),
        (["g.1"], [["g.1", "$span_name"], ["b.1"]], ["b.1", "g.1", "a|=$span_name"]),
        (["g.1", "g.2"], [["g.2", "a.1", "g.1"]], ["a|=g.2", "a|=a.1", "a|=g.1", "g.1", "g.2"]),
    ],
)
def test_every_dialects_order_is_kept(base: list[str], others: list[list[str]], order: list[str]) -> None:
    """A dialect's own keys are tried in its order and before the base's; one that contradicts keeps its keys to itself."""
    assert _merged(dialects(base, *others), "f") == order


def test_the_packages_dialects_agree() -> None:
    """No dialect contradicts another, and each one's order is kept in every field."""
    found = load()
    for field in {name for dialect in found for name in dialect.fields}:
        order = _merged(found, field)
        meant = [scoped(dialect, key) for dialect in found for key in dialect.fields.get(field, ()) if key[0] == "="]
        assert not [key for key in order if "|=" in key and key not in meant and not key.endswith("|=$span_name")]
        for dialect in found:
            keys = [scoped(dialect, key) for key in dialect.fields.get(field, ()) if key != "$span_name"]
            assert all(order.index(one) < order.index(other) for one, other in pairwise(keys)), (field, dialect.name)


def test_slots_are_shared_where_they_can_be() -> None:
    """Keys of one field share its slot; a key that two fields ask for has its own."""
    found = [Dialect(BASE, 1, fields={"f": ["a.1", "a.2", "both"], "g": ["a.3", "both"]})]
    slots = Slots(found)
    assert slots.sources("f") == ["1", "2"]
    assert slots.sources("g") == ["3", "2"]
