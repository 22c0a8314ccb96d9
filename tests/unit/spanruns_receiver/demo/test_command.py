"""The command, where nothing runs to send to."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console
from spanruns_receiver.demo.command import Options, command_name, demo


def test_nothing_to_send_to() -> None:
    """Without a running spanruns the demo says how to get one, and fails."""
    out = io.StringIO()
    status = demo(Options(once=True, api="http://127.0.0.1:1"), Console(file=out))
    name = command_name()
    assert (status, out.getvalue()) == (
        1,
        f"Nothing answers at http://127.0.0.1:1. Start `{name} up` first, or let the demo: `{name} demo --up`.\n",
    )


@pytest.mark.parametrize(
    ("called", "path", "expected"),
    [
        ("bin/spanruns", "bin", "spanruns"),
        ("bin/spanruns", "elsewhere", "bin/spanruns"),
        ("bin/pytest", "bin", f"{Path(sys.executable).name} -m spanruns_receiver"),
    ],
    ids=["on the path", "not on the path", "as a module"],
)
def test_command_name(called: str, path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that are shown can be typed as they are."""
    program = tmp_path / "bin" / "spanruns"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / called)])
    assert command_name() == expected
