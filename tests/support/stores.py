"""A store that keeps what it is given, and fails when it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spanruns_schema.store import Parameters, Settings


@dataclass(frozen=True)
class Insert:
    """One insert as it arrived: `names` are the numbered items ("span 7.") found in the block."""

    table: str
    token: str
    names: frozenset[str]
    settings: tuple[tuple[str, str | int | float], ...] = ()


@dataclass
class KeepingStore:
    """Takes inserts, each token once, as ClickHouse does. `fail` may raise instead of taking one."""

    fail: Callable[[Insert], None] = lambda insert: None
    database: str = "spanruns"
    attempts: list[Insert] = field(default_factory=list)
    taken: dict[str, Insert] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    columns_are_there: bool = True

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        block: bytes,
        *,
        format: str = "Native",
        token: str = "",
        settings: Settings | None = None,
    ) -> None:
        """Take the block, unless its token was taken before."""
        names = frozenset(name.decode() for name in re.findall(rb"(?:span|record) \d+\.", block))
        insert = Insert(table, token, names, tuple((settings or {}).items()))
        with self.changed:
            self.attempts.append(insert)
            self.changed.notify_all()
        self.fail(insert)
        with self.changed:
            self.taken.setdefault(token, insert)
            self.changed.notify_all()

    def query(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """Answer nothing; fail where columns are missing."""
        if not self.columns_are_there:
            raise KeyError("no such column")
        return b""

    def query_readonly(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """Answer nothing."""
        return b""

    def command(self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        """Return when `condition` holds; it is asked again at every insert."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s)

    def names(self, table: str) -> list[str]:
        """Every item that is in `table`, as often as it is there."""
        return sorted(name for insert in self.taken.values() if insert.table == table for name in insert.names)
