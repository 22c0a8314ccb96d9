"""A store that may not be there yet: opened, and its schema applied, when it answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from spanruns_schema import migrate
from spanruns_schema.errors import StoreUnavailable
from spanruns_schema.store import DATABASE, Parameters, Settings, Store, open_store

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
_CLOSE_S = 1.0


class OpeningStore:
    """A `Store` over the one at `url`. Until that can be opened every call raises `StoreUnavailable`.

    So a receiver can start, and take requests into its spool, while ClickHouse is away. `shared`: whether others write raw
    rows there, as everyone may on a server. `applies_schema`: whether to make the database and bring its schema up to date; who only reads
    may not.
    """

    def __init__(
        self,
        url: str,
        *,
        shared: bool = True,
        applies_schema: bool = True,
        opener: Callable[..., Store] = open_store,
    ) -> None:
        self.database = DATABASE
        self._url = url
        self._shared = shared
        self._applies_schema = applies_schema
        self._opener = opener
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    def open(self) -> None:
        """Open the store and bring its schema up to date, if that has not been done.

        Raises `StoreUnavailable` when it does not answer, `ConfigError` or `SchemaError` when it never will.
        """
        if self._store is not None:
            return
        if not self._lock.acquire(timeout=_RETRY_S):
            raise StoreUnavailable("the store is being opened and has not answered yet")
        try:
            self._open()
        finally:
            self._lock.release()

    def _open(self) -> None:
        if self._store is not None:
            return
        if time.monotonic() < self._not_before:
            raise StoreUnavailable(f"the store did not answer less than {_RETRY_S} s ago")
        store = None
        try:
            store = self._opener(self._url, create=self._applies_schema)
            if self._applies_schema:
                self._apply(store)
        except BaseException:
            self._not_before = time.monotonic() + _RETRY_S
            if store is not None:
                store.close()
            raise
        self._store = store
        self.database = store.database

    def query(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """See `Store.query`."""
        return self._opened().query(sql, parameters, format=format, settings=settings)

    def query_readonly(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        format: str = "Native",
        settings: Settings | None = None,
    ) -> bytes:
        """See `Store.query_readonly`."""
        return self._opened().query_readonly(sql, parameters, format=format, settings=settings)

    def command(self, sql: str, parameters: Parameters | None = None, *, settings: Settings | None = None) -> None:
        """See `Store.command`."""
        self._opened().command(sql, parameters, settings=settings)

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        block: bytes,
        *,
        format: str = "Native",
        token: str = "",
        settings: Settings | None = None,
    ) -> None:
        """See `Store.insert`."""
        self._opened().insert(table, columns, block, format=format, token=token, settings=settings)

    def close(self) -> None:
        """Close the store, if it was ever opened. One that is just being opened, and does not answer, is left alone."""
        if self._lock.acquire(timeout=_CLOSE_S):
            try:
                if self._store is not None:
                    self._store.close()
            finally:
                self._lock.release()

    def _apply(self, store: Store) -> None:
        if applied := migrate.apply(store, shared=self._shared):
            _log.info("applied %d schema steps", len(applied))

    def _opened(self) -> Store:
        if self._store is None:
            self.open()
        assert self._store is not None  # noqa: S101 (open has set it)
        return self._store
