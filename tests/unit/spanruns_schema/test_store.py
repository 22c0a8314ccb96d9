"""What a `Store` promises, on the embedded engine and over the wire alike."""

from __future__ import annotations

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from spanruns_schema import server
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import ConfigError, StoreError, StoreRejected, StoreUnavailable
from spanruns_schema.store import Parameter, Store, Verbatim, literal, open_store, rows

from tests.support.clickhouse_http import PASSWORD, ClickHouseProcess, clickhouse_http

ODD = 'it\'s a \\ back\\nslash,\ttab\nline\r\0 "quoted" `tick` {p:String} %s %(x)s ü 🙂'


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("String", ODD, ODD),
        ("String", "", ""),
        ("UInt64", 2**64 - 1, 2**64 - 1),
        ("Float64", 1.5e-9, 1.5e-9),
        ("Bool", True, True),
        ("UInt8", False, 0),
        ("Nullable(String)", None, None),
        ("Array(String)", [], []),
        ("Array(String)", [ODD, "", "plain"], [ODD, "", "plain"]),
        ("Array(String)", (ODD,), [ODD]),
        ("Array(Nullable(Int64))", [1, None, -1], [1, None, -1]),
        ("Array(Array(String))", [["a", ODD], []], [["a", ODD], []]),
        ("Map(String, Array(String))", {ODD: [ODD], "b": []}, {ODD: [ODD], "b": []}),
        ("Map(String, Array(String))", {}, {}),
        (
            "DateTime64(6, 'UTC')",
            datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            "2026-01-02 03:04:05.678901",
        ),
        ("Array(Date)", [date(2026, 1, 2)], ["2026-01-02"]),
    ],
)
def test_parameters_arrive_unchanged(store: Store, type_: str, value: Parameter, expected: object) -> None:
    """A bound value is what the engine sees, whatever it contains."""
    assert rows(store, f"SELECT {{value:{type_}}} AS value", {"value": value}) == [{"value": expected}]


def test_a_datetime_parameter_is_an_instant(store: Store) -> None:
    """A datetime with an offset is bound as the instant that it is, not as its wall clock."""
    at = datetime.fromisoformat("2026-01-02T03:04:05.000001+05:30")
    assert rows(store, "SELECT {at:DateTime64(6, 'UTC')} AS at", {"at": at}) == [{"at": "2026-01-01 21:34:05.000001"}]


def test_a_parameter_of_100_kb_fits(store: Store) -> None:
    """A long parameter is not limited by what fits into an address."""
    ids = [f"{n:032x}" for n in range(3000)]
    assert rows(store, "SELECT length({ids:Array(String)}) AS n", {"ids": ids}) == [{"n": 3000}]
    store.command("SELECT length({ids:Array(String)})", {"ids": ids})


def test_query_gives_bytes_in_the_format_asked_for(store: Store) -> None:
    """The result is the format's bytes; a FORMAT clause in the statement wins over the argument."""
    assert store.query("SELECT 1 AS a, 'x' AS b", format="TabSeparatedWithNames") == b"a\tb\n1\tx\n"
    assert store.query("SELECT 1 AS a FORMAT CSV", format="Native") == b"1\n"
    assert store.query("SELECT 7 AS a", format="RowBinary", settings={"max_threads": 1}) == b"\x07"


def test_rows_have_python_values(store: Store) -> None:
    """64-bit integers are int, missing values None, not-a-number None, text unharmed."""
    sql = "SELECT toUInt64(18446744073709551615) AS big, NULL AS nothing, nan AS nan, 'ü\n' AS text"
    assert rows(store, sql) == [{"big": 2**64 - 1, "nothing": None, "nan": None, "text": "ü\n"}]


def test_times_are_utc_whatever_the_host_says(store: Store) -> None:
    """A time without a zone is read and written as UTC."""
    assert rows(store, "SELECT toDateTime(0) AS epoch, timezone() AS zone") == [
        {"epoch": "1970-01-01 00:00:00", "zone": "UTC"}
    ]


