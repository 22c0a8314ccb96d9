"""The embedded store's own life: opening, closing, opening again."""

from __future__ import annotations

from pathlib import Path

import pytest
from spanruns_schema.embedded import ENGINE_SETTINGS
from spanruns_schema.errors import ConfigError, StoreUnavailable
from spanruns_schema.store import open_store, rows


def test_a_closed_embedded_store_refuses(directory: Path) -> None:
    """After close every call fails as unavailable; the directory can be opened again with what it holds."""
    store = open_store(str(directory))
    store.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
    store.insert("kept", ["a"], b"7", format="CSV")
    store.close()
    store.close()
    for call in (store.query, store.query_readonly, store.command):
        with pytest.raises(StoreUnavailable):
            call("SELECT 1")
    again = open_store(f"chdb://{directory}", create=False)
    assert rows(again, "SELECT a FROM kept") == [{"a": 7}]
    again.close()


def test_a_missing_embedded_store_is_not_made(directory: Path) -> None:
    """Without `create` a directory that is not there is an error that says what to do."""
    with pytest.raises(ConfigError, match="spanruns up"):
        open_store(str(directory), create=False)
    assert not directory.exists()


def test_the_engine_runs_with_small_caches(directory: Path) -> None:
    """The engine takes every one of our settings, none is unknown to it."""
    store = open_store(str(directory))
    changed = rows(
        store,
        "SELECT name, value FROM system.server_settings WHERE name IN {names:Array(String)}",
        {"names": [*ENGINE_SETTINGS]},
    )
    assert {row["name"]: float(row["value"]) for row in changed} == ENGINE_SETTINGS
    store.close()
