"""Types of the public names, as users' type checkers see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SERVICE = ROOT / "tests" / "support" / "typed_service.py"


def check(path: Path, folder: Path) -> list[str]:
    """What pyright's strict mode has to say about a file of a service."""
    config = folder / "pyrightconfig.json"
    settings = {
        "include": [str(path)],
        "extraPaths": [str(ROOT / "instrumentation")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
    }
    config.write_text(json.dumps(settings))
    command = [str(Path(sys.executable).parent / "basedpyright"), "--outputjson", "--project", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [f"{item['range']['start']['line'] + 1}: {item['message']}" for item in found if item["severity"] == "error"]


def test_service_is_clean_in_strict_mode(tmp_path: Path) -> None:
    """Decorated callables keep their signatures, and everything given has a type."""
    assert check(SERVICE, tmp_path) == []


def test_wrong_use_is_found(tmp_path: Path) -> None:
    """A wrong argument of a decorated function or of ours is an error for the checker."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import spanruns\n"
        "@spanruns.tool\n"
        "def add(a: int, b: int) -> int:\n"
        "    return a + b\n"
        "add('x', 2)\n"
        "spanruns.run('r', kind='robot')\n"
    )
    assert [line.partition(":")[0] for line in check(wrong, tmp_path)] == ["5", "6"]
