"""Tables of facts, column by column. Strings stay in the bytes they came in: none of them becomes an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.decode import compiled, decoder_name
from spanruns_receiver.decode.block import varint
from spanruns_receiver.resolver.columns import Bools, Ints, Keys

EMPTY = b"\0"
"""The empty string as it is written."""


@dataclass(frozen=True)
class Texts:
    """A column of strings: pieces of bytes, and where in them, one piece after the other, each string begins (its length before it)
    and ends. No string goes over the end of a piece, so what is taken or joined copies positions only."""

    pieces: tuple[bytes, ...]
    start: Ints
    end: Ints

    @classmethod
    def read(cls, data: bytes, at: int, rows: int) -> Texts:
        """The column of `rows` strings that stands at `at`."""
        if rows and data.count(0, at, at + rows) == rows:  # nothing but empty strings: all are the last one
            start, end = (np.broadcast_to(np.int64(at + place), rows) for place in (rows - 1, rows))
            return cls((data,), start, end)
        if compiled_module():
            bounds: Ints = np.frombuffer(compiled_module().text_bounds(data, at, rows), np.int64)
        else:
            bounds = np.array(_bounds(data, at, rows), np.int64)
        return cls((data,), bounds[:-1], bounds[1:])

    @classmethod
    def of(cls, packed: Sequence[bytes]) -> Texts:
        """A column of strings as they are written."""
        size = np.array([len(text) for text in packed], np.int64)
        end = np.cumsum(size)
        return cls((b"".join(packed),), end - size, end)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def is_empty(self) -> Bools:
        """For every string whether it has no bytes."""
        empty: Bools = self.end - self.start == 1
        return empty

    @property
    def sizes(self) -> Ints:
        """How many bytes every string has, without its length before it, which takes a byte for each seven bits."""
        whole = self.end - self.start
        return whole - 1 - sum(whole > (1 << bits) + place for place, bits in enumerate((7, 14, 21), 1))

    def strings(self) -> list[str]:
        """All of them, decoded."""
        return [unpacked(text).decode(errors="replace") for text in self.packed(np.arange(len(self)))]

    def packed(self, index: Sequence[int] | Ints) -> list[bytes]:
        """The strings at `index` as they are written: length, then bytes; -1 stands for the empty string."""
        taken = self.take(np.asarray(index, np.int64))
        begin = np.cumsum([0, *map(len, taken.pieces)])[:-1]
        piece = np.searchsorted(begin, taken.start, "right") - 1
        bounds = zip(
            piece.tolist(), (taken.start - begin[piece]).tolist(), (taken.end - begin[piece]).tolist(), strict=True
        )
        return [taken.pieces[at][first:last] for at, first, last in bounds]

    def encoded(self) -> bytes:
        """All of them as they are written, one after the other."""
        return put_together([self])

    def take(self, index: Ints) -> Texts:
        """The strings at `index`; -1 stands for the empty string."""
        missing = index < 0
        if not missing.any():
            return Texts(self.pieces, self.start[index], self.end[index])
        if not len(self):
            return _empty(len(index))
        end_of_all = sum(map(len, self.pieces))
        known = np.maximum(index, 0)
        start = np.where(missing, end_of_all, self.start[known])
        return Texts((*self.pieces, EMPTY), start, np.where(missing, end_of_all + 1, self.end[known]))

    def paired(self, other: Texts) -> Texts:
        """`<this>-<other>`, row by row."""
        if compiled_module():
            return Texts.read(compiled_module().text_pairs(self.raw(), other.raw()), 0, len(self))
        every = range(len(self))
        pairs = zip(self.packed(every), other.packed(every), strict=True)
        return Texts.of([string(unpacked(left) + b"-" + unpacked(right)) for left, right in pairs])

    def keys(self, *, lower: bool = False) -> Keys:
        """ClickHouse's `cityHash64` of every string (of it in lower case); compiled only."""
        keys: Keys = np.frombuffer(compiled_module().text_keys(self.raw(), lower), np.uint64)
        return keys

    def raw(self) -> tuple[tuple[bytes, ...], Ints, Ints]:
        """The column as the compiled module takes it."""
        return self.pieces, np.ascontiguousarray(self.start), np.ascontiguousarray(self.end)


@dataclass(frozen=True)
class Labels:
    """A column of few different strings: `texts` has each of them, `codes` the place in it for every row."""

    texts: Texts
    codes: NDArray[Any]  # integers of any width

    @classmethod
    def of(cls, packed: Sequence[bytes]) -> Labels:
        """A column of strings as they are written."""
        found: dict[bytes, int] = {}
        codes = [found.setdefault(text, len(found)) for text in packed]
        return cls(Texts.of(list(found)), np.array(codes, np.int64))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def is_empty(self) -> Bools:
        """For every row whether its string has no bytes."""
        empty: Bools = self.texts.is_empty[self.codes]
        return empty

    @cached_property
    def each(self) -> list[bytes]:
        """The different strings as they are written, and at -1 the empty one."""
        return [*self.texts.packed(range(len(self.texts))), EMPTY]

    def packed(self, index: Sequence[int] | Ints) -> list[bytes]:
        """As `Texts.packed`."""
        return [self.each[code] for code in self._at(np.asarray(index)).tolist()]

    def take(self, index: Ints) -> Labels:
        """The rows at `index`; -1 stands for the empty string."""
        if not (index < 0).any():
            return Labels(self.texts, self.codes[index])
        codes = self._at(index)
        return _relabelled(self.each, np.where(codes < 0, len(self.each) - 1, codes))

    def among(self, known: Mapping[bytes, int]) -> NDArray[np.uint8]:
        """What `known` has for the string of every row, 0 for all others."""
        found: NDArray[np.uint8] = np.array([known.get(unpacked(text), 0) for text in self.each], np.uint8)[self.codes]
        return found

    def spread(self) -> Texts:
        """A string for every row."""
        return self.texts.take(self.codes)

    def _at(self, index: Ints) -> Ints:
        if not len(self.codes):
            return np.full(len(index), -1, np.int64)
        return np.where(index < 0, np.int64(-1), self.codes[np.maximum(index, 0)])


