"""A store with the raw tables, to hold blocks against the engine that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spanruns_schema
from spanruns_receiver.decode.columns import TABLES
from spanruns_schema.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An embedded store with the raw tables and nothing that reads them."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    migrations = Path(spanruns_schema.__file__).parent / "migrations"
    for table in TABLES:
        store.command(next(migrations.glob(f"*_{table}.sql")).read_text())
        # What these tests insert happened on a fixed day, and is not to expire.
        store.command(f"ALTER TABLE {table} REMOVE TTL")
    yield store
    store.close()
