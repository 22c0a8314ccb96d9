"""ClickHouse's `Native` format: one block, column after column, written from Python values.

Layout (revision 0, as over HTTP and in chdb): number of columns and rows as varints, then for each column
its name and type as length-prefixed strings and its values. A `LowCardinality` column has its version in
front of everything else of the column, then, unless empty, a dictionary in order of first appearance and
indexes of the narrowest width.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

from spanruns_receiver.decode.columns import Column

_CODES = {
    "UInt8": "B",
    "Bool": "B",
    "UInt32": "I",
    "Int32": "i",
    "UInt64": "Q",
    "Int64": "q",
    "Float64": "d",
    "DateTime64(6)": "q",
    "DateTime64(9)": "q",
}
_LABEL = "LowCardinality(String)"
LABEL_VERSION = (1).to_bytes(8, "little")
# Additional keys follow, and they are all there is: no dictionary is shared between blocks.
LABEL_FLAGS = 0x600


def encode(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bytes:
    """One block of `rows`: strings are `bytes`, times unix ns (`DateTime64(6)`: µs), maps sequences of (key, value)."""
    parts = [varint(len(columns)), varint(len(rows))]
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(columns)
    for (name, kind), column in zip(columns, values, strict=True):
        parts.append(header(name, kind))
        if _LABEL in kind:
            parts.append(LABEL_VERSION)
        parts.append(_column(kind, column))
    return b"".join(parts)


def header(name: str, kind: str) -> bytes:
    """What stands before the values of the column `name` of type `kind`."""
    return _string(name.encode()) + _string(kind.encode())


def varint(value: int) -> bytes:
    """`value` in ClickHouse's variable-length form: 7 bits a byte, lowest first."""
    if value < 0x80:
        return _SMALL[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [bytes((value,)) for value in range(0x80)]


def _column(kind: str, values: Sequence[Any]) -> bytes:
    if kind == "String":
        return b"".join(map(_string, values))
    if kind == _LABEL:
        return _labels(values)
    if kind.startswith("Nullable("):
        missing = bytes(value is None for value in values)
        return missing + _column(kind[9:-1], [0 if value is None else value for value in values])
    if kind.startswith("Array("):
        return _offsets(values) + _column(kind[6:-1], list(chain.from_iterable(values)))
    if kind.startswith("Map("):
        key_kind, _, value_kind = kind[4:-1].partition(", ")
        pairs = list(chain.from_iterable(values))
        return b"".join(
            (
                _offsets(values),
                _column(key_kind, [key for key, _ in pairs]),
                _column(value_kind, [value for _, value in pairs]),
            )
        )
    return _numbers(_CODES[kind], values)


def _string(value: bytes) -> bytes:
    return varint(len(value)) + value


def _numbers(code: str, values: Iterable[Any]) -> bytes:
    numbers = array(code, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _offsets(values: Sequence[Sequence[Any]]) -> bytes:
    return _numbers("Q", accumulate(map(len, values)))


def _labels(values: Sequence[bytes]) -> bytes:
    if not values:
        return b""
    index: dict[bytes, int] = {}
    indexes = [index.setdefault(value, len(index)) for value in values]
    width = 0 if len(index) <= 0x100 else 1 if len(index) <= 0x10000 else 2
    return b"".join(
        (
            _numbers("Q", (LABEL_FLAGS | width, len(index))),
            *map(_string, index),
            _numbers("Q", (len(values),)),
            _numbers("BHI"[width], indexes),
        )
    )
