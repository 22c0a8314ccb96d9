"""Which traces got new facts: asked of the store, whoever wrote them, or told by the writer of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Store

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.times import from_us, to_us

OVERLAP_S = 30.0
"""How far back each look goes: an insert becomes visible a little later than the time it carries."""

INBOX_BYTES = 64 << 20
"""Blocks that may wait for the next pass; what comes beyond is looked up in the store."""


class Touched(NamedTuple):
    """A trace that got facts: whether one of them changes what a run is, and when the first and the last began (unix time)."""

    trace_id: str
    urgent: bool
    start_s: int
    end_s: int


class Arrivals:
    """Inserts of facts into `store` after a time. Those of one insert all carry its time, so looking for new ones costs little."""

    def __init__(self, store: Store, after: datetime) -> None:
        self._store = store
        self.after = after
        self._seen: dict[int, int] = {}  # facts seen so far of every insert after that, by its time

    def look(self) -> Iterator[Touched]:
        """Traces with facts that were not there at the last look."""
        bound = datetime.now(UTC)
        found = native.read(self._store.query(sql("arrived"), {"after": self.after}))
        arrived = dict(zip(found["inserted_us"].tolist(), found["facts"].tolist(), strict=True)) if found else {}
        fresh = sorted(at for at, facts in arrived.items() if facts > self._seen.get(at, 0))
        if fresh:
            inserts: dict[str, Parameter] = {"from": from_us(fresh[0]), "to": from_us(fresh[-1]), "inserts": fresh}
            touched = native.read(self._store.query(sql("touched"), inserts))
            if touched:
                numbers = (touched[column].tolist() for column in ("urgent", "start_s", "end_s"))
                for name, urgent, start_s, end_s in zip(touched["trace_id"].strings(), *numbers, strict=True):
                    yield Touched(name, bool(urgent), start_s, end_s)
        self._seen = arrived
        self.skip_until(bound)

    def skip_until(self, at: datetime) -> None:
        """Take all inserts until `at` for seen."""
        self.after = max(self.after, at - timedelta(seconds=OVERLAP_S))
        oldest = to_us(self.after)
        self._seen = {at: facts for at, facts in self._seen.items() if at > oldest}


class Inbox:
    """Blocks of facts on their way from the thread that wrote them to the one that resolves."""

    def __init__(self, limit_bytes: int = INBOX_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._blocks: list[bytes] = []
        self._bytes = 0
        self._is_whole = True

    def put(self, block: bytes) -> None:
        """Add one, or note that one is missing."""
        with self._lock:
            if self._bytes + len(block) > self._limit_bytes:
                self._is_whole = False
            else:
                self._blocks.append(block)
                self._bytes += len(block)

    def take(self) -> tuple[list[bytes], bool]:
        """What came since the last time, and whether that is all."""
        with self._lock:
            taken = self._blocks, self._is_whole
            self._blocks, self._bytes, self._is_whole = [], 0, True
        return taken
