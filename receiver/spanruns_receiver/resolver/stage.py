"""The resolver's tables in memory: what one pass hands from numpy to ClickHouse."""

from __future__ import annotations

import secrets
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from spanruns_schema.store import Store

from spanruns_receiver.pricing import PriceBook
from spanruns_receiver.resolver.columns import STAGES

PREFIX = "resolver_stage_"


class Stage:
    """Four Memory tables of one resolver (`runs`, `members`, `calls`, `rows`), emptied after every pass, dropped at close."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.prices = PriceBook(store)
        token = secrets.token_hex(4)
        self.tables = {name: f"{PREFIX}{token}_{name}" for name in (*STAGES, "rows")}
        for name, structure in STAGES.items():
            store.command(f"CREATE TABLE {self.tables[name]} ({structure}) ENGINE = Memory")
        store.command(
            f"CREATE TABLE {self.tables['rows']} ENGINE = Memory AS SELECT "
            "toUInt64(0) AS run_key, toUInt64(0) AS parent_run_key, toUInt64(0) AS root_run_key, * FROM runs_data LIMIT 0"
        )

    def fill(self, name: str, rows: NDArray[np.void]) -> None:
        """Put rows into one of the tables."""
        if len(rows):
            columns = list(rows.dtype.names or ())
            self._store.insert(self.tables[name], columns, rows.tobytes(), format="RowBinary")

    def clear(self) -> None:
        """Empty every table."""
        for table in self.tables.values():
            self._store.command(f"TRUNCATE TABLE {table}")

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
