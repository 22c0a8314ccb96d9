"""Beside a Collector that writes into ClickHouse itself: its own tables and spellings, our schema on top, no receiver of ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_receiver.decode import decode
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import SchemaError
from spanruns_schema.store import open_store, rows

from tests.support.beside import begun, captures, everything, received, resolving, settled, spanruns
from tests.support.clickhouse_http import clickhouse_http
from tests.support.collector import CURRENT, OLDER, Exporter


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store without any schema."""
    store = EmbeddedStore(tmp_path / "empty")
    yield store
    store.close()


@pytest.mark.parametrize(
    "exporter", [CURRENT, pytest.param(OLDER, marks=pytest.mark.slow)], ids=lambda exporter: exporter.name
)
@pytest.mark.timeout(480)
def test_the_same_runs_without_a_receiver(exporter: Exporter, tmp_path: Path) -> None:
    """Rows from before the schema by a backfill, rows from after it by the resolver, which nobody tells of them: both as through
    a receiver of ours; a run that has only begun is seen from its lifecycle record, where the exporter stores its name."""
    now_ns = time.time_ns()
    old, old_traces = captures("before", now_ns - 3600 * 10**9)
    new, new_traces = captures("after", now_ns)
    live = begun(now_ns)
    whole = {
        name: ids for name, ids in (old_traces | new_traces).items() if exporter.stores_whole(name.partition(" ")[2])
    }
    with clickhouse_http(tmp_path / "server") as server:
        url = server.url.replace("/spanruns", "/otel")
        exporter.create_schema(url)
        exporter.export(url, *old)
        assert spanruns("schema", "apply", "--store", url).endswith("the schema is up to date\n")
        with resolving(url, tmp_path):
            exporter.export(url, *new)
            exporter.export(url, live)
            assert "rebuilt" in spanruns("schema", "backfill", "--from", "1d", "--store", url)
            store = open_store(url, create=False)
            found = settled(store, whole, live=not exporter.is_old)
        assert found == everything(store)
        store.close()
    with received(tmp_path / "store", [exporter.stored(one) for one in (*old, *new, live)]) as ours:
        assert found == everything(ours)


def test_a_repeated_insert_into_its_tables_is_stored_once(empty: EmbeddedStore) -> None:
    """A receiver that is put beside a Collector can repeat its inserts after a crash, as in tables of our own."""
    for statement in CURRENT.statements():
        empty.command(statement)
    migrate.apply(empty)
    requests, _ = captures("once", time.time_ns())
    block = decode("traces", [requests[0].SerializeToString()]).blocks["otel_traces"]
    for _ in range(2):
        empty.insert("otel_traces", block.columns, block.native, token="the same")
    assert rows(empty, "SELECT count() AS n FROM otel_traces") == [{"n": block.rows}]


@pytest.mark.parametrize("table", ["otel_traces", "otel_logs"])
def test_json_columns_are_refused(empty: EmbeddedStore, table: str) -> None:
    """Its `json: true` makes columns that the mapping does not read: said before anything is applied."""
    empty.command(f"CREATE TABLE {table} (ResourceAttributes JSON) ORDER BY ()")
    with pytest.raises(SchemaError, match=rf"{table} in {empty.database}: .* `json: true`"):
        migrate.apply(empty)
    assert rows(empty, "SELECT count() AS n FROM system.tables WHERE name = 'runs_data'") == [{"n": 0}]
