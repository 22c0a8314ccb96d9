"""Backfill: facts and runs made again from the raw rows, after the mapping has changed.

Slice by slice: the slice's raw rows are mapped again, which replaces the facts they had; facts that the mapping no longer gives are
deleted; the slice's traces are resolved. Whatever is written meanwhile goes through the same mapping, so nothing is lost and
nothing is doubled, and a backfill that was stopped goes on after its last whole slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spanruns_schema.backfilling import Source, Statements, counts, sql, statements
from spanruns_schema.dialects.dialect import Dialect
from spanruns_schema.errors import ConfigError
from spanruns_schema.store import Parameter, Settings, Store, rows

from spanruns_receiver.resolver.passes import Books, resolve_traces

SLICE_RECORDS = 100_000
"""A slice is an hour, or less where an hour has more spans and records than this."""

WIDTHS_S = (3_600, 60, 1)

FORGET_KEYS = 10_000
"""Facts deleted by one statement at most."""

INSERT: Settings = {
    # The facts may have been there, been replaced, and be right again: the engine must not take them for a repetition.
    "insert_deduplicate": 0,
    "deduplicate_insert_select": "disable",
    "max_partitions_per_insert_block": 0,
    "min_insert_block_size_bytes": 64 * 2**20,
}


@dataclass(frozen=True)
class Slice:
    """A range of raw rows' times, and how many spans, lifecycle records and records with contents lie in it."""

    start: datetime
    end: datetime
    records: int


@dataclass(frozen=True)
class Progress:
    """How far a backfill is: records done and in all, the time it has reached, and where it went on (None: it began)."""

    done: int
    total: int
    until: datetime
    resumed_at: datetime | None = None


def backfill(
    store: Store,
    start: datetime,
    end: datetime,
    *,
    dialects: Sequence[Dialect] | None = None,
    slice_records: int = SLICE_RECORDS,
    restart: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Make facts and runs again from raw rows with a time in [start, end).

    Goes on where a backfill from the same start with the same mapping was stopped, unless `restart`. `on_progress` is
    called at the start and after every slice; what it raises stops the backfill between two slices.
    Raises `ConfigError` when the range cannot be meant.
    """
    _check(store, start, end)
    todo = statements(dialects)
    ledger = _Ledger(store, start, todo.mapping)
    resumed_at = None if restart else ledger.reached()
    if resumed_at is not None and resumed_at >= end:
        resumed_at = None
    total = _records(store, start, end)
    begin = resumed_at or start
    progress = Progress(total - _records(store, begin, end), total, begin, resumed_at)
    on_progress(progress)
    rebuilder = _Rebuilder(store, todo)
    for piece in slices(store, begin, end, slice_records):
        rebuilder.rebuild(piece)
        ledger.reach(piece.end)
        progress = Progress(progress.done + piece.records, total, piece.end, resumed_at)
        on_progress(progress)
    ledger.reach(end, finished=True)
    return Progress(progress.done, total, end, resumed_at)


def slices(
    store: Store, start: datetime, end: datetime, limit: int, widths_s: Sequence[int] = WIDTHS_S
) -> Iterator[Slice]:
    """Cut a range into slices of at most an hour and about `limit` records; ranges without records are left out."""
    width_s, *finer = widths_s
    open_: Slice | None = None
    for piece in _pieces(store, start, end, width_s):
        crowded = piece.records > limit and finer
        if open_ and (crowded or not _fits(open_, piece, limit)):
            yield open_
            open_ = None
        if crowded:
            yield from slices(store, piece.start, piece.end, limit, finer)
        else:
            open_ = Slice(open_.start, piece.end, open_.records + piece.records) if open_ else piece
    if open_:
        yield open_


class _Rebuilder:
    """What happens to one slice."""

    def __init__(self, store: Store, todo: Statements) -> None:
        self._store = store
        self._todo = todo
        self._books = Books(store)
        any_range = _where(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))
        self._columns = [[row["name"] for row in rows(store, source.described, any_range)] for source in todo.sources]

    def rebuild(self, piece: Slice) -> None:
        """Map the slice's raw rows again and resolve their traces."""
        where = _where(piece.start, piece.end)
        traces: set[str] = set()
        for source, columns in zip(self._todo.sources, self._columns, strict=True):
            self._store.command(source.insert(columns), where, settings=INSERT)
            traces.update(row["trace_id"] for row in rows(self._store, source.traces, where))
            traces.update(self._forget(source, where))
        self._store.command(sql("trace_times"), where)
        resolve_traces(self._store, self._books, sorted(traces))

    def _forget(self, source: Source, where: dict[str, Parameter]) -> set[str]:
        """Delete facts that the mapping no longer gives; returns their traces."""
        stale = rows(self._store, source.stale_facts, where)
        for start in range(0, len(stale), FORGET_KEYS):
            keys = [row["key"] for row in stale[start : start + FORGET_KEYS]]
            self._store.command(source.forget, {**where, "keys": keys})
        return {row["trace_id"] for row in stale}


class _Ledger:
    """Where a backfill's progress is kept: in the store, so that any machine can go on with it."""

    def __init__(self, store: Store, start: datetime, mapping: str) -> None:
        self._store = store
        self._key: dict[str, Parameter] = {"from": start, "mapping": mapping}
        store.command(sql("ledger"))

    def reached(self) -> datetime | None:
        """How far an unfinished backfill has come."""
        found = rows(self._store, sql("reached"), self._key)
        return datetime.fromtimestamp(found[0]["until_us"] / 1e6, UTC) if found else None

    def reach(self, until: datetime, *, finished: bool = False) -> None:
        """Note that everything before `until` is done."""
        self._store.command(sql("reach"), {**self._key, "until": until, "finished": finished})


def _check(store: Store, start: datetime, end: datetime) -> None:
    if start >= end:
        raise ConfigError(f"--from {_said(start)} is not before --to {_said(end)}")
    if start > datetime.now(UTC):
        raise ConfigError(f"--from {_said(start)} is in the future")
    (bounds,) = rows(store, sql("bounds"))
    if _records(store, start, end) == 0:
        first, last = (datetime.fromtimestamp(bounds[name], UTC) for name in ("first_s", "last_s"))
        held = (
            f"the store's spans go from {_said(first)} to {_said(last)}" if bounds["last_s"] else "there are no spans"
        )
        raise ConfigError(f"nothing to rebuild between {_said(start)} and {_said(end)}: {held}")


def _said(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", " UTC")


def _fits(open_: Slice, piece: Slice, limit: int) -> bool:
    return open_.records + piece.records <= limit and piece.end - open_.start <= timedelta(seconds=WIDTHS_S[0])


def _pieces(store: Store, start: datetime, end: datetime, width_s: int) -> Iterator[Slice]:
    for row in rows(store, counts(), {**_where(start, end), "seconds": width_s}):
        begin = datetime.fromtimestamp(row["start_s"], UTC)
        yield Slice(max(start, begin), min(end, begin + timedelta(seconds=width_s)), row["records"])


def _records(store: Store, start: datetime, end: datetime) -> int:
    return sum(piece.records for piece in _pieces(store, start, end, WIDTHS_S[0]))


def _where(start: datetime, end: datetime) -> dict[str, Parameter]:
    return {"from": start, "to": end}
