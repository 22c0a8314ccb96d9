"""Every dependency is justified, and nothing else is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def _names(requirements: list[str]) -> set[str]:
    return {match[0] for requirement in requirements if (match := NAME.match(requirement))}


def test_every_dependency_has_its_line() -> None:
    """What pyproject.toml and Cargo.toml ask for is exactly what docs/dependencies.md explains."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = _names(project["project"]["dependencies"])
    asked |= {name for group in extras.values() for name in _names(group)} - {"spanruns"}
    asked |= _names(project["dependency-groups"]["dev"])
    asked |= set(tomllib.loads((ROOT / "receiver/native/Cargo.toml").read_text())["dependencies"])
    told = {
        name
        for line in (ROOT / "docs/dependencies.md").read_text().splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    assert told - {"requests"} == asked


def test_lock_file_knows_every_dependency() -> None:
    """requirements.lock was made from this pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = _names(project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    asked |= {name for group in extras.values() for name in _names(group)} - {"spanruns"}
    locked = _names((ROOT / "requirements.lock").read_text().splitlines())
    assert {re.sub("[._-]+", "-", name).lower() for name in asked} - locked == set()
