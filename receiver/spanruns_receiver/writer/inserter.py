"""One insert, tried until the store has decided."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping

from spanruns_schema.errors import StoreError, StoreRejected
from spanruns_schema.store import Store

from spanruns_receiver.decode import Block
from spanruns_receiver.health import Metrics

_log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_TOO_MANY_PARTS = 252
_IGNORE_VIEWS = "materialized_views_ignore_errors"


class StoppedError(Exception):
    """The writer was told to stop before the store had decided."""


class Inserter:
    """Inserts blocks into `store`; waits and repeats while the store is at fault, until `stop` is set."""

    def __init__(self, store: Store, metrics: Metrics, stop: threading.Event) -> None:
        self._store = store
        self._metrics = metrics
        self._stop = stop
        self._failing_since: float | None = None
        self.busy_s = 0.0
        """What the inserts that were taken took, together."""

    def insert(
        self, table: str, block: Block, token: str, given: Mapping[str, str | int | float] | None = None
    ) -> StoreRejected | None:
        """Insert `block` under `token` with the settings `given`; returns the store's refusal when the block itself is at fault.

        Raises `StoppedError`.
        """
        settings = dict(given or {})
        attempt = 0
        while True:
            started = time.perf_counter()
            try:
                self._store.insert(table, block.columns, block.native, token=token, settings=settings)
            except Exception as error:
                self._metrics.insert_errors.labels(str(error.code if isinstance(error, StoreError) else -1)).inc()
                in_a_view = _in_a_view(error) and isinstance(error, StoreRejected)
                if in_a_view and _IGNORE_VIEWS not in settings:
                    # The raw rows are in already, so this batch cannot be cut. Let the other views have
                    # theirs; a backfill brings what is missing.
                    settings[_IGNORE_VIEWS] = 1
                    _log.error("a view on %s fails: mend it, then `spanruns schema backfill`: %s", table, error)
                elif not in_a_view and (refusal := self._refusal(table, block, error)):
                    _log.info("%s does not take a block of %d rows as it is: %s", table, block.rows, refusal)
                    return refusal
                else:
                    self._failed(table, error)
                    self._pause(attempt)
                    attempt += 1
            else:
                self._succeeded(table, block, time.perf_counter() - started)
                return None

    def _refusal(self, table: str, block: Block, error: Exception) -> StoreRejected | None:
        """The error when it is the data's fault: a part of the block may be stored then."""
        if isinstance(error, StoreError) and error.code == _TOO_MANY_PARTS and "partitions" in str(error):
            return StoreRejected(str(error), error.code)  # its rows are of too many days: fewer at a time will do
        if isinstance(error, StoreRejected) and self._has_columns(table, block):
            return error
        return None

    def _has_columns(self, table: str, block: Block) -> bool:
        """Whether the store knows the table and its columns; where it does not, no block would be taken."""
        names = ", ".join(f"`{name}`" for name in block.columns)
        try:
            self._store.query(f"SELECT {names} FROM {table} LIMIT 0")
        except Exception as error:
            _log.error("%s does not have the columns it should have: %s", table, error)
            return False
        return True

    def _pause(self, attempt: int) -> None:
        longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**attempt)
        if self._stop.wait(longest * random.uniform(0.5, 1)):  # noqa: S311 (spreads load, hides nothing)
            raise StoppedError

    def _failed(self, table: str, error: Exception) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            _log.warning("an insert into %s failed, requests wait in the spool: %s", table, error)

    def _succeeded(self, table: str, block: Block, seconds: float) -> None:
        self.busy_s += seconds
        self._metrics.insert_seconds.labels(table).observe(seconds)
        self._metrics.batch_rows.labels(table).observe(block.rows)
        self._metrics.stored_rows.labels(table).inc(block.rows)
        if self._failing_since is not None:
            _log.warning("the store takes data again after %.1f s", time.monotonic() - self._failing_since)
            self._failing_since = None


def _in_a_view(error: Exception) -> bool:
    return "while pushing to view" in str(error)
