"""Dashboards as files that Grafana provisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from spanruns_grafana import runs
from spanruns_grafana.datasource import Json

DIRECTORY = Path(__file__).with_name("dashboards")
DASHBOARDS: dict[str, Callable[[], Json]] = {"runs": runs.build}
"""What builds each dashboard, by the name of its file."""


def files() -> dict[str, str]:
    """The text of every file, by its name."""
    return {
        f"{name}.json": json.dumps(build(), indent=2, ensure_ascii=False) + "\n" for name, build in DASHBOARDS.items()
    }


def write(directory: Path = DIRECTORY) -> list[Path]:
    """Write every file into `directory` (made if missing); returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files().items():
        path = directory / name
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written
