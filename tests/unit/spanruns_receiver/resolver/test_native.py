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
from spanruns_receiver.resolver.table import Labels, Texts, string, unpacked
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

KINDS = {
    "n": "UInt64",
    "known": "Nullable(Float64)",
    "text": "String",
    "label": "LowCardinality(String)",
    "tags": "Array(LowCardinality(String))",
    "is_on": "Bool",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store with a table of every kind of column."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    structure = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    store.command(f"CREATE TABLE told (place UInt64, {structure}) ENGINE = Memory")
    yield store
    store.close()


SENT = {"tags": "Array(String)"}
"""Where a block has another type than the table."""

TEXTS = st.text(max_size=300).map(str.encode)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**64 - 1),
        st.none() | st.floats(allow_nan=False),
        TEXTS,
        TEXTS,
        st.lists(TEXTS, max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


def block(table: list[tuple[Any, ...]]) -> bytes:
    """The rows as one block."""
    n, known, text, label, tags, is_on = zip(*table, strict=True)
    missing = np.array([value is None for value in known], bool)
    lists = np.cumsum([len(value) for value in tags], dtype=np.int64)
    values = {
        "n": native.numbers("UInt64", np.array(n, np.uint64)),
        "known": native.nullable("Float64", np.array([value or 0.0 for value in known], np.float64), missing),
        "text": Texts.of(list(map(string, text))).encoded(),
        "label": native.words("label", Labels.of(list(map(string, label))))[2],
        "tags": lists.tobytes() + b"".join(string(tag) for value in tags for tag in value),
        "is_on": native.numbers("Bool", np.array(is_on, bool)),
    }
    columns = [("place", "UInt64", native.numbers("UInt64", np.arange(len(table), dtype=np.uint64)))]
    return native.write(
        [*columns, *((name, SENT.get(name, kind), values[name]) for name, kind in KINDS.items())], len(table)
    )


def texts(column: Texts | Labels) -> list[bytes]:
    """Every string of a column."""
    return [unpacked(text) for text in column.packed(range(len(column)))]


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 7))
def test_what_is_written_is_read_again(store: EmbeddedStore, table: list[tuple[Any, ...]], block_rows: int) -> None:
    """The engine takes a block as it was meant, and what it answers, in however many blocks, is read as it was."""
    store.command("TRUNCATE TABLE told")
    store.insert("told", ["place", *KINDS], block(table))
    assert rows(store, "SELECT count() AS n FROM told") == [{"n": len(table)}]
    found = native.read(store.query("SELECT * FROM told ORDER BY place", settings={"max_block_size": block_rows}))
    tags = found["tags"]
    bounds = [0, *tags.offsets.tolist()]
    flat = texts(tags.texts)
    read = zip(
        found["n"].tolist(),
        found["known"].tolist(),
        texts(found["text"]),
        texts(found["label"]),
        [flat[start:end] for start, end in pairwise(bounds)],
        found["is_on"].astype(bool).tolist(),
        strict=True,
    )
    assert list(read) == table


def test_an_answer_without_rows(store: EmbeddedStore) -> None:
    """The engine sends nothing, and that is a table without rows."""
    assert not native.read(store.query("SELECT * FROM told WHERE 0"))
