"""`spanruns sql` against a served API, a ClickHouse server, and nothing."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_receiver import cli, process
from spanruns_receiver.api import create_app
from spanruns_receiver.serve import WebServer, listen
from spanruns_receiver.spool import Spool, SpoolLimits
from spanruns_schema.embedded import EmbeddedStore

from tests.support.clickhouse_http import clickhouse_http


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a query API that really listens."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    server = WebServer(create_app(store), listen("127.0.0.1", 0, "api_port"), "api")
    server.start()
    yield server.port
    server.stop(1)
    store.close()


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, bytes, str]:
    """Status, standard output and standard error of `spanruns sql …`."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["sql", *arguments])
    told = capfdbinary.readouterr()
    return int(ended.value.code or 0), told.out, told.err.decode()


def test_a_table_by_default(capfdbinary: pytest.CaptureFixture[bytes], port: int) -> None:
    """Without a format the answer is a table to look at."""
    code, out, err = run(capfdbinary, "--url", f"http://127.0.0.1:{port}/", "SELECT 1 AS one, 'ü' AS two")
    assert (code, err) == (0, "")
    assert out.decode().splitlines()[0].strip() == "┌─one─┬─two─┐"


def test_any_format(capfdbinary: pytest.CaptureFixture[bytes], port: int) -> None:
    """ClickHouse's format names are taken, binary ones unharmed."""
    url = f"http://127.0.0.1:{port}"
    assert run(capfdbinary, "--url", url, "--format", "CSV", "SELECT 1, 'a'") == (0, b'1,"a"\n', "")
    assert run(capfdbinary, "--url", url, "--format", "RowBinary", "SELECT 10") == (0, b"\n", "")


def test_a_query_from_standard_input(
    capfdbinary: pytest.CaptureFixture[bytes], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """- reads the query from where a pipe ends."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 7\n"))
    assert run(capfdbinary, "--url", f"http://127.0.0.1:{port}", "--format", "CSV", "-") == (0, b"7\n", "")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("DROP TABLE x", "only SELECT"),
        ("SELECT file('/etc/hostname')", "not possible here"),
        ("SELEC 1", "Syntax error"),
    ],
)
def test_a_refusal_is_told(capfdbinary: pytest.CaptureFixture[bytes], port: int, query: str, reason: str) -> None:
    """The reason goes to standard error, the status is 1."""
    code, out, err = run(capfdbinary, "--url", f"http://127.0.0.1:{port}", query)
    assert (code, out) == (1, b"")
    assert err.startswith("spanruns: ")
    assert reason in err


def test_the_process_of_the_data_directory_is_asked(
    capfdbinary: pytest.CaptureFixture[bytes], port: int, tmp_path: Path
) -> None:
    """Without --url it is the one that serves the data directory, on whatever port it got."""
    (tmp_path / process.RUNNING_FILE).write_text(json.dumps({"api": port, "host": "0.0.0.0", "pid": 1}))
    spool = Spool(tmp_path / "spool", SpoolLimits(2**20, 0))  # its lock says that the process is alive
    try:
        assert run(capfdbinary, "--data", str(tmp_path), "--format", "CSV", "SELECT 5") == (0, b"5\n", "")
    finally:
        spool.close()


def test_nothing_that_answers(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    """The message says what to start."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run(capfdbinary, "--url", url, "SELECT 1")
    assert (code, out) == (2, b"")
    assert (
        err == f"spanruns: no spanruns answers at {url}: start it with `spanruns up`, or say where it is with --url\n"
    )


def test_something_else_that_answers(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    """Another HTTP server is told from ours."""
    with clickhouse_http(tmp_path / "server") as server:
        url = f"http://127.0.0.1:{server.port}"
        code, _, err = run(capfdbinary, "--url", url, "SELECT 1")
    assert code == 1
    assert f"{url}/api/sql answered" in err


def test_a_server_is_asked_behind_the_same_gate(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    """A clickhouse:// address is asked directly, read-only too, and no database is made there."""
    with clickhouse_http(tmp_path / "server") as server:
        url = server.url.replace("/spanruns", "/default")
        assert run(capfdbinary, "--url", url, "--format", "CSV", "SELECT 5") == (0, b"5\n", "")
        databases = "SELECT count() FROM system.databases WHERE name = 'spanruns'"
        assert run(capfdbinary, "--url", url, "--format", "CSV", databases) == (0, b"0\n", "")
        code, _, err = run(capfdbinary, "--url", url, "CREATE TABLE x (a Int8) ENGINE = Memory")
    assert code == 1
    assert "only SELECT" in err
