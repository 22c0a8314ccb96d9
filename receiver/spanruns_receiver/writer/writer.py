"""Two threads that bring the spool into the store: one plans and decodes, one inserts."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spanruns_schema.errors import StoreRejected
from spanruns_schema.store import Store

from spanruns_receiver.facts import TABLE as FACTS_TABLE
from spanruns_receiver.health import Metrics
from spanruns_receiver.spool import Batch, DeadLetter, Record, Requests, Spool
from spanruns_receiver.writer.batches import Loaded, load, plan_batches, read_batch
from spanruns_receiver.writer.handoff import Handoff
from spanruns_receiver.writer.inserter import Inserter, StoppedError
from spanruns_receiver.writer.progress import Progress
from spanruns_receiver.writer.split import halves

_log = logging.getLogger(__name__)

_DECODED_AHEAD = 1
_RETRY_S = 1.0


@dataclass(frozen=True)
class Pace:
    """How large batches are and how far apart.

    The first request after a pause is stored at once. Then at least `interval_s` passes between two plans,
    and twice what the last insert took, so that the store has time to merge; full batches follow at once.
    """

    batch_bytes: int
    interval_s: float


class Writer:
    """Stores what is in `spool`, in order, with `facts` their facts too, and calls `on_stored` after
    each batch, with its block of facts where there is one."""

    def __init__(
        self,
        spool: Spool,
        store: Store,
        metrics: Metrics,
        pace: Pace,
        *,
        facts: bool = False,
        on_stored: Callable[[bytes], None] = lambda facts: None,
    ) -> None:
        self._spool = spool
        self._metrics = metrics
        self._pace = pace
        self._facts = facts
        self._on_stored = on_stored
        self._progress = Progress(spool)
        self._draining = threading.Event()
        self._stop = threading.Event()
        self._inserter = Inserter(store, metrics, self._stop)
        self._handoff: Handoff[Loaded] = Handoff(_DECODED_AHEAD)
        # What each thread has in hand: after an error that nobody expected it goes on with that.
        self._planned: deque[tuple[Batch, Requests | None]] = deque((batch, None) for batch in self._progress.batches)
        self._unstored: list[Loaded | Batch] = []
        self._planned_at = float("-inf")
        self._was_full = False
        self._last_insert_s = 0.0
        self._oldest_ns: dict[Batch, int] = {}
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
            for name, work in (("writer-decode", self._plan_and_decode), ("writer-insert", self._insert))
        ]
        metrics.spool_oldest_seconds.set_function(self._oldest_age_s)
        metrics.spool_bytes.set_function(lambda: spool.backlog_bytes)
        metrics.dead_letter_bytes.set_function(lambda: spool.dead.size_bytes)

    def start(self) -> None:
        """Begin with what an earlier process has planned, then go on with what comes in."""
        for thread in self._threads:
            thread.start()

    def wait_until_stored(self, timeout_s: float) -> bool:
        """Whether everything durable is stored, now or within `timeout_s`."""
        return self._progress.wait_until_stored(timeout_s)

    def stop(self, drain_s: float, *, leave_s: float = 30.0) -> bool:
        """Store what is left for up to `drain_s`, then end; whether nothing is left in the spool.

        An insert that the store has then not answered yet is waited for up to `leave_s`.
        """
        self._draining.set()
        self._spool.wake()
        drained = self._progress.wait_until_stored(drain_s)
        self._stop.set()
        self._handoff.close(drop=not drained)
        until = time.monotonic() + leave_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        self._progress.flush()
        return drained

    # --- the planning thread

    def _plan_and_decode(self) -> None:
        while self._hand_over_planned() and not self._rest():
            if not self._spool.wait_for(self._progress.next_sequence, self._draining.is_set):
                self._handoff.close()
                return
            self._plan()

    def _plan(self) -> None:
        first = self._progress.next_sequence
        requests, beyond = self._spool.read(first, 2**63, self._pace.batch_bytes)
        self._planned_at = time.monotonic()
        self._was_full = sum(record.size_bytes for record, _ in requests) >= self._pace.batch_bytes / 2
        planned = plan_batches(requests, first, beyond - 1, facts=self._facts)
        self._progress.begin(beyond, [batch for batch, _ in planned])
        self._planned.extend(planned)

    def _hand_over_planned(self) -> bool:
        """Decode what is planned, for the other thread; False when that has ended."""
        while self._planned:
            # What has no place yet is not decoded either: so two batches are in memory, one with each thread.
            if not self._handoff.wait_for_room():
                return False
            loaded = self._decoded(*self._planned[0])
            # Rows that wait for the other thread are in memory once: the spool has their requests.
            self._planned[0] = (loaded.batch, None)
            if not self._handoff.put(loaded):
                return False
            self._planned.popleft()
        return True

    def _decoded(self, batch: Batch, requests: Requests | None) -> Loaded:
        if requests is None:
            requests = read_batch(self._spool, batch)
        if requests:
            self._oldest_ns[batch] = requests[0][0].received_at_ns
        started = time.perf_counter()
        loaded = load(batch, requests, facts=self._facts)
        self._metrics.decode_seconds.labels(batch.signal).observe(time.perf_counter() - started)
        for reason, count in loaded.decoded.cleaned.items():
            self._metrics.cleaned_values.labels(reason).inc(count)
        return loaded

    def _rest(self) -> bool:
        """Keep the distance to the plan before; whether to stop."""
        rest_s = 0.0
        if not self._was_full and not self._draining.is_set():
            distance_s = max(self._pace.interval_s, 2 * self._last_insert_s)
            rest_s = self._planned_at + distance_s - time.monotonic()
        if rest_s > 0:
            self._draining.wait(rest_s)
        return self._stop.is_set()

    # --- the inserting thread

    def _insert(self) -> None:
        while True:
            if not self._unstored:
                loaded = self._handoff.get()
                if loaded is None:
                    return
                self._unstored.append(loaded)
            busy_s = self._inserter.busy_s
            while self._unstored:
                parts, facts = self._store(self._unstored[-1])
                self._unstored[-1:] = reversed(parts)
                self._on_stored(facts)
            self._last_insert_s = self._inserter.busy_s - busy_s
            if self._handoff.empty():
                self._progress.flush()

    def _store(self, item: Loaded | Batch) -> tuple[list[Batch], bytes]:
        """Store a batch; returns the parts that are to be stored in its place where the store refused it, and the facts it took."""
        loaded = item if isinstance(item, Loaded) else load(item, read_batch(self._spool, item), facts=self._facts)
        for refused in loaded.refused:
            self._bury(refused.record, refused.payload, loaded.batch, "", refused.reason, 0)
        rejected: dict[str, StoreRejected] = {}
        for table, block in loaded.blocks.items():
            refusal = self._inserter.insert(table, block, loaded.token(table), loaded.settings)
            if refusal is not None:
                rejected[table] = refusal
        if rejected:
            parts = self._parts(loaded, rejected)
            self._progress.split(loaded.batch, parts)
        else:
            parts = []
            self._progress.done(loaded.batch)
        self._measure(loaded)
        facts = loaded.blocks.get(FACTS_TABLE)
        return parts, facts.native if facts and FACTS_TABLE not in rejected else b""

    def _parts(self, loaded: Loaded, rejected: dict[str, StoreRejected]) -> list[Batch]:
        """The halves of what the store did not take whole; what is a single item is put aside."""
        parts: list[Batch] = []
        for table, refusal in rejected.items():
            cut = halves(loaded.batch, table, loaded.records)
            if cut:
                self._metrics.splits.inc()
                parts += cut
            else:
                item = next(one for one in read_batch(self._spool, loaded.batch) if one[0] == loaded.records[0])
                self._bury(*item, loaded.batch, table, str(refusal), refusal.code)
        return parts

    def _bury(self, record: Record, payload: bytes, batch: Batch, table: str, reason: str, code: int) -> None:
        start, end = batch.items or (0, record.items)
        name = "-".join(str(part) for part in (record.sequence, start, end, table or record.signal))
        letter = DeadLetter(name, record.signal, table, reason, code, end - start, record.received_at_ns, len(payload))
        _log.error("put aside as dead letter %s: %s", name, reason)
        self._spool.dead.add(letter, payload)
        self._metrics.dead_letters.labels(record.signal).inc(end - start)

    def _measure(self, loaded: Loaded) -> None:
        self._oldest_ns.pop(loaded.batch, None)
        self._metrics.batches.labels(loaded.batch.signal).inc()
        now_ns = time.time_ns()
        for record in loaded.records:
            self._metrics.lag_seconds.observe(max(0, now_ns - record.received_at_ns) / 1e9)

    def _oldest_age_s(self) -> float:
        oldest = min(list(self._oldest_ns.values()), default=0)
        return max(0.0, (time.time_ns() - oldest) / 1e9) if oldest else 0.0

    # --- both

    def _guard(self, work: Callable[[], None]) -> None:
        """Run `work`, and again after an error that nobody expected: nothing is lost by it."""
        while not self._stop.is_set():
            try:
                work()
                return
            except StoppedError:
                return
            except Exception:
                _log.exception("the writer failed; it goes on in %s s", _RETRY_S)
                self._stop.wait(_RETRY_S)
