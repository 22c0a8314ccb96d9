"""What the demo has seen of each run, and how soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from spanruns_receiver.demo.client import Row
from spanruns_receiver.demo.scenarios import Expected

ENDED = frozenset({"success", "failed", "cancelled"})


@dataclass
class Seen:
    """A run as the API answered it last."""

    row: Row
    after_start_s: float | None = None
    """Seconds from its start until it was answered for the first time, if it was still going on then."""
    after_end_s: float | None = None
    """Seconds from its end until it was answered as ended."""

    @property
    def has_ended(self) -> bool:
        """Whether its end has been answered."""
        return self.row["status"] in ENDED


class Watch:
    """Every run of the demo, newest first."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def update(self, rows: Iterable[Row], now: datetime) -> list[Seen]:
        """Take in an answer that came at `now`; gives the runs that are new or have another status, oldest first."""
        changed = []
        for row in rows:
            known = self._seen.get(row["run_id"])
            before = known.row["status"] if known else None
            seen = known or self._seen.setdefault(row["run_id"], Seen(row))
            seen.row = row
            if seen.has_ended:
                if seen.after_end_s is None:
                    seen.after_end_s = _seconds(row["ended_at"], now)
            elif known is None:
                seen.after_start_s = _seconds(row["started_at"], now)
            if row["status"] != before:
                changed.append(seen)
        return sorted(changed, key=_started)

    def newest(self, count: int) -> Sequence[Seen]:
        """The `count` runs that started last, newest first, each followed by those that it started."""
        newest = sorted(self._seen.values(), key=_started, reverse=True)[:count]
        ids = {seen.row["run_id"] for seen in newest}
        below: dict[str, list[Seen]] = {}
        for seen in reversed(newest):
            below.setdefault(seen.row["parent_run_id"], []).append(seen)

        def family(seen: Seen) -> Iterator[Seen]:
            yield seen
            for child in below.get(seen.row["run_id"], ()):
                yield from family(child)

        heads = (seen for seen in newest if seen.row["parent_run_id"] not in ids)
        return [member for head in heads for member in family(head)]

    def missing(self, expected: Iterable[Expected]) -> list[Expected]:
        """Of the expected runs those that have not been answered with their status."""
        found = Counter(
            Expected(seen.row["service_name"], seen.row["agent_name"], seen.row["status"])
            for seen in self._seen.values()
        )
        return sorted((Counter(expected) - found).elements())


def _started(seen: Seen) -> datetime:
    return datetime.fromisoformat(seen.row["started_at"])


def _seconds(since: str | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - datetime.fromisoformat(since)).total_seconds())
