"""Columns of strings, compiled and in Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spanruns_receiver.decode import compiled
from spanruns_receiver.resolver import table
from spanruns_receiver.resolver.table import Labels, Lists, Texts, either, either_label, joined, string, unpacked

TEXTS = st.lists(st.binary(max_size=300), max_size=20)
Way = Callable[[], Any]


@pytest.fixture(params=[None, compiled.MODULE], ids=["python", "compiled"], autouse=True, scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to do it."""
    if request.param is None or compiled.AVAILABLE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(table, "compiled_module", lambda: request.param)
            yield
    else:
        pytest.skip("nothing is compiled here")


def column(values: list[bytes]) -> Texts:
    """A column that stands somewhere in a block."""
    return Texts.read(b"before" + b"".join(map(string, values)) + b"after", 6, len(values))


def values_of(texts: Texts | Labels) -> list[bytes]:
    """Every string."""
    return [unpacked(text) for text in texts.packed(range(len(texts)))]


@given(TEXTS, st.data())
def test_rows_are_taken(values: list[bytes], data: st.DataObject) -> None:
    """Any rows in any order, -1 for the empty string, of texts and of labels; encoded they are what a block has."""
    index = data.draw(st.lists(st.integers(-1, len(values) - 1), max_size=20))
    wanted = [values[place] if place >= 0 else b"" for place in index]
    for whole in (column(values), Texts.of(list(map(string, values))), Labels.of(list(map(string, values)))):
        assert values_of(whole) == values
        assert whole.is_empty.tolist() == [not value for value in values]
        taken = whole.take(np.array(index, np.int64))
        assert values_of(taken) == wanted
        spread = taken.spread() if isinstance(taken, Labels) else taken
        assert values_of(joined([spread, column(wanted)]).take(np.arange(len(wanted)) + len(wanted))) == wanted
        assert spread.encoded() == b"".join(map(string, wanted))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 70_000, 1 << 21])
def test_sizes(size: int) -> None:
    """The length before a string, which takes more bytes for a longer one, is not counted."""
    assert column([b"x", b"y" * size]).sizes.tolist() == [1, size]


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_columns_are_joined(parts: list[list[bytes]]) -> None:
    """One below the other, of one block or of several."""
    wanted = [value for part in parts for value in part]
    assert values_of(joined([column(part) for part in parts])) == wanted
    whole = column(wanted)
    bounds = np.cumsum([0, *map(len, parts)])
    pieces = [whole.take(np.arange(first, last)) for first, last in itertools.pairwise(bounds)]
    assert values_of(joined(pieces)) == wanted
    assert values_of(joined([Labels.of(list(map(string, part))) for part in parts])) == wanted


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=200)), max_size=20))
def test_columns_are_combined(pairs: list[tuple[bytes, bytes]]) -> None:
    """Side by side, and the one where the other is empty."""
    left, right = (column([pair[side] for pair in pairs]) for side in (0, 1))
    labels = [Labels.of(texts.packed(range(len(pairs)))) for texts in (left, right)]
    assert values_of(left.paired(right)) == [first + b"-" + second for first, second in pairs]
    wanted = [first or second for first, second in pairs]
    assert values_of(either(left, right)) == wanted
    assert values_of(either(left, labels[1])) == wanted
    assert values_of(either_label(*labels)) == wanted


@given(st.lists(st.lists(st.binary(max_size=5), max_size=3), min_size=1, max_size=8), st.data())
def test_lists_are_taken(values: list[list[bytes]], data: st.DataObject) -> None:
    """Each with its own strings."""
    index = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=8))
    texts = column([value for each in values for value in each])
    taken = Lists(np.cumsum(list(map(len, values))), texts).take(np.array(index, np.int64))
    assert values_of(taken.texts) == [value for place in index for value in values[place]]
    assert taken.offsets.tolist() == np.cumsum([len(values[place]) for place in index]).tolist()


def test_damaged_columns_are_refused() -> None:
    """Bytes that end before their strings do are an error, not a crash."""
    if not table.compiled_module():
        pytest.skip("Python's own error")
    for data, at, rows in ((b"\x05abc", 0, 1), (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, 1), (b"\1a", 9, 0)):
        with pytest.raises(ValueError, match="column of strings"):
            compiled.MODULE.text_bounds(data, at, rows)
    over_two_pieces = ([0], [3])
    for starts, ends in (([0], []), ([0], [99]), ([-1], [1]), ([1], [0]), over_two_pieces):
        column = (b"\1a", b"\1b"), np.array(starts, np.int64), np.array(ends, np.int64)
        with pytest.raises(ValueError, match="column of strings"):
            compiled.MODULE.put_together([b"before", column])