def _native(*values: int) -> bytes:
    """One Native block: a column `n` of UInt64."""
    head = bytes([1, len(values)]) + b"\x01n" + b"\x06UInt64"
    return head + struct.pack(f"<{len(values)}Q", *values)


@pytest.fixture
def table(store: Store) -> str:
    """An empty table that knows insert tokens."""
    store.command("DROP TABLE IF EXISTS numbers_in")
    store.command(
        "CREATE TABLE numbers_in (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"
    )
    return "numbers_in"


def _stored(store: Store) -> list[int]:
    return [row["n"] for row in rows(store, "SELECT n FROM numbers_in ORDER BY n")]


def test_insert_takes_a_native_block(store: Store, table: str) -> None:
    """A ready block goes in as it is, bytes that look like text or line ends included."""
    values = [0x0A0D0A0D0A0D0A0D, 0x2727272727272727, 1]
    store.insert(table, ["n"], _native(*values))
    assert _stored(store) == sorted(values)


def test_insert_takes_other_formats(store: Store, table: str) -> None:
    """Any input format of ClickHouse works."""
    store.insert(table, ["n"], b'{"n": 5}\n{"n": 6}\n', format="JSONEachRow")
    assert _stored(store) == [5, 6]


def test_one_token_inserts_once(store: Store, table: str) -> None:
    """The same token is stored once, whatever it marks; the same data under another token is stored again."""
    for token, value in (("a'b", 1), ("a'b", 1), ("c", 1), ("c", 2)):
        store.insert(table, ["n"], _native(value), token=token)
    assert _stored(store) == [1, 1]


@pytest.mark.parametrize(
    ("change", "values", "code"),
    [
        ("ADD CONSTRAINT small CHECK n < 100", (1, 100), 469),
        ("MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1", (1,), 252),
    ],
)
def test_a_block_that_the_table_does_not_take(
    store: Store, table: str, change: str, values: tuple[int, ...], code: int
) -> None:
    """What the engine finds out only when it writes is told, whichever store it is, and nothing is said to be stored."""
    store.insert(table, ["n"], _native(7))
    store.command(f"ALTER TABLE {table} {change}")
    with pytest.raises(StoreError) as refused:
        store.insert(table, ["n"], _native(*values), token="t")
    assert refused.value.code == code
    assert _stored(store) == [7]


def test_a_block_with_too_many_partitions(store: Store) -> None:
    """ClickHouse takes a hundred at a time: it is told, and smaller blocks are taken."""
    store.command("DROP TABLE IF EXISTS parted")
    store.command("CREATE TABLE parted (n UInt64) ENGINE = MergeTree ORDER BY n PARTITION BY n")
    with pytest.raises(StoreError, match="Too many partitions") as refused:
        store.insert("parted", ["n"], _native(*range(101)), token="t")
    assert refused.value.code == 252
    store.insert("parted", ["n"], _native(*range(100)), token="t")
    assert rows(store, "SELECT count() AS c FROM parted") == [{"c": 100}]


def test_a_view_that_fails_is_told(store: Store, table: str) -> None:
    """An insert is not stored as long as a view behind it has not taken its part."""
    store.command("CREATE TABLE IF NOT EXISTS behind (n UInt64) ENGINE = MergeTree ORDER BY n")
    store.command(f"CREATE MATERIALIZED VIEW failing TO behind AS SELECT n + throwIf(n = 9) AS n FROM {table}")
    try:
        with pytest.raises(StoreError, match="while pushing to view"):
            store.insert(table, ["n"], _native(9))
    finally:
        store.command("DROP VIEW failing")


def test_a_broken_block_is_rejected(store: Store, table: str) -> None:
    """Data that cannot be read is the data's fault, and the store works on."""
    with pytest.raises(StoreRejected):
        store.insert(table, ["n"], b'{"n": "no number"}', format="JSONEachRow")
    store.insert(table, ["n"], _native(2))
    assert _stored(store) == [2]


