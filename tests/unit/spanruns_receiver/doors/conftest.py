"""Running doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.receiver import Front, running_front


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Both doors, open to everybody, with a small size limit."""
    with running_front(tmp_path / "spool", max_request_bytes=100_000, min_free_bytes=0) as running:
        yield running
