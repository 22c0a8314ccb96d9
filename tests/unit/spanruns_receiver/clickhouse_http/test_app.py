"""The endpoint as ClickHouse's own clients see it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import httpx
import pytest
from spanruns_receiver.clickhouse_http import app, create_app
from spanruns_receiver.clickhouse_http.app import MAX_BODY_BYTES
from spanruns_receiver.serve import WebServer, listen
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import StoreError
from spanruns_schema.server import ServerStore
from spanruns_schema.store import Store, open_store, rows
from starlette.testclient import TestClient

HELLO = "SELECT displayName(), version(), revision(), timezone()"
GRAFANA = {
    "client_protocol_version": "54460",
    "database": "spanruns",
    "default_format": "Native",
    "max_execution_time": "65",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store is."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def embedded(directory: Path) -> Iterator[EmbeddedStore]:
    """A store with one table."""
    store = EmbeddedStore(directory)
    store.command("CREATE TABLE fruits (name String, at DateTime64(9, 'UTC')) ENGINE = Memory")
    store.insert("fruits", ["name", "at"], b"apple,2026-01-01 00:00:00\npear,2026-01-02 00:00:00\n", format="CSV")
    yield store
    store.close()


@pytest.fixture(scope="module")
def port(embedded: EmbeddedStore) -> Iterator[int]:
    """The port of an endpoint that really listens."""
    server = WebServer(create_app(embedded), listen("127.0.0.1", 0, "clickhouse_port"), "clickhouse")
    server.start()
    yield server.port
    server.stop(1)


@pytest.fixture(scope="module")
def server_store(port: int) -> Iterator[Store]:
    """Our own store over the official client, on the endpoint."""
    store = open_store(f"clickhouse://reader:any@127.0.0.1:{port}/spanruns", create=False)
    assert isinstance(store, ServerStore)
    yield store
    store.close()


@pytest.fixture(scope="module")
def http(port: int) -> Iterator[httpx.Client]:
    """Plain HTTP, as curl."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client


def test_clickhouse_connect_reads(port: int) -> None:
    """The official client connects, asks, and gets columns for no rows too."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, database="spanruns")
    try:
        result = client.query("SELECT name, at FROM fruits ORDER BY name")
        assert [row[0] for row in result.result_rows] == ["apple", "pear"]
        assert (
            client.query("SELECT name FROM fruits WHERE name = {n:String}", parameters={"n": "it's"}).result_rows == []
        )
        assert client.query("SELECT name, at FROM fruits LIMIT 0").column_names == ("name", "at")
        assert client.command("SELECT count() FROM fruits") == 2
        assert client.ping()
    finally:
        client.close()


def test_parameters_arrive_unchanged(server_store: Store) -> None:
    """In the address and, when they are long, in a form."""
    odd = "it's \\ a\ttab\nand ü"
    assert rows(server_store, "SELECT {a:Array(String)} AS a", {"a": [odd]}) == [{"a": [odd]}]
    long = [f"{n:064x}" for n in range(1000)]
    assert rows(server_store, "SELECT length({a:Array(String)}) AS n", {"a": long}) == [{"n": 1000}]


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nowhere", 60, 404),
        ("SELECT nonsense(1)", 46, 404),
        ("SELECT", 62, 400),
        ("DROP TABLE fruits", 164, 400),
        ("INSERT INTO fruits VALUES ('plum', now())", 164, 400),
        ("SELECT file('/etc/hostname')", 164, 400),
        ("SELECT 1 INTO OUTFILE '/tmp/never'", 164, 400),
        ("SELECT throwIf(1)", 395, 500),
    ],
)
def test_errors_are_clickhouses(http: httpx.Client, server_store: Store, sql: str, code: int, status: int) -> None:
    """The number is in the header, the text as the server writes it; the official client knows it again."""
    answer = http.post("/", content=sql)
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    with pytest.raises(StoreError) as caught:
        server_store.query(sql)
    assert caught.value.code == code


def test_curl(http: httpx.Client) -> None:
    """SQL in the address or the body, tabs unless said otherwise, a FORMAT clause wins."""
    assert http.get("/", params={"query": "SELECT 1, 'a'"}).text == "1\ta\n"
    assert http.post("/?default_format=CSV", content="SELECT name FROM fruits ORDER BY 1").text == '"apple"\n"pear"\n'
    assert http.post("/?default_format=CSV", content="SELECT 1 AS a FORMAT JSONEachRow").text == '{"a":1}\n'
    assert http.get("/").text == "Ok.\n"
    assert http.get("/ping").text == "Ok.\n"
    assert http.get("/replicas_status").text == "Ok.\n"


def test_headers_of_an_answer(http: httpx.Client) -> None:
    """What clients read of it."""
    answer = http.post("/", content="SELECT 1 FORMAT CSV", headers={"X-ClickHouse-Query-Id": "q7"})
    names = ("x-clickhouse-query-id", "x-clickhouse-timezone", "x-clickhouse-format", "content-length")
    assert [answer.headers[name] for name in names] == ["q7", "UTC", "TabSeparated", "2"]


def test_grafanas_driver_is_greeted(http: httpx.Client, embedded: EmbeddedStore) -> None:
    """Its first query gets the framing that it decodes, its ping and its queries plain Native blocks."""
    version = embedded.query("SELECT version()", format="TSVRaw").strip()
    answer = http.post("/", params=GRAFANA, content=HELLO).content
    assert answer.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()")
    assert version in answer
    assert answer.endswith(b"\x03UTC")
    assert http.post("/", params=GRAFANA, content="SELECT 1").content == b"\x01\x01\x011\x05UInt8\x01"
    assert http.post("/", params=GRAFANA, content="SELECT 1 WHERE 0").content == b""
    # Only who names a protocol version is answered in its framing.
    assert http.post("/", content=HELLO).content.endswith(b"UTC\n")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM system.databases",
        "SELECT name FROM system.tables WHERE database = 'spanruns'",
        'DESC TABLE "spanruns"."fruits"',
        "SELECT name, type, table FROM system.columns WHERE database IN ('spanruns')",
        "SELECT name FROM system.functions",
        "SELECT version()",
        "SELECT DISTINCT name FROM spanruns.fruits LIMIT 1000",
        "SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1",
    ],
)
def test_what_tools_ask_by_themselves(http: httpx.Client, sql: str) -> None:
    """Queries of Grafana's editor and of DBeaver are answered."""
    answer = http.post("/", params=GRAFANA, content=sql)
    assert (answer.status_code, answer.content != b"") == (200, True), answer.text


