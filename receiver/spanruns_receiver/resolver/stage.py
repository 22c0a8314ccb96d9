"""The resolver's tables in memory: the facts of one pass, read once, and what was decided of their calls."""

from __future__ import annotations

import secrets
from types import TracebackType

from spanruns_schema.resolving import FACT_COLUMNS
from spanruns_schema.store import Store

from spanruns_receiver.pricing import PriceBook
from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import TOKENS

PREFIX = "resolver_stage_"

_CALL = {"span_key": "UInt64", "status": "UInt8"}
_OF_RUN = dict.fromkeys(("run_id", "root_run_id", "agent_name", "workspace"), "String")
STAGES = {
    "tool_calls": _CALL | _OF_RUN | {"error_type": "String", "error_message": "String"},
    "model_calls": _CALL | _OF_RUN | dict.fromkeys(TOKENS, "UInt64") | {"cost_usd": "Float64", "cost_source": "UInt8"},
}
"""Name and type of every column of the tables."""


class Stage:
    """Three Memory tables of one resolver (`facts`, `tool_calls`, `model_calls`), emptied after every pass, dropped at close;
    and its prices."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.prices = PriceBook(store)
        token = secrets.token_hex(4)
        self.tables = {name: f"{PREFIX}{token}_{name}" for name in ("facts", *STAGES)}
        store.command(
            f"CREATE TABLE {self.tables['facts']} ENGINE = Memory AS SELECT {FACT_COLUMNS} FROM span_facts LIMIT 0"
        )
        for name, columns in STAGES.items():
            structure = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            store.command(f"CREATE TABLE {self.tables[name]} ({structure}) ENGINE = Memory")

    def fill(self, name: str, values: dict[str, bytes], rows: int) -> None:
        """Put rows into one of the tables: the values of every column as `native` packs them."""
        kinds = STAGES[name]
        block = native.write([(column, kind, values[column]) for column, kind in kinds.items()], rows)
        self._store.insert(self.tables[name], list(kinds), block)

    def clear(self, *names: str) -> None:
        """Empty tables."""
        for name in names:
            self._store.command(f"TRUNCATE TABLE {self.tables[name]}")

    def close(self) -> None:
        """Drop every table."""
        for table in self.tables.values():
            self._store.command(f"DROP TABLE IF EXISTS {table} SYNC")

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
