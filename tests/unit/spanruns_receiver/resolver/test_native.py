"""ClickHouse's Native format, against the engine that defines it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.resolver import native
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

KINDS = {"n": "UInt64", "known": "Nullable(Float64)", "text": "String", "tags": "Array(String)", "is_on": "Bool"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store with a table of every kind of column."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    structure = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    store.command(f"CREATE TABLE told (place UInt64, {structure}) ENGINE = Memory")
    yield store
    store.close()


TEXTS = st.text(max_size=300).map(str.encode)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**64 - 1),
        st.none() | st.floats(allow_nan=False),
        TEXTS,
        st.lists(TEXTS, max_size=3),
        st.booleans(),
    ),
    max_size=20,
)


def block(table: list[tuple[Any, ...]]) -> bytes:
    """The rows as one block."""
    n, known, text, tags, is_on = zip(*table, strict=True) if table else ((),) * 5
    missing = np.array([value is None for value in known], bool)
    lists = np.cumsum([len(value) for value in tags], dtype=np.int64)
    values = {
        "n": native.numbers("UInt64", np.array(n, np.uint64)),
        "known": native.nullable("Float64", np.array([value or 0.0 for value in known], np.float64), missing),
        "text": b"".join(map(native.string, text)),
        "tags": lists.tobytes() + b"".join(native.string(tag) for value in tags for tag in value),
        "is_on": native.numbers("Bool", np.array(is_on, bool)),
    }
    columns = [("place", "UInt64", native.numbers("UInt64", np.arange(len(table), dtype=np.uint64)))]
    return native.write([*columns, *((name, kind, values[name]) for name, kind in KINDS.items())], len(table))


def texts(column: native.Texts) -> list[bytes]:
    """Every string of a column."""
    return [native.unpacked(text) for text in column.packed(range(len(column.start)))]


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 7))
def test_what_is_written_is_read_again(store: EmbeddedStore, table: list[tuple[Any, ...]], block_rows: int) -> None:
    """The engine takes a block as it was meant, and what it answers, in however many blocks, is read as it was."""
    store.command("TRUNCATE TABLE told")
    store.insert("told", ["place", *KINDS], block(table))
    assert rows(store, "SELECT count() AS n FROM told") == [{"n": len(table)}]
    found = native.read(store.query("SELECT * FROM told ORDER BY place", settings={"max_block_size": block_rows}))
    if not table:
        assert not found or not len(found["n"])
        return
    tags = found["tags"]
    bounds = [0, *tags.offsets.tolist()]
    flat = texts(tags.texts)
    read = zip(
        found["n"].tolist(),
        found["known"].tolist(),
        texts(found["text"]),
        [flat[start:end] for start, end in pairwise(bounds)],
        found["is_on"].astype(bool).tolist(),
        strict=True,
    )
    assert list(read) == table


def test_texts_of_nothing() -> None:
    """-1 stands for the empty text, also where a column has no rows; strings are what they were."""
    empty = native.Texts(b"", np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert empty.packed([-1, -1]) == [b"\0", b"\0"]
    long = "é" * 200
    data = native.string(b"") + native.string(long.encode())
    column = native.Texts(data, np.array([0, 1]), np.array([1, len(data)]))
    assert column.packed([1, -1, 0]) == [native.string(long.encode()), b"\0", b"\0"]
    assert column.strings() == ["", long]
    assert column.is_empty.tolist() == [True, False]
