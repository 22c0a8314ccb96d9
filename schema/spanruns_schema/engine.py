"""What both stores need to speak to the engine: statements and errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spanruns_schema.errors import StoreError, StoreRejected, StoreUnavailable
from spanruns_schema.store import Settings

_CODE = re.compile(r"Code: (\d+)")

UNKNOWN_TABLE, UNKNOWN_DATABASE = 60, 81

# ClickHouse error codes after which the same statement may work later: the data is not at fault.
RETRYABLE_CODES = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE
        UNKNOWN_TABLE,  # the schema is being applied
        74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        76,  # CANNOT_OPEN_FILE
        UNKNOWN_DATABASE,  # the same
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        164,  # READONLY
        173,  # CANNOT_ALLOCATE_MEMORY
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED: the server is stopping
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        473,  # DEADLOCK_AVOIDED
        497,  # ACCESS_DENIED: rights can be granted, data lost cannot be had back
        516,  # AUTHENTICATION_FAILED: the same
        999,  # KEEPER_EXCEPTION
    }
)

_STD_EXCEPTION = 1001

INSERT_SETTINGS: Settings = {
    "async_insert": 0,  # would lose the deduplication by token
    # Rows that replace each other hardly ever come in one insert; looking for them takes a third of the time of a block of facts.
    "optimize_on_insert": 0,
    # The mapping's views are analysed at every insert; these two passes take half of that time and change nothing in them.
    "optimize_and_compare_chain": 0,
    "query_plan_enable_optimizations": 0,
    # One block comes at a time: more threads would only be started, for a fifth of the CPU of a small insert.
    "max_threads": 1,
}

MESSAGE_LIMIT = 2_000
"""Characters of an engine's error message that are kept: its beginning and its end."""


def error_of(message: str) -> StoreError:
    """The error for an engine's message: by ClickHouse's code, retryable when there is none or the disk is at fault."""
    match = _CODE.search(message)
    of_the_disk = "filesystem error:" in message  # of the standard library, whose errors are all STD_EXCEPTION
    if len(message) > MESSAGE_LIMIT:  # the engine repeats the whole statement, with thousands of bound ids
        message = f"{message[: MESSAGE_LIMIT // 2]} … {message[-MESSAGE_LIMIT // 2 :]}"
    if match is None:
        return StoreUnavailable(message)
    code = int(match.group(1))
    is_retryable = code in RETRYABLE_CODES or (code == _STD_EXCEPTION and of_the_disk)
    return (StoreUnavailable if is_retryable else StoreRejected)(message, code)


def insert_statement(
    table: str, columns: Sequence[str], token: str, settings: Settings | None, *, file: str = ""
) -> str:
    """`INSERT INTO … SETTINGS …`, still without the format of the block; with `file` it is there."""
    names = ", ".join(f"`{name}`" for name in columns)
    source = f" FROM INFILE '{file}' COMPRESSION 'none'" if file else ""
    every: dict[str, str | int | float] = {**INSERT_SETTINGS, **(settings or {})}
    if token:
        every["insert_deduplication_token"] = token
    return with_settings(f"INSERT INTO {table} ({names}){source}", every)


def with_settings(sql: str, settings: Settings | None) -> str:
    """`sql` with a SETTINGS clause; `sql` must not have one of its own at its end."""
    if not settings:
        return sql
    return f"{sql}\nSETTINGS " + ", ".join(f"{name} = {_setting(value)}" for name, value in settings.items())


def set_statements(settings: Settings | None) -> list[str]:
    """`settings` as statements for a connection of one's own."""
    return [f"SET {name} = {_setting(value)}" for name, value in (settings or {}).items()]


def _setting(value: str | int | float) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)
