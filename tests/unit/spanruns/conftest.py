"""Errors of our own code are failures here, and nothing that one test said is remembered by the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spanruns import _guard
from spanruns.testing import Captured, capture


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """Raise what the guard would swallow."""
    _guard.reset()
    with _guard.raising():
        yield
    _guard.reset()


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What the test records."""
    with capture() as found:
        yield found