@pytest.mark.parametrize(
    ("sql", "kind", "code"),
    [
        ("SELECT", StoreRejected, 62),
        ("SELECT no_such_function(1)", StoreRejected, 46),
        ("SELECT * FROM no_such_table", StoreUnavailable, 60),
        ("SELECT throwIf(number = 3) FROM numbers(10) SETTINGS max_block_size = 1", StoreRejected, 395),
        ("SELECT sleepEachRow(0.2) FROM numbers(10) SETTINGS max_execution_time = 0.1", StoreUnavailable, 159),
        ("SELECT groupArray(number) FROM numbers(1000000) SETTINGS max_memory_usage = 1000", StoreUnavailable, 241),
    ],
)
def test_errors_say_whether_to_try_again(store: Store, sql: str, kind: type[StoreError], code: int) -> None:
    """An error has ClickHouse's code, and its class says whether the same statement may work later."""
    with pytest.raises(StoreError) as caught:
        store.query(sql, format="Null")
    assert (type(caught.value), caught.value.code) == (kind, code)


def test_a_failed_query_leaves_nothing_behind(store: Store) -> None:
    """Rows that a query gave before it failed are not in the next result."""
    for _ in range(3):
        with pytest.raises(StoreRejected):
            store.query(
                "SELECT number, throwIf(number = 900) FROM numbers(1000) SETTINGS max_block_size = 10", format="CSV"
            )
        assert store.query("SELECT 42", format="CSV") == b"42\n"


def test_many_threads_share_a_store(store: Store) -> None:
    """Calls from several threads run side by side and get their own answers."""
    barrier = threading.Barrier(8)

    def ask(n: int) -> bytes:
        barrier.wait(20)
        return store.query("SELECT {n:UInt32} + sum(number) FROM numbers(100000)", {"n": n}, format="CSV")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [b"%d\n" % (n + 4999950000) for n in range(8)]


def test_readonly_gives_results(store: Store) -> None:
    """A foreign statement is answered in the format asked for, in the store's database."""
    assert store.query_readonly("SELECT currentDatabase() AS db", format="CSV") == b'"spanruns"\n'
    assert store.query_readonly("SELECT 1 AS a FORMAT JSONEachRow", format="CSV") == b'{"a":1}\n'


def test_readonly_binds_parameters(store: Store) -> None:
    """Values are bound there too, and texts that are already spelled as ClickHouse's protocols do are bound as they are."""
    sql = "SELECT {a:Array(String)} AS a, {b:String} AS b"
    assert store.query_readonly(sql, {"a": ["it's"], "b": "x\ty"}, format="TSV") == b"['it\\'s']\tx\\ty\n"
    verbatim = {"a": Verbatim("['it\\'s']"), "b": Verbatim("x\\ty")}
    assert store.query_readonly(sql, verbatim, format="TSV") == b"['it\\'s']\tx\\ty\n"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE written (a Int8) ENGINE = Memory",
        "INSERT INTO numbers_in VALUES (1)",
        "DROP TABLE numbers_in",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 1000",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    ],
)
def test_readonly_refuses_to_write(store: Store, table: str, sql: str) -> None:
    """The engine itself refuses writes, changed settings, and tables made of files or addresses."""
    with pytest.raises(StoreError) as caught:
        store.query_readonly(sql, format="CSV", settings={"max_execution_time": 5})
    assert caught.value.code == 164, caught.value


def test_readonly_keeps_its_limits(store: Store) -> None:
    """The settings given are the statement's limits."""
    with pytest.raises(StoreError) as caught:
        store.query_readonly("SELECT number FROM numbers(1000)", settings={"max_result_rows": 10})
    assert caught.value.code == 396
    assert store.query("SELECT count() FROM numbers(1000)", format="CSV") == b"1000\n"


def test_a_closed_store_refuses(directory: Path) -> None:
    """After close every call fails as unavailable; closing twice does no harm."""
    with clickhouse_http(directory) as process:
        store = open_store(process.url)
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.query("SELECT 1")


