"""ClickHouse's `Native` format, column by column: read to arrays, written from them. Strings stay bytes and are never decoded.

Layout (revision 0, as over HTTP and in chdb): per block the number of columns and rows as varints, then for each column its
name and type as length-prefixed strings and its values. What is read may have no LowCardinality in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.decode.block import header, varint

Ints = NDArray[np.int64]

NUMBERS: Mapping[str, np.dtype[Any]] = {
    "UInt8": np.dtype("u1"),
    "Bool": np.dtype("u1"),
    "UInt32": np.dtype("<u4"),
    "UInt64": np.dtype("<u8"),
    "Int64": np.dtype("<i8"),
    "Float64": np.dtype("<f8"),
}
EMPTY = b"\0"


@dataclass(frozen=True)
class Texts:
    """A column of strings: where each one begins in the data, its length before it, and where it ends."""

    data: bytes
    start: Ints
    end: Ints

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """For every string whether it has no bytes."""
        empty: NDArray[np.bool_] = self.end - self.start == 1
        return empty

    def strings(self) -> list[str]:
        """All of them, decoded."""
        bounds = zip(self.start.tolist(), self.end.tolist(), strict=True)
        return [unpacked(self.data[first:last]).decode(errors="replace") for first, last in bounds]

    def packed(self, index: Sequence[int] | Ints) -> list[bytes]:
        """The strings at `index` as they are written: length, then bytes; -1 stands for the empty string."""
        data, start, end = self.data, self.start, self.end
        at = np.asarray(index)
        known = np.maximum(at, 0)
        if not len(start):
            return [EMPTY] * len(at)
        pairs = zip(start[known].tolist(), end[known].tolist(), (at < 0).tolist(), strict=True)
        return [EMPTY if none else data[first:last] for first, last, none in pairs]


@dataclass(frozen=True)
class Lists:
    """A column of arrays of strings: `texts` one after the other, and how many of them come before the end of each array."""

    offsets: Ints
    texts: Texts


def read(data: bytes) -> dict[str, Any]:
    """The columns of all blocks in `data`, by name: arrays (of Nullable: masked arrays), `Texts` or `Lists`."""
    parts: dict[str, list[Any]] = {}
    at = 0
    while at < len(data):
        columns, at = _varint(data, at)
        rows, at = _varint(data, at)
        for _ in range(columns):
            name, at = _name(data, at)
            kind, at = _name(data, at)
            column, at = _column(data, at, kind, rows)
            parts.setdefault(name, []).append(column)
    return {name: _joined(columns) for name, columns in parts.items()}


def write(columns: Sequence[tuple[str, str, bytes]], rows: int) -> bytes:
    """One block of columns (name, type, values as `numbers`, `nullable`, `strings` or `lists` give them)."""
    parts = [varint(len(columns)), varint(rows)]
    for name, kind, values in columns:
        parts += [header(name, kind), values]
    return b"".join(parts)


def numbers(kind: str, values: NDArray[Any]) -> bytes:
    """The values of a column of numbers."""
    return values.astype(NUMBERS[kind], copy=False).tobytes()


def nullable(kind: str, values: NDArray[Any], missing: NDArray[np.bool_]) -> bytes:
    """The values of a column of numbers, some of them NULL."""
    return missing.astype("u1").tobytes() + numbers(kind, np.where(missing, 0, values))


def string(value: bytes) -> bytes:
    """A string as it is written."""
    return varint(len(value)) + value


def unpacked(text: bytes) -> bytes:
    """The bytes of a string that is `packed`."""
    if text[0] < 0x80:
        return text[1:]
    size, at = _varint(text, 0)
    return text[at : at + size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _name(data: bytes, at: int) -> tuple[str, int]:
    size, at = _varint(data, at)
    return data[at : at + size].decode(), at + size


def _column(data: bytes, at: int, kind: str, rows: int) -> tuple[Any, int]:
    if kind == "String":
        return _texts(data, at, rows)
    if kind == "Array(String)":
        offsets = np.frombuffer(data, "<u8", rows, at).astype(np.int64)
        texts, at = _texts(data, at + 8 * rows, int(offsets[-1]) if rows else 0)
        return Lists(offsets, texts), at
    if kind.startswith("Nullable("):
        missing = np.frombuffer(data, "u1", rows, at).astype(bool)
        values, at = _column(data, at + rows, kind[9:-1], rows)
        return np.ma.MaskedArray(values, missing), at
    dtype = NUMBERS[kind]
    return np.frombuffer(data, dtype, rows, at), at + rows * dtype.itemsize


def _texts(data: bytes, at: int, rows: int) -> tuple[Texts, int]:
    bounds = [at]
    if data.count(0, at, at + rows) == rows:  # nothing but empty strings
        all_bounds = np.arange(at, at + rows + 1)
        return Texts(data, all_bounds[:-1], all_bounds[1:]), at + rows
    for _ in range(rows):
        size = data[at]
        if size < 0x80:
            at += size + 1
        else:
            size, at = _varint(data, at)
            at += size
        bounds.append(at)
    found = np.array(bounds, np.int64)
    return Texts(data, found[:-1], found[1:]), at


def _joined(columns: list[Any]) -> Any:
    """A column over several blocks of the same data."""
    if len(columns) == 1:
        return columns[0]
    first = columns[0]
    if isinstance(first, Texts):
        return Texts(
            first.data,
            np.concatenate([column.start for column in columns]),
            np.concatenate([column.end for column in columns]),
        )
    if isinstance(first, Lists):
        before = np.cumsum([0, *(len(column.texts.start) for column in columns)])
        offsets = [column.offsets + start for column, start in zip(columns, before, strict=False)]
        return Lists(np.concatenate(offsets), _joined([column.texts for column in columns]))
    if isinstance(first, np.ma.MaskedArray):
        values = np.concatenate([np.ma.getdata(column) for column in columns])
        return np.ma.MaskedArray(values, np.concatenate([np.ma.getmaskarray(column) for column in columns]))
    return np.concatenate(columns)
