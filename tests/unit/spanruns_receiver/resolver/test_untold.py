"""What is not told is no failure: every capture, as if its contents had been switched off."""

from __future__ import annotations

import pytest

from tests.support.resolving import FIXTURES, Bench, request
from tests.support.untold import INPUT, OUTPUT, without

CAPTURES = sorted(path.stem for path in (FIXTURES / "otlp").glob("*.pb"))
ILL = {"failed", "cancelled"}

Rows = set[tuple[str, str, str]]


@pytest.fixture(scope="module")
def told(shared_bench: Bench) -> Rows:
    """What did not end well, with all contents."""
    return ill(shared_bench, *map(request, CAPTURES))


def ill(bench: Bench, *payloads: bytes) -> Rows:
    """Which spans are the runs and calls that did not end well."""
    found = bench.rows_of(*payloads).items()
    return {(table, row["trace_id"], row["span_id"]) for table, rows in found for row in rows if row["status"] in ILL}


@pytest.mark.parametrize("fields", [(*INPUT, *OUTPUT), INPUT, ("output",)], ids=["contents", "inputs", "outputs"])
def test_nothing_fails_for_lack_of_contents(shared_bench: Bench, told: Rows, fields: tuple[str, ...]) -> None:
    """Without contents no run and no call is failed or cancelled that is not so with them."""
    assert ill(shared_bench, *(without(request(name), *fields) for name in CAPTURES)) - told == set()
