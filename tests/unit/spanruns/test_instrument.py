"""The environment of an instrumented program."""

from __future__ import annotations

import os

import pytest
from spanruns._instrument import BOOT, USAGE, environment, main


def test_our_folder_is_first_on_the_path() -> None:
    """Before what is there, and once."""
    assert environment({})["PYTHONPATH"] == str(BOOT)
    found = environment({"PYTHONPATH": os.pathsep.join(["/a", str(BOOT), "/b"]), "X": "1"})
    assert found == {"PYTHONPATH": os.pathsep.join([str(BOOT), "/a", "/b"]), "X": "1"}


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command it says how it is used."""
    assert (main([]), main(["--help"])) == (2, 0)
    assert capsys.readouterr().err == USAGE * 2


def test_boot_folder_has_nothing_but_sitecustomize() -> None:
    """Whatever else were in it would shadow modules of the service."""
    assert [path.name for path in BOOT.iterdir() if path.suffix] == ["sitecustomize.py"]
