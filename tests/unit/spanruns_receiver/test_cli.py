"""The command line: what is there, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from spanruns_receiver import cli
from spanruns_schema.errors import ConfigError, StoreUnavailable
from typer.testing import CliRunner


def test_commands_are_there() -> None:
    """Every command of the receiver is found and has a help text."""
    runner = CliRunner()
    help_text = runner.invoke(cli.create_app(), ["--help"]).output
    for name in ("up", "receive", "resolve", "schema", "spool", "doctor"):
        assert name in help_text
        assert runner.invoke(cli.create_app(), [name, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("set --store"), 2),
        (StoreUnavailable("away"), 1),
        (PermissionError(13, "Permission denied", "data/spool"), 1),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    """An error of ours, or of a file, is one line on stderr and a status: 2 for what was set wrong, 1 for what failed."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "create_app", lambda: fail)
    with pytest.raises(SystemExit) as ended:
        cli.main(["up"])
    assert (ended.value.code, capsys.readouterr().err) == (code, f"spanruns: {error}\n")


def test_console_command_without_the_receiver(tmp_path: Path) -> None:
    """Where only the instrumentation is installed the command says what to install, and ends with 2."""
    code = "import sys; sys.modules['spanruns_receiver'] = None; from spanruns._cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert 'pip install "spanruns[receiver,embedded]"' in done.stderr
