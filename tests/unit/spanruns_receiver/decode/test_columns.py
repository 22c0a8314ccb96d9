"""The columns of blocks against the tables they are for."""

from __future__ import annotations

import pytest
from spanruns_receiver.decode.columns import TABLES, names
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows


@pytest.mark.parametrize("table", TABLES)
def test_the_table_has_these_columns_with_these_types(store: EmbeddedStore, table: str) -> None:
    """Every column exists under its name and with its type, so that nothing is converted on insert."""
    described = rows(store, "SELECT name, type FROM system.columns WHERE table = {table:String}", {"table": table})
    there = {row["name"]: row["type"] for row in described}

    assert {name: there.get(name) for name in names(table)} == dict(TABLES[table])


@pytest.mark.parametrize("table", TABLES)
def test_the_table_has_no_other_column_that_needs_a_value(store: EmbeddedStore, table: str) -> None:
    """What a table has beyond these columns, ClickHouse computes."""
    described = rows(
        store,
        "SELECT name FROM system.columns WHERE table = {table:String} AND default_kind = ''",
        {"table": table},
    )

    assert {row["name"] for row in described} <= set(names(table))
