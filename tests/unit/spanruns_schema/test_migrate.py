"""Migrations: the ledger, what it refuses, what it replaces in place."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spanruns_schema import migrate
from spanruns_schema.dialects import mapping_views
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import SchemaError
from spanruns_schema.migrate import State, Step
from spanruns_schema.store import open_store, rows

from tests.support.clickhouse_http import clickhouse_http

TWO = [
    Step("0001_things", "migration", "CREATE TABLE IF NOT EXISTS things (a UInt8) ENGINE = MergeTree ORDER BY a"),
    Step("all_things", "view", "CREATE OR REPLACE VIEW all_things AS SELECT a FROM things"),
]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store without any schema."""
    store = EmbeddedStore(tmp_path / "store")
    yield store
    store.close()


def _names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def _states(store: EmbeddedStore) -> dict[str, State]:
    return {step.name: step.state for step in migrate.status(store)}


def test_apply_runs_everything_once(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run changes nothing, the first apply does it all, the second finds nothing to do."""
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO)
    assert _names(migrate.apply(empty, dry_run=True)) == ["0001_things", "all_things"]
    assert _states(empty) == {"0001_things": State.PENDING, "all_things": State.PENDING}
    assert _names(migrate.apply(empty)) == ["0001_things", "all_things"]
    assert migrate.apply(empty) == []
    assert _states(empty) == {"0001_things": State.APPLIED, "all_things": State.APPLIED}


def test_a_view_has_the_columns_that_a_new_migration_adds(
    empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view of all columns is made again, though its text is the same, also when the migration was applied by itself before."""
    view = Step("all_things", "view", "CREATE OR REPLACE VIEW all_things AS SELECT * FROM things")
    more = Step("0002_more", "migration", "ALTER TABLE things ADD COLUMN IF NOT EXISTS b UInt8 DEFAULT 7")
    monkeypatch.setattr(migrate, "steps", lambda **_: [TWO[0], view])
    migrate.apply(empty)
    empty.command("INSERT INTO things (a) VALUES (3)")
    monkeypatch.setattr(migrate, "steps", lambda **_: [TWO[0], more])
    migrate.apply(empty)
    monkeypatch.setattr(migrate, "steps", lambda **_: [TWO[0], more, view])
    assert _names(migrate.apply(empty)) == ["all_things"]
    assert rows(empty, "SELECT * FROM all_things") == [{"a": 3, "b": 7}]
    assert migrate.apply(empty) == []


def test_a_changed_view_is_replaced(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view with new text is applied again; its table stays."""
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO)
    migrate.apply(empty)
    empty.command("INSERT INTO things VALUES (3)")
    doubled = Step("all_things", "view", "CREATE OR REPLACE VIEW all_things AS SELECT a * 2 AS a FROM things")
    monkeypatch.setattr(migrate, "steps", lambda **_: [TWO[0], doubled])
    assert _states(empty)["all_things"] is State.CHANGED
    assert _names(migrate.apply(empty)) == ["all_things"]
    assert rows(empty, "SELECT a FROM all_things") == [{"a": 6}]


def test_a_changed_migration_is_refused(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration whose text is not the one that was applied stops everything."""
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO)
    migrate.apply(empty)
    monkeypatch.setattr(migrate, "steps", lambda **_: [Step("0001_things", "migration", "SELECT 1"), TWO[1]])
    with pytest.raises(SchemaError, match="0001_things was applied with other text"):
        migrate.apply(empty)


def test_an_unknown_migration_is_refused(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that a newer version has migrated is not touched."""
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO)
    migrate.apply(empty)
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO[1:])
    with pytest.raises(SchemaError, match="does not know: upgrade"):
        migrate.apply(empty)


def test_a_view_of_another_version_asks_for_nothing(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that this version no longer has stays unknown, which no apply could change; a migration would want an upgrade."""
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO)
    migrate.apply(empty)
    monkeypatch.setattr(migrate, "steps", lambda **_: TWO[:1])
    assert [(step.name, step.state, step.is_wanting) for step in migrate.status(empty)] == [
        ("0001_things", State.APPLIED, False),
        ("all_things", State.UNKNOWN, False),
    ]
    monkeypatch.setattr(migrate, "steps", lambda **_: [])
    assert [step.is_wanting for step in migrate.status(empty)] == [True, False]


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """Who only looks makes none: everything is still to be done."""
    with clickhouse_http(tmp_path) as server:
        url = server.url.replace("/spanruns", "/elsewhere")
        store = open_store(url, create=False)
        assert migrate.apply(store, dry_run=True) == migrate.status(store) != []
        store.close()
        there = open_store(server.url)
        assert rows(there, "SELECT count() AS n FROM system.databases WHERE name = 'elsewhere'") == [{"n": 0}]
        there.close()


def test_a_mapping_view_is_modified_in_place(empty: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A materialized view with new text is altered, never dropped: what it wrote before stays beside what it writes now."""
    copy = "CREATE TABLE IF NOT EXISTS copies (a UInt8) ENGINE = MergeTree ORDER BY a"

    def mapping(select: str) -> list[Step]:
        text = f"CREATE MATERIALIZED VIEW IF NOT EXISTS copy_mv TO copies AS\n{select}"
        return [TWO[0], Step("0002_copies", "migration", copy), Step("copy_mv", "mapping", text)]

    monkeypatch.setattr(migrate, "steps", lambda **_: mapping("SELECT a FROM things"))
    migrate.apply(empty)
    empty.command("INSERT INTO things VALUES (1)")
    monkeypatch.setattr(migrate, "steps", lambda **_: mapping("SELECT a + 10 AS a FROM things"))
    migrate.apply(empty)
    empty.command("INSERT INTO things VALUES (2)")
    assert rows(empty, "SELECT a FROM copies ORDER BY a") == [{"a": 1}, {"a": 12}]


def test_several_may_apply_at_once(empty: EmbeddedStore) -> None:
    """Receivers that start together leave one complete schema."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: migrate.apply(empty), range(3)))
    assert set(_states(empty).values()) == {State.APPLIED}


def test_views_fit_what_clickhouse_keeps(empty: EmbeddedStore, tmp_path: Path) -> None:
    """A view is kept as a statement, which has a limit (`max_query_size`, a server's default): there is room for more dialects."""
    migrate.apply(empty)
    views = rows(
        empty, "SELECT metadata_path AS path FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_mv'"
    )
    sizes = [(tmp_path / "store" / view["path"]).stat().st_size for view in views]
    assert len(sizes) >= 3
    assert max(sizes) < 250_000


def test_store_of_one_writer_has_no_views_on_its_raw_tables(empty: EmbeddedStore) -> None:
    """A store that others no longer write to loses them, and gets them back; each time everything is applied."""
    mapping = {"span_facts_mv", "event_facts_mv", "content_facts_mv"}

    def on_facts() -> set[str]:
        found = rows(
            empty,
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView' "
            "AND as_select LIKE '%SpanAttributes%' OR as_select LIKE '%LogAttributes%'",
        )
        return {row["name"] for row in found}

    migrate.apply(empty)
    assert on_facts() == mapping
    migrate.apply(empty, shared=False)
    assert on_facts() == set()
    assert migrate.apply(empty, shared=False) == []
    assert {step.state for step in migrate.status(empty, shared=False)} == {State.APPLIED}
    assert mapping <= set(_names(migrate.apply(empty)))
    assert on_facts() == mapping


def test_store_with_arrivals_loses_them(empty: EmbeddedStore) -> None:
    """Tables and views through which an earlier version had rows mapped are dropped, and the ledger says so."""
    migrate.apply(empty, shared=False)
    earlier = {
        "otel_logs_arrivals": "CREATE TABLE otel_logs_arrivals AS otel_logs ENGINE = Null",
        "otel_traces_arrivals": "CREATE TABLE otel_traces_arrivals AS otel_traces ENGINE = Null",
        "arrived_span_facts_mv": mapping_views()["span_facts_mv"]
        .replace("span_facts_mv", "arrived_span_facts_mv", 1)
        .replace("FROM otel_traces)", "FROM otel_traces_arrivals)"),
        "arrived_event_facts_mv": mapping_views()["event_facts_mv"]
        .replace("event_facts_mv", "arrived_event_facts_mv", 1)
        .replace("FROM otel_logs WHERE", "FROM otel_logs_arrivals WHERE"),
    }
    for name, sql in earlier.items():
        empty.command(sql)
        empty.command("INSERT INTO schema_migrations (name, checksum) VALUES ({name:String}, 'any')", {"name": name})
    empty.command(
        "ALTER TABLE schema_migrations DELETE WHERE name BETWEEN '0045' AND '0050' SETTINGS mutations_sync = 1"
    )
    left = "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%arriv%'"
    assert len(rows(empty, left)) == len(earlier)
    assert len(migrate.apply(empty, shared=False)) == 5
    assert rows(empty, left) == []
    assert {step.state for step in migrate.status(empty, shared=False)} == {State.APPLIED}


def test_rows_with_contents_of_any_size_have_small_granules(empty: EmbeddedStore) -> None:
    """A granule of long raw rows is half a megabyte in the embedded engine, so that a merge of many parts holds little."""
    migrate.apply(empty, shared=False)
    empty.command(
        "INSERT INTO otel_traces (Timestamp, SpanAttributes) SELECT now(), map('input', repeat('x', 10000)) FROM numbers(1000)"
    )
    (found,) = rows(empty, "SELECT sum(marks) AS marks FROM system.parts WHERE active AND table = 'otel_traces'")
    assert 1000 * 10_000 / 2**19 <= found["marks"] <= 40  # with granules of 10 MiB it would be 2