@dataclass(frozen=True)
class Lists:
    """A column of arrays of strings: `texts` one after the other, and how many of them come before the end of each array."""

    offsets: Ints
    texts: Texts | Labels

    def take(self, index: Ints) -> Lists:
        """The rows at `index`."""
        start = np.concatenate([[0], self.offsets])[index]
        size = self.offsets[index] - start
        offsets = np.cumsum(size, dtype=np.int64)
        within = np.arange(size.sum()) - np.repeat(offsets - size, size)
        return Lists(offsets, self.texts.take(np.repeat(start, size) + within))


Column = NDArray[Any] | Texts | Labels | Lists


class Table:
    """Columns of one length by name, each made when it is first asked for."""

    def __init__(self, rows: int, column: Callable[[str], Column]) -> None:
        self._rows = rows
        self._make = column
        self._made: dict[str, Column] = {}

    @classmethod
    def of(cls, columns: Mapping[str, Column], rows: int) -> Table:
        """A table of columns that are there."""
        return cls(rows, columns.__getitem__)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def take(self, index: Ints) -> Table:
        """The rows at `index`."""

        def column(name: str) -> Column:
            whole = self[name]
            taken: Column = whole[index] if isinstance(whole, np.ndarray) else whole.take(index)
            return taken

        return Table(len(index), column)

    def with_column(self, name: str, column: Column) -> Table:
        """The same with one more column."""
        return Table(len(self), lambda asked: column if asked == name else self[asked])

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Tables of the same columns one below the other."""
        return Table(sum(map(len, tables)), lambda name: joined([table[name] for table in tables]))


def joined(columns: Sequence[Any]) -> Any:
    """Columns of one kind one below the other."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if isinstance(first, Texts):
        return _texts_joined(columns)
    if isinstance(first, Labels):
        before = np.cumsum([0, *(len(column.each) for column in columns)])
        codes = [column.codes.astype(np.int64) + start for column, start in zip(columns, before, strict=False)]
        return _relabelled([text for column in columns for text in column.each], np.concatenate(codes))
    if isinstance(first, Lists):
        before = np.cumsum([0, *(len(column.texts) for column in columns)])
        offsets = [column.offsets + start for column, start in zip(columns, before, strict=False)]
        return Lists(np.concatenate(offsets), joined([column.texts for column in columns]))
    if isinstance(first, np.ma.MaskedArray):
        values = np.concatenate([np.ma.getdata(column) for column in columns])
        return np.ma.MaskedArray(values, np.concatenate([np.ma.getmaskarray(column) for column in columns]))
    return np.concatenate(columns)


def either(first: Texts, second: Texts | Labels) -> Texts:
    """Row by row the first one's string, where that is empty the second one's."""
    empty = first.is_empty
    other = second.spread() if isinstance(second, Labels) else second
    if not (empty & ~other.is_empty).any():
        return first
    return _texts_joined([first, other]).take(np.arange(len(first)) + np.where(empty, len(first), 0))


def either_label(first: Labels, second: Labels) -> Labels:
    """The same of labels."""
    codes = np.where(first.is_empty, second.codes.astype(np.int64) + len(first.each), first.codes)
    return _relabelled([*first.each, *second.each], codes)


def string(value: bytes) -> bytes:
    """A string as it is written."""
    return varint(len(value)) + value


def unpacked(text: bytes) -> bytes:
    """The bytes of a string that is `packed`."""
    size, at = text[0], 1
    if size >= 0x80:
        size, at = read_varint(text, 0)
    return text[at : at + size]


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def put_together(parts: Sequence[bytes | Texts]) -> bytes:
    """Bytes and columns of strings, one after the other."""
    if compiled_module():
        ready = [part.raw() if isinstance(part, Texts) else part for part in parts]
        whole: bytes = compiled_module().put_together(ready)
        return whole
    return b"".join(b"".join(part.packed(np.arange(len(part)))) if isinstance(part, Texts) else part for part in parts)


@cache
def compiled_module() -> Any:
    """The compiled module where this process uses it, else None."""
    return compiled.MODULE if decoder_name() == compiled.NAME else None


def _bounds(data: bytes, at: int, rows: int) -> list[int]:
    bounds = [at]
    for _ in range(rows):
        size = data[at]
        if size < 0x80:
            at += size + 1
        else:
            size, at = read_varint(data, at)
            at += size
        bounds.append(at)
    return bounds


def _texts_joined(columns: Sequence[Texts]) -> Texts:
    bounds = [(column.start, column.end) for column in columns]
    pieces = columns[0].pieces
    if not all(column.pieces is pieces for column in columns):
        before = np.cumsum([0, *(sum(map(len, column.pieces)) for column in columns)])
        bounds = [(start + at, end + at) for (start, end), at in zip(bounds, before.tolist(), strict=False)]
        pieces = tuple(piece for column in columns for piece in column.pieces)
    start, end = map(np.concatenate, zip(*bounds, strict=True))
    return Texts(pieces, start, end)


def _empty(rows: int) -> Texts:
    return Texts((EMPTY,), np.zeros(rows, np.int64), np.ones(rows, np.int64))


def _relabelled(each: Sequence[bytes], codes: Ints) -> Labels:
    """Labels of strings of which some may be the same."""
    labels = Labels.of(each)
    return Labels(labels.texts, labels.codes[codes])
