"""A store with the raw tables, to hold blocks against the engine that takes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.migrate import steps


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An embedded store with the raw tables and nothing that reads them."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    for step in steps():
        if step.kind == "migration" and "otel_" in step.name and "trace_id_ts" not in step.name:
            store.command(step.sql)
            # What these tests insert happened on a fixed day, and is not to expire.
            store.command(f"ALTER TABLE {step.name.partition('_')[2].removesuffix('.sql')} REMOVE TTL")
    yield store
    store.close()
