"""The seam between spanruns and ClickHouse: one protocol, embedded (chdb) or server (clickhouse-connect)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from spanruns_schema.errors import ConfigError

Parameter = str | int | float | bool | datetime | date | None | Sequence["Parameter"] | Mapping[str, "Parameter"]
Parameters = Mapping[str, Parameter]
Settings = Mapping[str, str | int | float]

DATABASE = "spanruns"
_SERVER_URL = "clickhouse://user:password@host:8123/database"


class Verbatim(str):
    """The text of a parameter as ClickHouse's own protocols carry it: bound as it is, of whatever type it is."""

    __slots__ = ()


class Store(Protocol):
    """A ClickHouse engine. Methods may be called from any thread; each call is one statement.

    Parameters are bound by name (`{name:Type}` in the SQL), never formatted in. Every method raises
    `StoreUnavailable` (retry) or `StoreRejected` (do not).
    """

    database: str

    def query(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """The result in ClickHouse's `format`, as bytes."""

    def query_readonly(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """As `query`, for a statement that somebody else wrote: the engine refuses to write, and the statement cannot
        change `settings` (its limits). This alone does not keep it from files: see `spanruns_schema.gate`."""

    def command(self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None) -> None:
        """Run a statement that returns nothing (DDL, INSERT SELECT)."""

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

    def close(self) -> None:
        """Release every connection; further calls fail."""


def rows(
    store: Store, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None
) -> list[dict[str, Any]]:
    """The result as one dict a row: 64-bit integers as int, DateTime as `YYYY-MM-DD hh:mm:ss[.f]` strings, NULL as None."""
    text = store.query(
        sql,
        parameters,
        format="JSONEachRow",
        settings={
            "output_format_json_quote_64bit_integers": 0,
            "output_format_json_quote_denormals": 0,
            **(settings or {}),
        },
    )
    return [json.loads(line) for line in text.splitlines() if line]


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store at `url`: a directory (or `chdb:///dir`) for the embedded engine, `clickhouse://user:pass@host:8123/database`
    (or `clickhouses://` for TLS) for a server.

    Raises `ConfigError` for an address that cannot work and `StoreUnavailable` when nothing answers.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"store {without_credentials(url)!r} is no address ({error}): use {_SERVER_URL}") from error
    if parts.scheme in ("clickhouse", "clickhouses"):
        from spanruns_schema.server import ServerStore

        return ServerStore.from_url(url, create=create)
    if parts.scheme in ("", "chdb"):
        from spanruns_schema.embedded import EmbeddedStore

        return EmbeddedStore(Path(parts.path if parts.scheme else url), create=create)
    raise ConfigError(f"store {without_credentials(url)!r}: use a directory, or {_SERVER_URL}")


def without_credentials(url: str) -> str:
    """The address of a store for people to see: without user and password."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://***@{after}" if at else url


def literal(value: Parameter) -> str:
    """`value` as the text ClickHouse expects for a bound parameter (escaped, quoted inside arrays)."""
    if isinstance(value, str):
        return value if isinstance(value, Verbatim) else value.translate(_ESCAPES)
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        # strftime would not pad years before 1000; without an offset a time is taken as UTC.
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_item(key)}:{_item(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(_item(item) for item in value) + "]"


_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def _item(value: Parameter) -> str:
    if isinstance(value, str | datetime | date):
        return f"'{literal(value)}'"
    return "NULL" if value is None else literal(value)
