"""A ClickHouse server over HTTP, through clickhouse-connect."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from urllib.request import urlopen

from spanruns_schema.engine import error_of, insert_statement, with_settings
from spanruns_schema.errors import ConfigError, StoreError, StoreUnavailable
from spanruns_schema.store import DATABASE, Parameter, Parameters, Settings, literal, without_credentials

AUTHENTICATION_FAILED = 516

GREETING_S = 20.0
"""How long a server may take to answer at all. Statements may take longer, some of the schema's do."""


class ServerStore:
    """A `Store` over ClickHouse's HTTP interface. Calls from several threads share one connection pool."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._closed = False
        self.database = database

    @classmethod
    def from_url(cls, url: str, *, create: bool = True) -> ServerStore:
        """Connect to `clickhouse://user:password@host:8123/database` (`clickhouses://` for TLS); with `create` the database is
        made if missing.

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
            raise ConfigError(
                f"store {without_credentials(url)!r} names no host: use clickhouse://user:password@host:8123/database"
            )
        database = parts.path.strip("/") or DATABASE
        _await_greeting(parts)
        try:
            client = clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port or 0,
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                secure=parts.scheme == "clickhouses",
                autogenerate_session_id=False,
                query_retries=0,
                dedicated_pool=True,
                settings={"session_timezone": "UTC", **dict(parse_qsl(parts.query))},
            )
            if create:
                client.command(f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")
            client.database = database
        except ClickHouseError as error:
            translated = _translated(error)
            if translated.code == AUTHENTICATION_FAILED:
                raise ConfigError(f"ClickHouse at {parts.hostname} refuses user or password: {error}") from error
            raise translated from error
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
        return bytes(self._call("raw_query", with_settings(sql, settings), _bound(parameters), format=format))

    def query_readonly(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """The result of a statement that somebody else wrote; it can neither write nor change `settings`."""
        return bytes(
            self._call(
                "raw_query", sql, _bound(parameters), settings={**(settings or {}), "readonly": 1}, format=format
            )
        )

    def command(self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None) -> None:
        """Run a statement that returns nothing."""
        # Not the client's `command`: that puts parameters into the URL, however long they are.
        self._call("raw_query", with_settings(sql, settings), _bound(parameters))

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
        statement = insert_statement(table, columns, token, settings)
        answer = self._call("raw_insert", insert_block=f"{statement} FORMAT {format}\n".encode() + block)
        if not answer.query_id():  # every answer of ClickHouse has one; a login page of a proxy has none
            raise StoreUnavailable("what took the insert was not ClickHouse: it gave no query id")

    def close(self) -> None:
        """Close the connection pool."""
        self._closed = True
        self._client.close()

    def _call(self, method: str, *args: Any, format: str = "", **kwargs: Any) -> Any:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        if self._closed:  # the driver's pool would open again by itself
            raise StoreUnavailable("the store is closed")
        if format:
            # The header instead of a FORMAT clause, so that a clause in the statement itself wins.
            kwargs["transport_settings"] = {"X-ClickHouse-Format": format}
        try:
            return getattr(self._client, method)(*args, **kwargs)
        except ClickHouseError as error:
            raise _translated(error) from error


def _await_greeting(parts: SplitResult) -> None:
    """Return when anything at all is answered, or nothing listens, which the driver says better.

    The driver has one limit for everything, and how often a long statement shows that it is alive follows from that.
    """
    scheme, port = ("https", 8443) if parts.scheme == "clickhouses" else ("http", 8123)
    host = parts.netloc.rpartition("@")[2]
    address = host if parts.port else f"{host.removesuffix(':')}:{port}"
    try:
        with suppress(HTTPException, ValueError), urlopen(f"{scheme}://{address}/ping", timeout=GREETING_S):  # noqa: S310
            pass
    except OSError as error:  # URLError is one, and holds what came while connecting
        if isinstance(getattr(error, "reason", error), TimeoutError):
            raise StoreUnavailable(f"ClickHouse at {address} has not answered within {GREETING_S:g} s") from error


class _Verbatim:
    """A bound parameter in our own spelling. clickhouse-connect passes the text of types it does not know as it is;
    what it does know it would change: datetimes shifted to the server's zone, tuples and maps spelled otherwise."""

    def __init__(self, value: Parameter) -> None:
        self._text = literal(value)

    def __str__(self) -> str:
        return self._text


def _bound(parameters: Parameters | None) -> dict[str, Any] | None:
    return {name: _Verbatim(value) for name, value in parameters.items()} if parameters else None


def _translated(error: Exception) -> StoreError:
    code = getattr(error, "code", None)
    if code:
        return error_of(f"Code: {code}. {error}")
    translated = error_of(str(error))
    return translated if translated.code else StoreUnavailable(f"ClickHouse does not answer: {error}")
