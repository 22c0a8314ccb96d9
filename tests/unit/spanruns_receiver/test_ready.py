"""The file that tells where a process serves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from spanruns_receiver.ready import clear, told_in
from spanruns_schema.errors import ConfigError


def test_told_while_it_serves(tmp_path: Path) -> None:
    """It is there for as long as the block runs, and what was there before is gone when the process begins."""
    file = tmp_path / "ready.json"
    file.write_text("old")
    clear(file)
    assert not file.exists()
    with told_in(file, api=1):
        assert json.loads(file.read_bytes()) == {"api": 1, "pid": os.getpid()}
    assert list(tmp_path.iterdir()) == []


def test_no_file() -> None:
    """Nobody has to be told."""
    clear(None)
    with told_in(None, api=1):
        pass


@pytest.mark.parametrize("name", ["no/ready.json", "file/ready.json", "directory"])
def test_place_that_cannot_be(tmp_path: Path, name: str) -> None:
    """The message names the file, before anything is started and again when it is to be written."""
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigError, match=f"{name} cannot be written .*make its directory"):
        clear(tmp_path / name)
    with pytest.raises(ConfigError, match=f"{name} cannot be written"), told_in(tmp_path / name):
        raise AssertionError
