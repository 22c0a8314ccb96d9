"""The engine that a peer is measured with."""

from __future__ import annotations

import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "clickhouse_front.py"
SCHEMA = """CREATE TABLE taken (a UInt32) ENGINE = MergeTree ORDER BY a
--------
CREATE TABLE parted (a UInt32) ENGINE = MergeTree PARTITION BY a ORDER BY a
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; two tables are there."""
    directory = tmp_path_factory.mktemp("front")
    (directory / "schema.sql").write_text(SCHEMA)
    arguments = [sys.executable, *map(str, (SCRIPT, directory / "store", directory / "schema.sql"))]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        process.kill()


def ask(front: str, sql: str) -> bytes:
    """The answer to a statement in the body."""
    with urllib.request.urlopen(urllib.request.Request(front, sql.encode())) as answer:
        return bytes(answer.read())


def insert(front: str, table: str, *values: int, settings: str = "") -> None:
    """Numbers as a peer sends them: the statement in the address, rows as `RowBinary` in the body."""
    statement = quote(f"INSERT INTO otel.{table} (a){settings} FORMAT RowBinary")
    block = struct.pack(f"<{len(values)}I", *values)
    urllib.request.urlopen(urllib.request.Request(f"{front}?query={statement}", block)).close()


def test_what_is_inserted_is_there(front: str) -> None:
    """To its last byte, whatever it looks like."""
    numbers = [0x0A0A0A0A, *b"\n 'x", 2**32 - 1]
    insert(front, "taken", *numbers[:3])
    insert(front, "taken", *numbers[3:], settings=" SETTINGS async_insert=0")
    assert ask(front, "SELECT sum(a) AS a, count() AS n FROM taken") == b'{"a":%d,"n":6}\n' % sum(numbers)


def test_what_the_engine_refuses_is_told(front: str) -> None:
    """A block for more partitions than the engine takes at a time is nobody's success."""
    with pytest.raises(HTTPError) as caught:
        insert(front, "parted", *range(200))
    assert caught.value.code == 500
    assert b"Code: 252" in caught.value.read()
    assert ask(front, "SELECT count() AS n FROM parted") == b'{"n":0}\n'


@pytest.mark.parametrize("sql", ["SELECT nothing", "INSERT INTO nowhere FORMAT RowBinary"])
def test_what_cannot_be_run_is_told(front: str, sql: str) -> None:
    """The engine's own words."""
    with pytest.raises(HTTPError) as caught:
        ask(front, sql)
    assert b"DB::Exception" in caught.value.read()
