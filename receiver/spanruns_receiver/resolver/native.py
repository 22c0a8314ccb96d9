"""ClickHouse's `Native` format, column by column: read to arrays, written from them.

Layout (revision 0, as over HTTP and in chdb): per block the number of columns and rows as varints, then for each column its
name and type as length-prefixed strings and its values. A `LowCardinality` column has its version in front of everything else of
the column, then, unless empty, its different strings and for each row which of them it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spanruns_receiver.decode.block import LABEL_FLAGS, LABEL_VERSION, header, varint
from spanruns_receiver.resolver.table import Labels, Lists, Table, Texts, joined, put_together, read_varint

NUMBERS: Mapping[str, np.dtype[Any]] = {
    "UInt8": np.dtype("u1"),
    "Bool": np.dtype("u1"),
    "UInt32": np.dtype("<u4"),
    "UInt64": np.dtype("<u8"),
    "Int64": np.dtype("<i8"),
    "Float64": np.dtype("<f8"),
}
Block = list[tuple[str, str, bytes | Texts]]
"""Columns to be written: name, type, values as `numbers`, `nullable` and `words` give them."""

LABEL = "LowCardinality(String)"
_CODES = (np.dtype("u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))


def read(data: bytes) -> Table:
    """The columns of all blocks in `data`: arrays (of Nullable: masked arrays), `Texts`, `Labels` or `Lists`; times as integers,
    in the unit of their type. The engine sends no block, so no columns either, where there are no rows."""
    parts: dict[str, list[Any]] = {}
    at = total = 0
    while at < len(data):
        columns, at = read_varint(data, at)
        rows, at = read_varint(data, at)
        total += rows
        for _ in range(columns):
            name, at = _name(data, at)
            kind, at = _name(data, at)
            column, at = _column(data, at + _prefix(kind), kind, rows)
            parts.setdefault(name, []).append(column)
    return Table.of({name: joined(columns) for name, columns in parts.items()}, total)


def write(columns: Block, rows: int) -> bytes:
    """One block of columns, with at least one row."""
    parts: list[bytes | Texts] = [varint(len(columns)), varint(rows)]
    for name, kind, values in columns:
        parts += [header(name, kind), values]
    return put_together(parts)


def numbers(kind: str, values: NDArray[Any]) -> bytes:
    """The values of a column of numbers."""
    return values.astype(NUMBERS[kind], copy=False).tobytes()


def nullable(kind: str, values: NDArray[Any], missing: NDArray[np.bool_]) -> bytes:
    """The values of a column of numbers, some of them NULL."""
    return missing.astype("u1").tobytes() + numbers(kind, np.where(missing, 0, values))


def words(name: str, column: Texts | Labels) -> tuple[str, str, bytes | Texts]:
    """A column of strings, for `write`."""
    return (name, LABEL, _label_values(column)) if isinstance(column, Labels) else (name, "String", column)


def _label_values(column: Labels) -> bytes:
    count = len(column.texts)
    width = 0 if count <= 0x100 else 1 if count <= 0x10000 else 2
    sizes = np.array([LABEL_FLAGS | width, count], "<u8").tobytes()
    codes = column.codes.astype(_CODES[width]).tobytes()
    return b"".join((LABEL_VERSION, sizes, column.texts.encoded(), len(column).to_bytes(8, "little"), codes))


def _prefix(kind: str) -> int:
    return len(LABEL_VERSION) if LABEL in kind else 0


def _name(data: bytes, at: int) -> tuple[str, int]:
    size, at = read_varint(data, at)
    return data[at : at + size].decode(), at + size


def _column(data: bytes, at: int, kind: str, rows: int) -> tuple[Any, int]:
    if kind == "String":
        texts = Texts.read(data, at, rows)
        return texts, int(texts.end[-1]) if rows else at
    if kind == LABEL:
        return _labels(data, at, rows)
    if kind.startswith("Array("):
        offsets = np.frombuffer(data, "<u8", rows, at).astype(np.int64)
        items, at = _column(data, at + 8 * rows, kind[6:-1], int(offsets[-1]) if rows else 0)
        return Lists(offsets, items), at
    if kind.startswith("Nullable("):
        missing = np.frombuffer(data, "u1", rows, at).astype(bool)
        values, at = _column(data, at + rows, kind[9:-1], rows)
        return np.ma.MaskedArray(values, missing), at
    dtype = NUMBERS["Int64" if kind.startswith("DateTime64(") else kind]
    return np.frombuffer(data, dtype, rows, at), at + rows * dtype.itemsize


def _labels(data: bytes, at: int, rows: int) -> tuple[Labels, int]:
    if not rows:
        return Labels.of([]), at
    flags, count = np.frombuffer(data, "<u8", 2, at).tolist()
    each = Texts.read(data, at + 16, count)
    at = int(each.end[-1]) + 8  # the number of rows again
    dtype = _CODES[flags & 0xFF]
    return Labels(each, np.frombuffer(data, dtype, rows, at)), at + rows * dtype.itemsize
