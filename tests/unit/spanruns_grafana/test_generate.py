"""Dashboards as files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from spanruns_grafana.generate import DASHBOARDS, DIRECTORY, files, write


def test_the_committed_files_are_what_the_code_builds() -> None:
    """`python -m spanruns_grafana` changes nothing."""
    assert {path.name: path.read_text() for path in DIRECTORY.iterdir()} == files()


def test_building_twice_gives_the_same() -> None:
    """What is built depends on nothing but the code."""
    assert files() == files()


def test_files_are_written(tmp_path: Path) -> None:
    """Every dashboard has a file, in a directory that is made."""
    written = write(tmp_path / "new")
    assert {path.name: path.read_text() for path in written} == files()
    assert {path.stem for path in written} == DASHBOARDS.keys()


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    """It writes where it is told and prints the paths."""
    done = subprocess.run(
        [sys.executable, "-m", "spanruns_grafana", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [str(tmp_path / name) for name in files()]
    assert {path.name for path in tmp_path.iterdir()} == files().keys()


def test_dashboards_are_told_apart() -> None:
    """Grafana takes a dashboard from a file only if nobody else has its uid or title."""
    built = [json.loads(content) for content in files().values()]
    for key in ("uid", "title"):
        values = [dashboard[key] for dashboard in built]
        assert len(set(values)) == len(values)
        assert all(values)
    assert all(len(dashboard["uid"]) <= 40 for dashboard in built)
