"""How far the spool is stored: the plan, kept in step by the thread that plans and the one that inserts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from spanruns_receiver.spool import Batch, Plan, Spool


class Progress:
    """The spool's plan. Batches are on disk before they are inserted; that they are stored may reach it
    later.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._plan = spool.plan_file.plan
        self._saved = True
        self._changed = threading.Condition()

    @property
    def batches(self) -> tuple[Batch, ...]:
        """Batches that are planned and not stored yet."""
        return self._plan.batches

    @property
    def next_sequence(self) -> int:
        """The first request that is in no batch yet."""
        return self._plan.next_sequence

    def begin(self, next_sequence: int, batches: Sequence[Batch]) -> None:
        """Plan `batches`, which with those before them cover everything below `next_sequence`."""
        with self._changed:
            self._save(Plan(next_sequence, (*self._plan.batches, *batches)))

    def done(self, batch: Batch) -> None:
        """`batch` is stored. Until that is on disk a crash means that it is sent again, under the same token."""
        with self._changed:
            left = tuple(other for other in self._plan.batches if other != batch)
            self._plan = replace(self._plan, batches=left)
            self._saved = False
            self._changed.notify_all()

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:
        """Put `parts` in the place of `batch`."""
        with self._changed:
            batches = self._plan.batches
            at = batches.index(batch)
            self._save(replace(self._plan, batches=(*batches[:at], *parts, *batches[at + 1 :])))

    def flush(self) -> None:
        """Bring the plan to disk, and let go of spool segments that are stored."""
        with self._changed:
            if not self._saved:
                self._save(self._plan)

    def wait_until_stored(self, timeout_s: float) -> bool:
        """Whether everything in the spool is stored, now or within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._plan.stored_below >= self._spool.next_sequence, timeout_s)

    def _save(self, plan: Plan) -> None:
        self._spool.plan_file.save(plan)
        self._plan = plan
        self._saved = True
        self._spool.release()
        self._changed.notify_all()
