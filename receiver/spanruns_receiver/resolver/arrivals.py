"""Which traces got new facts: asked of the store, whoever wrote them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Store

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.times import from_us, to_us

OVERLAP_S = 30.0
"""How far back each look goes: an insert becomes visible a little later than the time it carries."""

LOOK_FACTS = 1_000_000
"""About how many facts one look takes at most: who is behind need not know of all traces at once."""


NEVER_S = 9_223_372_036_854
"""Later than any time."""


class Touched(NamedTuple):
    """A trace that got facts: whether one of them changes what a run is, when the first and the last began (unix time; NEVER_S
    where they are contents only), and the number of the block that they came in (see `Recent`; -1: they were found in the store)."""

    trace_id: str
    urgent: bool
    start_s: int
    end_s: int
    block: int = -1


class Arrivals:
    """Inserts of facts into `store` after a time. Those of one insert all carry its time, so looking for new ones costs little."""

    def __init__(self, store: Store, after: datetime) -> None:
        self._store = store
        self.after = after
        self.is_behind = False
        """Whether the last look left something to the next."""
        self._seen: dict[int, int] = {}  # facts seen so far of every insert after that, by its time

    def look(self) -> Iterator[Touched]:
        """Traces with facts that were not there at the last look, oldest inserts first."""
        bound = datetime.now(UTC)
        found = native.read(self._store.query(sql("arrived"), {"after": self.after}))
        arrived = dict(zip(found["inserted_us"].tolist(), found["facts"].tolist(), strict=True)) if found else {}
        fresh = sorted(at for at, facts in arrived.items() if facts > self._seen.get(at, 0))
        count = bisect_left([*accumulate(arrived[at] for at in fresh)], LOOK_FACTS) + 1
        fresh, left = fresh[:count], fresh[count:]
        if fresh:
            inserts: dict[str, Parameter] = {"from": from_us(fresh[0]), "to": from_us(fresh[-1]), "inserts": fresh}
            touched = native.read(self._store.query(sql("touched"), inserts))
            if touched:
                numbers = (touched[column].tolist() for column in ("urgent", "start_s", "end_s"))
                for name, urgent, start_s, end_s in zip(touched["trace_id"].strings(), *numbers, strict=True):
                    yield Touched(name, bool(urgent), start_s, end_s)
        self._seen = arrived | {at: self._seen.get(at, 0) for at in left}
        self.is_behind = bool(left)
        self.skip_until(from_us(left[0]) if left else bound)

    def skip_until(self, at: datetime) -> None:
        """Take all inserts until `at` for seen."""
        self.after = max(self.after, at - timedelta(seconds=OVERLAP_S))
        oldest = to_us(self.after)
        self._seen = {at: facts for at, facts in self._seen.items() if at > oldest}
