"""The facts that the receiver makes are those that the store's views make."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spanruns_receiver.decode import DEFAULT_LIMITS, Signal, portable
from spanruns_receiver.facts import NAMES, TABLE, package_facts
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore

from tests.support.odd_requests import OddRequests

FIXTURES = Path(__file__).parents[3] / "fixtures" / "otlp"
PAYLOADS = sorted(FIXTURES.glob("*.pb"))

# A seed cannot be made simpler.
QUICK = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Mapped:
    """A store that maps rows itself, and the same rows with facts made here."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        migrate.apply(store)
        for table in ("otel_traces", "otel_logs", "otel_traces_trace_id_ts", TABLE):
            store.command(f"ALTER TABLE {table} REMOVE TTL")

    def compare(self, signal: Signal, *payloads: bytes) -> int:
        """Hold both against each other; returns how many facts there are."""
        raw, facts = self._decode(signal, payloads)
        self._store.insert(f"otel_{signal}", raw.columns, raw.native)
        by_view = self._take()
        if facts:
            self._store.insert(TABLE, facts.columns, facts.native)
        by_writer = self._take()
        assert [row["span_id"] for row in by_writer] == [row["span_id"] for row in by_view]
        for ours, theirs in zip(by_writer, by_view, strict=True):
            differing = {name: (ours[name], theirs[name]) for name in ours if not _same(ours[name], theirs[name])}
            assert not differing, (differing, theirs)
        return len(by_view)

    @staticmethod
    def _decode(signal: Signal, payloads: Sequence[bytes]) -> Any:
        blocks = portable.decode(signal, payloads, DEFAULT_LIMITS, (), package_facts()).blocks
        return blocks[f"otel_{signal}"], blocks.get(TABLE)

    def _take(self) -> list[dict[str, Any]]:
        names = ", ".join(NAMES)
        text = self._store.query(
            f"SELECT {names} FROM {TABLE} ORDER BY ALL",
            format="JSONEachRow",
            settings={"output_format_json_quote_64bit_integers": 0, "output_format_json_quote_denormals": 1},
        )
        for table in ("otel_traces", "otel_logs", TABLE):
            self._store.command(f"TRUNCATE TABLE {table}")
        return [json.loads(line) for line in text.decode(errors="surrogateescape").split("\n") if line]


def _same(ours: Any, theirs: Any) -> bool:
    """Equal; doubles that differ in the last digit were read by ClickHouse's fast, inexact parser."""
    if isinstance(ours, float) and isinstance(theirs, float | int):
        return math.isclose(ours, theirs, rel_tol=1e-15)
    return bool(ours == theirs)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapped]:
    """The store that both are compared in."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield Mapped(store)
    store.close()


def test_captures(mapped: Mapped) -> None:
    """What real frameworks sent."""
    assert mapped.compare("traces", *(file.read_bytes() for file in PAYLOADS)) > len(PAYLOADS)


def test_captured_records(mapped: Mapped) -> None:
    """Contents that real frameworks sent as log records, among what they log besides."""
    records = sorted((FIXTURES.parent / "logs").glob("*.pb"))
    assert mapped.compare("logs", *(file.read_bytes() for file in records)) > 3 * len(records)


@settings(QUICK, max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_odd_spans(mapped: Mapped, seed: int) -> None:
    """Spans with what the data names, right and wrong."""
    assert mapped.compare("traces", OddRequests(Random(seed)).spans(400)) == 400


@settings(QUICK, max_examples=4)
@given(seed=st.integers(0, 2**32))
def test_odd_records(mapped: Mapped, seed: int) -> None:
    """Records of the life cycle, and others that look like them."""
    assert mapped.compare("logs", OddRequests(Random(seed)).records(200)) > 50
