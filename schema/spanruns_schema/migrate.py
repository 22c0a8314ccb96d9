"""Versioned migrations with a ledger, and the repeatable objects above them.

Numbered files in `migrations/` run once, in order, and must never change: the ledger keeps their checksum. Views
(`views/*.sql`) and the mapping's materialized views are repeatable: they are replaced in place when their text changes,
views also when there are new migrations, and a
materialized view is never dropped, so no row that arrives meanwhile is missed. All statements are `IF NOT EXISTS` or
`OR REPLACE`, so two receivers that start at once do no harm.

In the embedded engine the size of a part says how it is packed (`engine.xml`), not its columns, and what others wrote is cut into
small granules (`embedded`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources
from typing import Any, Literal

from spanruns_schema.calls import qualified
from spanruns_schema.dialects import mapping_views
from spanruns_schema.engine import UNKNOWN_DATABASE, UNKNOWN_TABLE
from spanruns_schema.errors import SchemaError, StoreError
from spanruns_schema.store import Store, rows

_CREATED = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)$", re.MULTILINE)
_GRANULE_BYTES = {
    **dict.fromkeys(("otel_traces", "otel_logs"), 2**19),
    **dict.fromkeys(("span_facts", "tool_calls_data", "model_calls_data"), 2**20),
}
"""Of tables whose rows are of any size. Smaller ones are more, which merges take longer for, by a fifth with half the size where there
are many columns; and counting, so not for runs, which are counted as a whole."""

LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
ENGINE = ReplacingMergeTree(applied_at) ORDER BY name
"""

Kind = Literal["migration", "mapping", "view"]


class State(StrEnum):
    """What the ledger says of a step."""

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"  # a view with new text: replaced by apply; a migration: an error
    UNKNOWN = "unknown"  # applied by another version, of a migration a newer one


@dataclass(frozen=True)
class Step:
    """One object of the schema: `sql` as it is here, `state` as the store's ledger has it. A view stands `above` the last
    migration: where it says `*` it has the columns that there were when it was made."""

    name: str
    kind: Kind
    sql: str
    state: State = State.PENDING
    above: str = ""

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, and of what it stands above, hex."""
        return hashlib.sha256(f"{self.sql}{self.above}".encode()).hexdigest()

    @property
    def is_wanting(self) -> bool:
        """Whether there is something to do: to apply it, or to upgrade. A view that only another version has hurts nobody."""
        return self.state is not State.APPLIED and (self.state is not State.UNKNOWN or self.kind == "migration")


def steps(*, shared: bool = True) -> list[Step]:
    """Every object this version knows, in the order in which they are applied.

    In a store that is not `shared` nobody but one receiver writes raw rows, and makes their facts: nothing there maps them.
    """
    mapping = mapping_views() if shared else {}
    return [
        *_read("migrations", "migration"),
        *(Step(name, "mapping", sql) for name, sql in mapping.items()),
        *_read("views", "view"),
    ]


def status(store: Store, *, shared: bool = True) -> list[Step]:
    """Every step with its state in this store, objects unknown to this version last."""
    ledger = _ledger(store)
    mine = steps(shared=shared)
    last = max((step.name for step in mine if step.kind == "migration"), default="")
    mine = [replace(step, above=last) if step.kind == "view" else step for step in mine]
    known = [replace(step, state=_state(step, ledger)) for step in mine]
    names = {step.name for step in known}
    unknown = [
        Step(name, "migration" if name[:4].isdigit() else "view", "", State.UNKNOWN)
        for name in sorted(ledger.keys() - names)
    ]
    return known + unknown


def apply(store: Store, *, dry_run: bool = False, shared: bool = True) -> list[Step]:
    """Bring the store to this version's schema; returns the steps that were (with `dry_run`: would be) applied.

    Raises `SchemaError` when the store has migrations that this version does not know, or knows with other text, or raw tables
    whose attributes are no maps.
    """
    found = status(store, shared=shared)
    _refuse(found)
    if shared:
        _refuse_json(store)
    todo = [step for step in found if step.state in (State.PENDING, State.CHANGED)]
    if dry_run:
        return todo
    store.command(LEDGER)
    for step in todo:
        _run(store, step, shared)
        _note(store, step.name, step.checksum)
    if not shared:
        _drop(store, mapping_views().keys() & {step.name for step in found})
    return todo


def _drop(store: Store, views: Iterable[str]) -> None:
    """Drop the mapping's views, which a store that was shared before has."""
    for name in sorted(views):
        store.command(f"DROP VIEW IF EXISTS {name} SYNC")
        _note(store, name, "")


def _note(store: Store, name: str, checksum: str) -> None:
    store.command(
        "INSERT INTO schema_migrations (name, checksum) SELECT {name:String}, {checksum:String}",
        {"name": name, "checksum": checksum},
    )


def _refuse(found: Iterable[Step]) -> None:
    for step in found:
        if step.state is State.UNKNOWN and step.kind == "migration":
            raise SchemaError(
                f"the store has migration {step.name}, which this version does not know: upgrade spanruns"
            )
        if step.state is State.CHANGED and step.kind == "migration":
            raise SchemaError(
                f"migration {step.name} was applied with other text: migrations must not change; add a new one"
            )


def _refuse_json(store: Store) -> None:
    found = _there(
        store,
        "SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() "
        "AND table IN ('otel_traces', 'otel_logs') AND name LIKE '%Attributes' AND type LIKE '%JSON%' ORDER BY table",
    )
    if found:
        raise SchemaError(
            f"{' and '.join(row['table'] for row in found)} in {store.database}: attributes are JSON columns, as the Collector's exporter "
            "makes them with `json: true`; that is not supported: have it write maps (`json: false`), into a database without these tables"
        )


def _run(store: Store, step: Step, shared: bool) -> None:
    if step.kind == "mapping" and step.state is State.CHANGED:
        query = step.sql.partition(" AS\n")[2]
        store.command(f"ALTER TABLE {step.name} MODIFY QUERY {query}")
    elif step.kind == "view":
        store.command(qualified(step.sql, store.database))
    else:
        store.command(step.sql if shared else embedded(step.sql))


def embedded(sql: str) -> str:
    """The statement for the embedded engine, which chooses itself how a part is packed, and has little memory for merges: they hold a
    granule of each part, so those of rows that have contents of any size are smaller than by default."""
    sql = sql.replace("ZSTD(1)", "Default")
    created = _CREATED.search(sql)
    if created and (granule_bytes := _GRANULE_BYTES.get(created[1])):
        return sql.replace("SETTINGS ", f"SETTINGS index_granularity_bytes = {granule_bytes}, ", 1)
    return sql


def _state(step: Step, ledger: dict[str, str]) -> State:
    if step.name not in ledger:
        return State.PENDING
    return State.APPLIED if ledger[step.name] == step.checksum else State.CHANGED


def _ledger(store: Store) -> dict[str, str]:
    found = _there(
        store, "SELECT name, argMax(checksum, applied_at) AS sum FROM schema_migrations GROUP BY name HAVING sum != ''"
    )
    return {row["name"]: row["sum"] for row in found}


def _there(store: Store, sql: str) -> list[dict[str, Any]]:
    """The rows of a store that may have no ledger yet, or may not be there itself."""
    try:
        return rows(store, sql)
    except StoreError as error:
        if error.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE):
            return []
        raise


def _read(folder: str, kind: Kind) -> list[Step]:
    files = resources.files("spanruns_schema").joinpath(folder).iterdir()
    return [
        Step(file.name.removesuffix(".sql"), kind, file.read_text())
        for file in sorted(files, key=lambda file: file.name)
        if file.name.endswith(".sql")
    ]