@pytest.mark.parametrize("scheme", ["clickhouse", "clickhouses"])
def test_a_server_that_never_answers_is_unavailable(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes a connection and says nothing is not waited for as long as a statement is."""
    monkeypatch.setattr(server, "GREETING_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match=rf"ClickHouse at {address} has not answered within 0.3 s"):
            open_store(f"{scheme}://me:secret@{address}/x")


def test_a_long_statement_is_waited_for(clickhouse: ClickHouseProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for the first answer alone."""
    monkeypatch.setattr(server, "GREETING_S", 1)
    store = open_store(clickhouse.url)
    assert store.query("SELECT sleep(1.5)", format="CSV") == b"0\n"
    store.close()


class Stranger(BaseHTTPRequestHandler):
    """What stands in the place of ClickHouse and says yes to everything, like a proxy's login page."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"welcome")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def test_an_insert_that_somebody_else_took_is_unavailable(directory: Path) -> None:
    """Only ClickHouse's own word counts: rows that a proxy has taken are to be sent again."""
    process = ClickHouseProcess(directory)
    process.start()
    try:
        store = open_store(process.url)
        process.stop()
        with HTTPServer(("127.0.0.1", process.port), Stranger) as stranger:
            threading.Thread(target=stranger.serve_forever).start()
            with pytest.raises(StoreUnavailable, match="not ClickHouse"):
                store.insert("kept", ["a"], b"7", format="CSV")
            stranger.shutdown()
        store.close()
    finally:
        process.stop()


def test_a_server_that_stops_is_unavailable_and_comes_back(directory: Path) -> None:
    """While the server is away calls fail as unavailable; afterwards the same store works, with all that was stored."""
    process = ClickHouseProcess(directory)
    process.start()
    try:
        store = open_store(process.url)
        store.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        store.insert("kept", ["a"], b"7", format="CSV")
        process.stop()
        for call in (store.query, store.query_readonly, store.command):
            with pytest.raises(StoreUnavailable) as caught:
                call("SELECT 1")
            assert caught.value.code == 0
        with pytest.raises(StoreUnavailable):
            store.insert("kept", ["a"], b"8", format="CSV")
        with pytest.raises(StoreUnavailable):
            open_store(process.url)
        process.start()
        assert rows(store, "SELECT a FROM kept") == [{"a": 7}]
        store.close()
    finally:
        process.stop()


def test_wrong_credentials_are_a_configuration_error(clickhouse: ClickHouseProcess) -> None:
    """A refused password is told at once, without the password in the message."""
    with pytest.raises(ConfigError, match="refuses user or password") as caught:
        open_store(f"clickhouse://tester:secret-word@127.0.0.1:{clickhouse.port}/spanruns")
    assert "secret-word" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse:///spanruns",
        "clickhouse://me:secret-word@/spanruns",
        "clickhouse://me:secret-word@host:http/spanruns",
        "clickhouse://me:secret-word@host:99999/spanruns",
        "clickhouse://me:secret-word@[::1/spanruns",
        "postgres://me:secret-word@host/db",
    ],
)
def test_an_address_that_cannot_work_is_a_configuration_error(url: str) -> None:
    """The message shows what an address looks like, and no password."""
    with pytest.raises(ConfigError, match="clickhouse://user:password@host:8123/database") as refused:
        open_store(url)
    assert "secret-word" not in str(refused.value)


def test_a_server_needs_no_default_database(clickhouse: ClickHouseProcess) -> None:
    """The database in the address is made when it is missing, and used."""
    store = open_store(clickhouse.url.replace("/spanruns", "/another"))
    assert rows(store, "SELECT currentDatabase() AS db") == [{"db": "another"}]
    store.close()


def test_literal_refuses_nothing_it_knows() -> None:
    """Every parameter type has one spelling."""
    assert literal({"k": [1, None, "a'b"]}) == "{'k':[1,NULL,'a\\'b']}"


def test_embedded_and_server_are_stores(embedded: EmbeddedStore) -> None:
    """Both classes satisfy the protocol."""
    store: Store = embedded
    assert store.database == "spanruns"