def test_compression(http: httpx.Client) -> None:
    """A client that asks for ClickHouse's own compression gets gzip, errors included; a compressed query is read."""
    for sql in ("SELECT 5", "SELECT nonsense(1)"):
        assert http.post("/?compress=1", content=sql).headers["content-encoding"] == "gzip"
    assert http.post("/?compress=1", content="SELECT 5").text == "5\n"
    packed = gzip.compress(b"SELECT 6")
    assert http.post("/", content=packed, headers={"content-encoding": "gzip"}).text == "6\n"


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"SELECT 1" + b" " * MAX_BODY_BYTES, "identity", 413),
        (gzip.compress(b"SELECT 1" + b" " * (50 * MAX_BODY_BYTES)), "gzip", 413),
        (b"no gzip", "gzip", 400),
        (b"SELECT '\xff'", "identity", 400),
    ],
)
def test_bodies_are_bounded(http: httpx.Client, content: bytes, encoding: str, status: int) -> None:
    """A body that is too large, packed or not, or cannot be read is refused before anything is asked."""
    answer = http.post("/", content=content, headers={"content-encoding": encoding})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, "164")


def test_other_databases_are_not_there(http: httpx.Client) -> None:
    """Only the store's own, and the default for those who name none."""
    assert http.post("/?database=default", content="SELECT currentDatabase()").text == "spanruns\n"
    assert http.post("/?database=system", content="SELECT 1").status_code == 404


def test_a_store_that_is_away(embedded: EmbeddedStore, directory: Path) -> None:
    """503 with Retry-After; the endpoint's own ping goes on."""
    closed = EmbeddedStore(directory)
    closed.close()
    client = TestClient(create_app(closed))
    answer = client.post("/", content="SELECT 1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "the store is closed" in answer.text
    assert client.get("/ping").text == "Ok.\n"


def test_too_many_queries_are_told_so(embedded: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets no turn hears it in ClickHouse's own way, which its clients know."""
    monkeypatch.setattr(app, "MAX_QUERIES", 0)
    monkeypatch.setattr(app, "MAX_WAIT_S", 0.01)
    answer = TestClient(create_app(embedded)).post("/", content="SELECT 1")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (503, "202")
