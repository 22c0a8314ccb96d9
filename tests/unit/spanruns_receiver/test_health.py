"""Numbers a receiver tells of itself, and whether it would take data."""

from __future__ import annotations

from pathlib import Path

from spanruns_receiver.health import Health

REFERENCE = Path(__file__).parents[3] / "docs" / "receiver.md"


def test_ready_until_a_check_objects() -> None:
    """It is ready as long as no check gives a reason; every reason is told."""
    found = Health()
    assert (found.ready(), found.refusals()) == (True, [])
    found.checks += [lambda: "", lambda: "the disk is full", lambda: "the spool is full"]
    assert (found.ready(), found.refusals()) == (False, ["the disk is full", "the spool is full"])


def test_text() -> None:
    """The text has our counters and the process' own numbers."""
    found = Health()
    found.metrics.accepted_items.labels("traces").inc(3)
    lines = found.prometheus_text().decode().splitlines()
    assert 'spanruns_receiver_accepted_items_total{signal="traces"} 3.0' in lines
    assert any(line.startswith("process_cpu_seconds_total ") for line in lines)


def test_numbers_of_two_receivers() -> None:
    """Two receivers in one process do not mix them."""
    mine = Health()
    mine.metrics.splits.inc()
    assert b"spanruns_receiver_batch_splits_total 1.0" in mine.prometheus_text()
    assert b"spanruns_receiver_batch_splits_total 0.0" in Health().prometheus_text()


def test_every_metric_is_documented() -> None:
    """The operator's page names every metric of ours."""
    text = REFERENCE.read_text()
    names = {
        line.split()[2]
        for line in Health().prometheus_text().decode().splitlines()
        if line.startswith("# TYPE spanruns_") and not line.split()[2].endswith("_created")
    }
    assert {name for name in names if f"`{name}`" not in text} == set()
