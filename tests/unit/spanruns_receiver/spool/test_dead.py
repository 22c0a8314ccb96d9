"""Dead letters on disk."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from spanruns_receiver.spool import DeadLetter, DeadLetters
from spanruns_receiver.spool import dead as dead_module

from tests.support.otlp import START_NS, traces
from tests.support.spools import SpoolMaker, put


def letter(name: str) -> DeadLetter:
    """A letter of one span."""
    return DeadLetter(name, "traces", "otel_traces", "Code: 6", 6, 1, START_NS, len(traces(1)))


def flipped(path: Path) -> None:
    """Change one bit of the file."""
    data = bytearray(path.read_bytes())
    data[random.Random(7).randrange(len(data))] ^= 64
    path.write_bytes(data)


def of_another_version(path: Path) -> None:
    """Add a field."""
    path.write_text(json.dumps({**asdict(letter("2")), "since": "0.9"}))


DAMAGE: list[Callable[[Path], object]] = [
    flipped,
    of_another_version,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(bytes(100)),
    lambda path: path.write_text(json.dumps(asdict(letter("3")))),
    lambda path: path.write_text(json.dumps({**asdict(letter("2")), "signal": "profiles"})),
    lambda path: path.write_text("[]"),
    lambda path: path.with_suffix(".pb").unlink(),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_letter(
    open_spool: SpoolMaker, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """A letter that cannot be read hinders neither the start nor the others; the log names it, and its files stay."""
    spool = open_spool()
    for name in ("1", "2", "4"):
        spool.dead.add(letter(name), traces(1))
    spool.close()
    damage(spool.directory / "dead" / "2.json")
    left = sorted((spool.directory / "dead").iterdir())
    again = open_spool()
    put(again, traces(1))
    with caplog.at_level(logging.ERROR):
        assert [found.name for found in again.dead] == ["1", "4"]
    (said,) = caplog.messages
    assert "2.json" in said
    assert "2.pb" in said
    assert sorted((spool.directory / "dead").iterdir()) == left


def test_letters_that_another_process_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their room is free again without a restart."""
    monkeypatch.setattr(dead_module, "_SIZE_MAX_AGE_S", 0)
    ours, theirs = DeadLetters(tmp_path / "dead"), DeadLetters(tmp_path / "dead")
    ours.add(letter("1"), traces(1))
    ours.add(letter("2"), traces(1))
    assert ours.size_bytes == 2 * len(traces(1))
    theirs.remove(letter("1"))
    assert ours.size_bytes == len(traces(1))
