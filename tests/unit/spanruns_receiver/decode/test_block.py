"""Native blocks against the engine that reads them."""

from __future__ import annotations

from typing import Any

import pytest
from spanruns_receiver.decode.block import encode, header, varint
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

ATTRIBUTES = "Map(LowCardinality(String), String)"
CASES: list[tuple[str, list[Any], list[Any]]] = [
    ("String", [b"a", b"", b"x" * 200, b"y" * 20_000], ["a", "", "x" * 200, "y" * 20_000]),
    ("String", [b"a\n\nb; SELECT 1", "Zürich 🚀".encode()], ["a\n\nb; SELECT 1", "Zürich 🚀"]),
    ("LowCardinality(String)", [b"a", b"b", b"a", b""], ["a", "b", "a", ""]),
    ("LowCardinality(String)", [b"only"], ["only"]),
    ("UInt8", [0, 255], [0, 255]),
    ("UInt32", [0, 2**32 - 1], [0, 2**32 - 1]),
    ("Int32", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    ("UInt64", [0, 2**64 - 1], [0, 2**64 - 1]),
    ("Float64", [0.1, -2.5], [0.1, -2.5]),
    ("Bool", [True, False], [True, False]),
    ("DateTime64(9)", [0, 10**18 + 1], ["1970-01-01 00:00:00.000000000", "2001-09-09 01:46:40.000000001"]),
    ("Array(UInt64)", [[1, 2], [], [3]], [[1, 2], [], [3]]),
    ("Array(LowCardinality(String))", [[], [b"q"], []], [[], ["q"], []]),
    ("Array(LowCardinality(String))", [[], []], [[], []]),
    (ATTRIBUTES, [[(b"k", b"v"), (b"l", b"")], [], [(b"k", b"3")]], [{"k": "v", "l": ""}, {}, {"k": "3"}]),
    (f"Array({ATTRIBUTES})", [[[(b"k", b"v")], []], [], [[]]], [[{"k": "v"}, {}], [], [{}]]),
    (f"Array({ATTRIBUTES})", [[], []], [[], []]),
]


@pytest.mark.parametrize(("kind", "values", "expected"), CASES, ids=[f"{i} {c[0]}" for i, c in enumerate(CASES)])
def test_values_of_every_type_come_out_as_they_went_in(
    store: EmbeddedStore, kind: str, values: list[Any], expected: list[Any]
) -> None:
    """The engine reads from a block what was written into it, for every type that a column has."""
    store.command(f"CREATE OR REPLACE TABLE one (position UInt64, value {kind}) ENGINE = MergeTree ORDER BY position")

    block = encode([("position", "UInt64"), ("value", kind)], list(enumerate(values)))
    store.insert("one", ["position", "value"], block)

    assert [row["value"] for row in rows(store, "SELECT value FROM one ORDER BY position")] == expected


@pytest.mark.parametrize("distinct", [256, 257, 65_536, 65_537])
def test_labels_of_every_width_come_out_as_they_went_in(store: EmbeddedStore, distinct: int) -> None:
    """A dictionary may have more entries than one byte, or two, can number."""
    labels = [b"%d" % number for number in range(distinct)]
    store.command("CREATE OR REPLACE TABLE labels (value LowCardinality(String)) ENGINE = MergeTree ORDER BY ()")

    store.insert("labels", ["value"], encode([("value", "LowCardinality(String)")], [(label,) for label in labels]))

    assert rows(store, "SELECT count() AS n, sum(toUInt64(value)) AS total FROM labels") == [
        {"n": distinct, "total": sum(range(distinct))}
    ]


def test_a_block_without_rows_has_its_columns() -> None:
    """A block of no rows is its header, its columns and nothing else."""
    assert encode([("a", "String"), ("b", "UInt8")], []) == b"\x02\x00" + header("a", "String") + header("b", "UInt8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"), (2**64 - 1, b"\xff" * 9 + b"\1")],
)
def test_varints_have_seven_bits_a_byte(value: int, expected: bytes) -> None:
    """Lowest bits first, the highest bit of a byte says that another follows."""
    assert varint(value) == expected
