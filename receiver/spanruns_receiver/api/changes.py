"""What happened to runs: rows of `runs_changed` as events."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spanruns_receiver.api.cursor import FOREIGN, decoded, encoded
from spanruns_receiver.api.errors import BadParameter
from spanruns_receiver.api.reader import Reader

LIVE = frozenset({"queued", "running", "waiting"})
FAILED = frozenset({"failed", "lost"})
# A live run that nobody remembers has just started if it did so this shortly before it changed.
JUST_S = 60
# Runs that started longer ago are not looked at: the resolver writes recent rows, and a scan of all would cost.
LOOK_BACK = timedelta(days=8)
PAGE = 500
MAX_REMEMBERED = 50_000


@dataclass(frozen=True)
class Position:
    """How far changes have been told."""

    changed_us: int
    run_id: str = ""

    @classmethod
    def now(cls) -> Position:
        """Everything up to this moment has been told."""
        return cls(time.time_ns() // 1000)

    def back(self, seconds: float) -> Position:
        """So much earlier: changes become visible a little after the moment that they carry."""
        return Position(max(0, self.changed_us - round(seconds * 1e6)))

    def encode(self) -> str:
        """As an event id: one line, whatever the run id is."""
        return encoded([self.changed_us, self.run_id])

    @classmethod
    def decode(cls, text: str, parameter: str) -> Position:
        """What `encode` gave. Raises `BadParameter` naming `parameter` for anything else."""
        try:
            changed_us, run_id = decoded(text)
            if not isinstance(run_id, str) or not 0 <= int(changed_us) < 2**63:
                raise ValueError("no position")
        except (ValueError, TypeError, OverflowError) as error:
            raise BadParameter(parameter, FOREIGN) from error
        return cls(int(changed_us), run_id)


@dataclass(frozen=True)
class Change:
    """One event."""

    event: str
    position: Position
    run: dict[str, Any]


def read(reader: Reader, after: Position, limit: int = PAGE) -> list[Change]:
    """At most `limit` changes after a position, oldest first."""
    found = reader.view(
        "runs_changed",
        {
            "after_us": after.changed_us,
            "after_id": after.run_id,
            "from": datetime.now(UTC) - LOOK_BACK,
            "limit": limit,
        },
    )
    return [_change(row) for row in found]


def _change(row: dict[str, Any]) -> Change:
    changed_us = int(row.pop("changed_us"))
    return Change(_event(row, changed_us), Position(changed_us, row["run_id"]), row)


def _event(run: dict[str, Any], changed_us: int) -> str:
    if run["status"] not in LIVE:
        return "run_failed" if run["status"] in FAILED else "run_completed"
    since_s = changed_us / 1e6 - datetime.fromisoformat(run["started_at"]).timestamp()
    return "run_started" if since_s < JUST_S else "run_updated"


class Memory:
    """What has been told, so that nothing is told twice, and a start or an end only once."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def fresh(self, changes: Iterable[Change]) -> list[Change]:
        """The changes that were not told yet; what is no news of its run becomes `run_updated`."""
        found = []
        for change in changes:
            run_id, status = change.run["run_id"], change.run["status"]
            known = self._told.get(run_id)
            if known and known[0] >= change.position.changed_us:
                continue
            told = change.event
            if known and (known[1] == status or status in LIVE):
                told = "run_updated"
            self._told[run_id] = (change.position.changed_us, status)
            self._told.move_to_end(run_id)
            if len(self._told) > MAX_REMEMBERED:
                self._told.popitem(last=False)
            found.append(Change(told, change.position, change.run))
        return found
