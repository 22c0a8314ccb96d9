"""The embedded store: chDB, the ClickHouse engine in this process, one directory, no server.

A chdb connection runs one statement at a time, and after a failed statement it hands leftovers of it to the
next one. So connections come from a pool, and one that has failed is closed instead of given back.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spanruns_schema.engine import error_of, insert_statement, set_statements, with_settings
from spanruns_schema.errors import ConfigError, StoreUnavailable
from spanruns_schema.store import DATABASE, Parameters, Settings, literal

MAX_IDLE_CONNECTIONS = 8

ENGINE_CONFIG = Path(__file__).with_name("engine.xml")
"""What the engine is started with, in the form of a ClickHouse server's configuration."""

_PIPE_BYTES = 1 << 20
"""How much the engine can be given at once, where the system lets one choose."""

ENGINE_ALLOCATOR = "dirty_decay_ms:300,prof:false"
"""Options of the engine's allocator (jemalloc): pages that are free go back within a third of a second instead of five, and nothing is
sampled for a profile that nobody asks for."""


class EmbeddedStore:
    """A `Store` over the chdb engine in `directory` (made if missing). One process may open a directory at a time."""

    def __init__(self, directory: Path, *, create: bool = True, database: str = DATABASE) -> None:
        os.environ.setdefault("JE_MALLOC_CONF", ENGINE_ALLOCATOR)  # it is read when the engine's library is loaded
        try:
            import chdb
        except ImportError as error:
            raise ConfigError(
                'the embedded store needs chdb: pip install "spanruns[embedded]", or set --store clickhouse://…'
            ) from error
        if not create and not directory.exists():
            raise ConfigError(f"no store in {directory}: `spanruns up` and `spanruns schema apply` make one (--data …)")
        directory.mkdir(parents=True, exist_ok=True)
        self.database = database
        self._chdb: Any = chdb
        self._directory = directory
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._closed = False
        # The engine lives as long as one connection does: this one keeps it, and is never used for statements.
        self._keeper = self._open(f"?config-file={ENGINE_CONFIG}")
        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")

    def query(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """The result in ClickHouse's `format`, as bytes."""
        return self._run(with_settings(sql, settings), parameters, format)

    def query_readonly(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """The result of a statement that somebody else wrote; it can neither write nor change `settings`."""
        # A connection of its own, closed afterwards: what is set on it cannot be unset.
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
        connection = self._open()
        try:
            for statement in (f"USE {self.database}", *set_statements(settings), "SET readonly = 1"):
                self._ask(connection, statement, None, "Null")
            return self._ask(connection, sql, _bound(parameters), format)
        finally:
            connection.close()

    def command(self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None) -> None:
        """Run a statement that returns nothing."""
        self._run(with_settings(sql, settings), parameters, "Null")

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
        """Insert one ready block. The same `token` inserts once, however often it is sent."""
        with as_file(block) as file:
            self.command(f"{insert_statement(table, columns, token, settings, file=file)} FORMAT {format}")

    def close(self) -> None:
        """Close every connection, and with the last one the engine."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in [*idle, self._keeper]:
            connection.close()

    def _run(self, statement: str, parameters: Parameters | None, format: str) -> bytes:
        with self._connection() as connection:
            return self._ask(connection, statement, _bound(parameters), format)

    @staticmethod
    def _ask(connection: Any, statement: str, bound: dict[str, str] | None, format: str) -> bytes:
        try:
            result = connection.query(statement, format, params=bound)
        except Exception as error:
            raise error_of(str(error)) from error
        if result.has_error():
            raise error_of(result.error_message())
        return bytes(result.bytes() or b"")

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._open()
            connection.query(f"USE {self.database}")
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if not self._closed and len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self, options: str = "") -> Any:
        try:
            connection = self._chdb.connect(f"{self._directory}{options}")
        except Exception as error:
            raise ConfigError(
                f"cannot open the store in {self._directory} (is another `spanruns up` using it?): {error}"
            ) from error
        connection.query("SET session_timezone = 'UTC'")
        return connection


@contextmanager
def as_file(block: bytes) -> Iterator[str]:
    """The path of a pipe from which `block` can be read, once.

    So inserts get their data. As a part of the statement chdb garbles some of it; and what comes in through its `send_insert` is
    reported as written when the engine has refused it (too many partitions, no space), as of chdb 4.4. A file in memory would need new
    pages for every block, which cost a fifth of the insert.
    """
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # a user may have too many large ones
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    feeder = threading.Thread(target=_feed, args=(writer, block), name="insert-feeder", daemon=True)
    feeder.start()
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)  # ends the feeder, whose reader may have left before the end
        feeder.join()


def _feed(writer: int, block: bytes) -> None:
    with suppress(BrokenPipeError), open(writer, "wb", buffering=0) as pipe:
        rest = memoryview(block)
        while rest:
            rest = rest[pipe.write(rest) :]


def _bound(parameters: Parameters | None) -> dict[str, str] | None:
    return {name: literal(value) for name, value in parameters.items()} if parameters else None
