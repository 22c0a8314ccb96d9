"""Real spools for the receiver's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_receiver.spool import Spool, SpoolLimits

from tests.support.otlp import START_NS
from tests.support.spools import SpoolMaker


@pytest.fixture
def open_spool(tmp_path: Path) -> Iterator[SpoolMaker]:
    """`open_spool(**limits)`: a spool in the same directory each time, closed at the end."""
    opened: list[Spool] = []

    def make(*, max_bytes: int = 2**30, min_free_bytes: int = 0, segment_bytes: int = 2**20) -> Spool:
        spool = Spool(tmp_path / "spool", SpoolLimits(max_bytes, min_free_bytes, segment_bytes), clock=lambda: START_NS)
        opened.append(spool)
        return spool

    yield make
    for spool in opened:
        spool.close()
