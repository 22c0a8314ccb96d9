"""A ClickHouse server over HTTP, through clickhouse-connect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from spanruns_schema.engine import error_of, insert_statement, with_settings
from spanruns_schema.errors import ConfigError, StoreError, StoreUnavailable
from spanruns_schema.store import DATABASE, Parameters, Settings, literal


class ServerStore:
    """A `Store` over ClickHouse's HTTP interface. Calls from several threads share one connection pool."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self.database = database

    @classmethod
    def from_url(cls, url: str) -> ServerStore:
        """Connect to `clickhouse://user:password@host:8123/database` (`clickhouses://` for TLS).

        Raises `ConfigError` when the address or the credentials cannot work, `StoreUnavailable` when nothing answers.
        """
        try:
            import clickhouse_connect
            from clickhouse_connect.driver.exceptions import ClickHouseError
        except ImportError as error:
            raise ConfigError(
                'a ClickHouse server needs clickhouse-connect: pip install "spanruns[receiver]"'
            ) from error
        parts = urlsplit(url)
        if not parts.hostname:
            raise ConfigError(f"store {url!r} names no host: use clickhouse://user:password@host:8123/database")
        database = parts.path.strip("/") or DATABASE
        try:
            client = clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port or 0,
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                secure=parts.scheme == "clickhouses",
                autogenerate_session_id=False,
                query_retries=0,
                settings={"session_timezone": "UTC", **dict(parse_qsl(parts.query))},
            )
            client.command(f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")
            client.database = database
        except ClickHouseError as error:
            raise _translated(error) from error
        return cls(client, database)

    def query(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """The result in ClickHouse's `format`, as bytes."""
        return self._call("raw_query", with_settings(sql, settings), _bound(parameters), fmt=format)

    def command(
        self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None
    ) -> None:
        """Run a statement that returns nothing."""
        self._call("command", with_settings(sql, settings), _bound(parameters))

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
        statement = insert_statement(table, columns, format, token, settings)
        self._call("raw_insert", insert_block=statement.encode() + b"\n" + block)

    def close(self) -> None:
        """Close the connection pool."""
        self._client.close()

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            return getattr(self._client, method)(*args, **kwargs)
        except ClickHouseError as error:
            raise _translated(error) from error


def _bound(parameters: Parameters | None) -> dict[str, Any] | None:
    if parameters is None:
        return None
    # clickhouse-connect would shift datetimes to the server's zone; ours are UTC and go as text.
    return {k: literal(v) if isinstance(v, datetime | date) else v for k, v in parameters.items()}


def _translated(error: Exception) -> StoreError:
    translated = error_of(str(error))
    return translated if translated.code else StoreUnavailable(f"ClickHouse does not answer: {error}")
