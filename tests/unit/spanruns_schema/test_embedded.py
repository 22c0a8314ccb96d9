"""The embedded store's own life: opening, closing, opening again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from spanruns_schema.embedded import ENGINE_CONFIG
from spanruns_schema.errors import ConfigError, StoreUnavailable
from spanruns_schema.store import open_store, rows


def test_a_closed_embedded_store_refuses(directory: Path) -> None:
    """After close every call fails as unavailable; the directory can be opened again with what it holds."""
    store = open_store(str(directory))
    store.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
    store.insert("kept", ["a"], b"7", format="CSV")
    store.close()
    store.close()
    for call in (store.query, store.query_readonly, store.command):
        with pytest.raises(StoreUnavailable):
            call("SELECT 1")
    again = open_store(f"chdb://{directory}", create=False)
    assert rows(again, "SELECT a FROM kept") == [{"a": 7}]
    again.close()


def test_a_missing_embedded_store_is_not_made(directory: Path) -> None:
    """Without `create` a directory that is not there is an error that says what to do."""
    with pytest.raises(ConfigError, match="spanruns up"):
        open_store(str(directory), create=False)
    assert not directory.exists()


def test_the_engine_takes_every_setting_of_its_file(directory: Path) -> None:
    """None of the settings that the engine is started with is unknown to it."""
    store = open_store(str(directory))
    wanted = {one.tag: one for one in ElementTree.parse(ENGINE_CONFIG).getroot()}
    del wanted["compression"]
    of_tables = {one.tag: float(one.text or "") for one in wanted.pop("merge_tree")}
    of_server = {name: float(one.text or "") for name, one in wanted.items()}
    for table, settings in (("server_settings", of_server), ("merge_tree_settings", of_tables)):
        found = rows(
            store,
            f"SELECT name, value FROM system.{table} WHERE changed AND name IN {{names:Array(String)}}",
            {"names": [*settings]},
        )
        assert {row["name"]: float(row["value"]) for row in found} == settings
    store.close()


@pytest.mark.parametrize(
    ("texts", "packing"), [(1, ("LZ4", "Packed", "Compact")), (70_000, ("ZSTD(3)", "Full", "Wide"))]
)
def test_small_parts_are_cheap_and_large_ones_dense(directory: Path, texts: int, packing: tuple[str, ...]) -> None:
    """How a merged part is stored goes by its size."""
    store = open_store(str(directory))
    store.command("CREATE TABLE texts (text String) ENGINE = MergeTree ORDER BY ()")
    store.command(
        f"INSERT INTO texts SELECT randomPrintableASCII(1000) FROM numbers({texts})",
        settings={"max_block_size": 100_000},
    )
    store.command("OPTIMIZE TABLE texts FINAL")
    part = rows(
        store,
        "SELECT default_compression_codec AS codec, part_storage_type AS storage, toString(part_type) AS type "
        "FROM system.parts WHERE active AND table = 'texts'",
    )
    store.close()
    assert [tuple(row.values()) for row in part] == [packing]


def test_the_engines_allocator_takes_every_option() -> None:
    """The options are in force in a process that opens a store, unless its environment has others."""
    program = (
        "import sys; from spanruns_schema.store import open_store; "
        "store = open_store(sys.argv[1]); "
        "print(store.query('SELECT * FROM system.jemalloc_stats', format='TSVRaw').decode()); store.close()"
    )
    for given, decay in (({}, "300"), ({"JE_MALLOC_CONF": "dirty_decay_ms:4000"}, "4000")):
        with tempfile.TemporaryDirectory() as directory:
            environment = {name: value for name, value in os.environ.items() if name != "JE_MALLOC_CONF"} | given
            told = subprocess.run(
                [sys.executable, "-c", program, directory], env=environment, capture_output=True, text=True, check=True
            )
        assert f"opt.dirty_decay_ms: {decay} " in told.stdout
        assert ("opt.prof: false" in told.stdout) is (not given)
        assert "Invalid conf" not in told.stderr
