"""The plan file."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.spool.plan import _SLOT, SLOT_BYTES, Batch, Plan, PlanFile, read_plan
from spanruns_schema.errors import ConfigError

FIRST = Plan(10, (Batch("traces", 1, 9), Batch("logs", 2, 8)))
SECOND = Plan(20, (Batch("metrics", 3, 5, "otel_metrics_sum"), Batch("traces", 7, 7, "otel_traces", (0, 4))))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the plan is."""
    return tmp_path / "plan"


def saved(path: Path, *plans: Plan) -> None:
    """Save one plan after the other."""
    file = PlanFile(path)
    for plan in plans:
        file.save(plan)
    file.close()


def test_nothing_is_planned_at_first(path: Path) -> None:
    """A new file has an empty plan, and so has no file."""
    assert read_plan(path) == Plan()
    file = PlanFile(path)
    assert file.plan == Plan()
    file.close()
    assert read_plan(path) == Plan()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_last_plan_is_found_again(path: Path, count: int) -> None:
    """Whichever slot it is in, the last plan that was saved is the plan."""
    plans = [FIRST, SECOND, FIRST, SECOND][:count]
    saved(path, *plans)
    assert read_plan(path) == plans[-1]
    file = PlanFile(path)
    assert file.plan == plans[-1]
    file.save(Plan(99))
    file.close()
    assert read_plan(path) == Plan(99)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.binary(min_size=1, max_size=60))
def test_torn_write_leaves_the_plan_before(tmp_path_factory: pytest.TempPathFactory, offset: int, noise: bytes) -> None:
    """Whatever a torn write made of the second slot, the plan is the first or the second, never another."""
    path = tmp_path_factory.mktemp("plan") / "plan"
    saved(path, FIRST, SECOND)
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(noise)] = noise
    path.write_bytes(bytes(raw))
    assert read_plan(path) in (FIRST, SECOND)
    assert len(raw) == 2 * SLOT_BYTES


def test_what_is_stored() -> None:
    """Everything before the first batch that is not stored is stored."""
    assert Plan(5).stored_below == 5
    assert FIRST.stored_below == 1
    assert SECOND.stored_below == 3


def test_plan_that_does_not_fit_is_an_error(path: Path) -> None:
    """A plan larger than its slot is refused, and the one before stays."""
    file = PlanFile(path)
    file.save(FIRST)
    with pytest.raises(ConfigError, match="2000 batches does not fit"):
        file.save(Plan(1, (Batch("traces", 1, 2),) * 2000))
    file.close()
    assert read_plan(path) == FIRST


def test_both_slots_lost_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When no plan can be read the log says what that means."""
    saved(path, FIRST, SECOND)
    path.write_bytes(b"\xff" * 2 * SLOT_BYTES)
    assert read_plan(path) == Plan()
    assert "may be inserted a second time" in caplog.text


def test_plan_of_a_newer_version(path: Path) -> None:
    """It is refused with what to do, whether its form or its fields are new; nothing of it is changed."""
    saved(path, FIRST)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"SPRPLAN1", b"SPRPLAN2"))
    with pytest.raises(ConfigError, match=r"newer version .*--data"):
        PlanFile(path)
    with pytest.raises(ConfigError, match="newer version"):
        read_plan(path)
    body = raw[SLOT_BYTES + _SLOT.size :].rstrip(b"\0").replace(b'"alone":', b'"urgent":true,"alone":')
    path.write_bytes(bytes(SLOT_BYTES) + _SLOT.pack(b"SPRPLAN1", 1, len(body), zlib.crc32(body, 1)) + body)
    with pytest.raises(ConfigError, match="newer version"):
        PlanFile(path)


def test_turned_bit_in_the_version(path: Path) -> None:
    """Where the other slot has a plan of ours, it is damage and not another version."""
    saved(path, FIRST, SECOND)
    path.write_bytes(path.read_bytes().replace(b"SPRPLAN1", b"SPRPLAN3", 1))
    assert read_plan(path) == FIRST
