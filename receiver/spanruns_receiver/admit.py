"""The one function behind both doors: check a request, make it durable, say what became of it."""

from __future__ import annotations

import time
from concurrent.futures import Future

from spanruns_schema.errors import Overloaded, TooLarge

from spanruns_receiver.decode import validate
from spanruns_receiver.health import Metrics
from spanruns_receiver.memory import MemoryBudget
from spanruns_receiver.recent import RecentRequests
from spanruns_receiver.signals import ExportResult, Signal
from spanruns_receiver.spool import Spool

# A disk that takes longer than this to sync has failed, or is about to.
_DURABLE_TIMEOUT_S = 30.0


class Admission:
    """Takes requests into the spool. Methods may be called from any thread."""

    def __init__(
        self,
        spool: Spool,
        metrics: Metrics,
        *,
        max_request_bytes: int,
        memory: MemoryBudget,
        recent: RecentRequests | None,
    ) -> None:
        self.max_request_bytes = max_request_bytes
        self.memory = memory
        self._spool = spool
        self.metrics = metrics
        self._recent = recent
        metrics.memory_bytes.set_function(lambda: memory.used_bytes)

    def export(
        self, signal: Signal, payload: bytes, *, door: str, again: bool = False, table: str = ""
    ) -> ExportResult:
        """Make one protobuf `Export*ServiceRequest` durable; one that is sent `again` on purpose is taken
        again, for `table` only if one is given. The caller holds the memory for it.

        Returns only when the request would survive a power cut, or when there is nothing in it to keep.
        Raises `Malformed` or `TooLarge` (repeating is useless), or `Overloaded` (nothing was taken, try again
        later).
        """
        started = time.perf_counter()
        result, outcome = self._export(signal, payload, again, table)
        self.metrics.requests.labels(door, outcome).inc()
        self.metrics.acknowledge_seconds.observe(time.perf_counter() - started)
        return result

    def refused(self, door: str, error: BaseException) -> None:
        """Count a request that was refused with `error`."""
        self.metrics.requests.labels(door, type(error).__name__).inc()

    def refusal(self) -> str:
        """Why a request would be refused now, empty when it would not."""
        return self._spool.refusal()

    def _export(self, signal: Signal, payload: bytes, again: bool, table: str) -> tuple[ExportResult, str]:
        if len(payload) > self.max_request_bytes:
            raise TooLarge(f"the request has {len(payload)} bytes, the limit is {self.max_request_bytes}")
        metrics = self.metrics
        metrics.received_bytes.labels(signal).inc(len(payload))
        checked = validate(signal, payload)
        accepted = checked.items - checked.rejected
        result = ExportResult(accepted, checked.rejected, checked.message)
        if checked.rejected:
            metrics.rejected_items.labels(signal).inc(checked.rejected)
        if not accepted:
            return result, "empty"
        if self._made_durable(signal, payload, checked.items, again, table):
            metrics.accepted_items.labels(signal).inc(accepted)
            return result, "accepted"
        metrics.repeated_items.labels(signal).inc(accepted)
        return result, "repeated"

    def _made_durable(self, signal: Signal, payload: bytes, items: int, again: bool, table: str) -> bool:
        """Whether the request is new; either way it is durable on return."""
        digest = self._spool.digest(signal, payload)

        def append() -> Future[int]:
            return self._spool.append(signal, payload, items, digest, table)

        if again or self._recent is None:
            future: Future[int] | None = append()
            repeated = False
        else:
            future, repeated = self._recent.once(digest, append)
        if future is not None:
            try:
                future.result(_DURABLE_TIMEOUT_S)
            except TimeoutError as error:
                raise Overloaded("the spool's disk does not answer", 5.0) from error
        return not repeated
