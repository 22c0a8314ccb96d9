"""Captured requests of real frameworks, received and resolved: what the store must hold afterwards."""

from __future__ import annotations

import pytest

from tests.support.resolving import Bench, differences, expected_outcomes, request

EXPECTED = expected_outcomes()


@pytest.mark.parametrize("name", EXPECTED)
def test_fixture(bench: Bench, name: str) -> None:
    """Every run, tool call and model call of the capture is there, once, with its status, parent and tokens."""
    bench.receive(*(request(file) for file in EXPECTED[name]["files"]))
    bench.resolve()
    assert differences(EXPECTED[name], bench.outcome()) == []
