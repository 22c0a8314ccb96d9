"""What a pass reads of the facts of its traces, here from the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np
from spanruns_schema.resolving import sql
from spanruns_schema.store import Parameter, Settings, Store, Verbatim, literal, rows

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.columns import FACT, FACT_SQL, Bools, Columns, Keys, Status
from spanruns_receiver.resolver.table import Table

QUICK: Settings = {
    "optimize_and_compare_chain": 0,  # analysis that finds nothing in these statements
    "max_threads": 1,  # starting and feeding threads costs more than most passes do
}


@dataclass(frozen=True)
class Batch:
    """Traces that are resolved together, and the range in which all their facts lie."""

    traces: list[str]
    start: datetime
    end: datetime
    old: frozenset[str] = frozenset()  # those that may have rows from an earlier pass

    @cached_property
    def where(self) -> Mapping[str, Parameter]:
        """The batch as parameters, which several statements take."""
        return {"traces": Verbatim(literal(self.traces)), "from": self.start, "to": self.end}


class Facts(Protocol):
    """All facts of the traces of a batch."""

    def narrow(self) -> Columns:
        """What the tree is decided on: FACT, one row a fact."""

    def told(self, keys: Keys) -> Table:
        """What becomes words: all of `span_facts` but its keys, of calls, of the spans with these keys, and of contents; `span_key` is
        that of the span that the fact tells of."""

    def models(self, keys: Collection[int]) -> Iterable[tuple[int, str, str]]:
        """Key, provider and name of models."""

    def traces(self, keys: Keys) -> Iterable[str]:
        """The ids of the traces with these keys."""


class StoredFacts:
    """Facts read from the store; `final`: of spans that came twice the newer record."""

    def __init__(self, store: Store, batch: Batch, *, final: bool = False) -> None:
        self._store = store
        self._batch = batch
        self._final = final

    def narrow(self) -> Columns:
        """See `Facts`."""
        data = self._store.query(
            f"SELECT {FACT_SQL} FROM span_facts{' FINAL' if self._final else ''} WHERE trace_id IN {{traces:Array(String)}} "
            "AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}",
            self._batch.where,
            settings=QUICK,
        )
        read = native.read(data)
        return Columns({name: read[f"{name}_"] for name in FACT.names or ()}) if read else Columns.zeros(FACT, 0)

    def told(self, keys: Keys) -> Table:
        """See `Facts`."""
        parameters = {**self._batch.where, "keys": literal_keys(keys)}
        return native.read(self._store.query(sql("facts", final=self._final), parameters, settings=QUICK))

    def models(self, keys: Collection[int]) -> Iterable[tuple[int, str, str]]:
        """See `Facts`."""
        found = rows(self._store, sql("models"), {**self._batch.where, "keys": list(keys)})
        return [(row["model_key"], row["provider"], row["model"]) for row in found]

    def traces(self, keys: Keys) -> Iterable[str]:
        """See `Facts`."""
        parameters = {"traces": self._batch.where["traces"], "keys": literal_keys(keys)}
        return [row["trace_id"] for row in rows(self._store, sql("traces_of_keys"), parameters)]


def may_be_shared(narrow: Columns) -> Bools:
    """Which facts (FACT) may be of runs that other traces have too: those with an id that was given, and suspended ones, which may go
    on elsewhere. Only the store knows."""
    may_be: Bools = (narrow["has_run_id"] > 0) | (narrow["status"] == Status.WAITING)
    return may_be


def literal_keys(values: Keys) -> Verbatim:
    """Keys as a bound parameter, without an object for each."""
    return Verbatim(f"[{','.join(map(str, np.asarray(values).tolist()))}]")
