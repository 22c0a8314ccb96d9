"""The statements of a backfill (`backfill/*.sql`), for one mapping of raw rows to facts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from spanruns_schema.dialects.dialect import Dialect, load
from spanruns_schema.dialects.mapping import EVENT_NAME, content_facts_select, event_facts_select, span_facts_select
from spanruns_schema.dialects.rules import content_records
from spanruns_schema.dialects.sql import quote

KEY = "cityHash64(trace_id, span_id, event, event_at, started_at)"
"""What tells one fact from another."""

SLICE = "Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}"


@cache
def sql(name: str) -> str:
    """The text of `backfill/<name>.sql`."""
    return resources.files("spanruns_schema").joinpath("backfill", f"{name}.sql").read_text()


@cache
def counts() -> str:
    """Counts the raw rows that have facts."""
    contents = ", ".join(map(quote, content_records(load())))
    return sql("counts").replace("{event_name}", EVENT_NAME).replace("{contents}", contents)


@dataclass(frozen=True)
class Source:
    """One kind of raw rows: its mapping restricted to a slice, and where its facts lie."""

    select: str
    stale: str
    facts_time: str

    @property
    def described(self) -> str:
        """Asks for the columns that the mapping gives."""
        return f"DESCRIBE TABLE ({self.select})"

    def insert(self, columns: Sequence[str]) -> str:
        """Maps the slice again."""
        names = ", ".join(columns)
        return f"INSERT INTO span_facts ({names})\nSELECT {names} FROM ({self.select})"

    @property
    def traces(self) -> str:
        """The traces that have facts from the slice."""
        return f"SELECT DISTINCT trace_id FROM ({self.select})"

    @property
    def stale_facts(self) -> str:
        """What the slice's facts hold beyond the mapping: trace, span and key."""
        return sql(self.stale).replace("{key}", KEY).replace("{select}", self.select)

    @property
    def forget(self) -> str:
        """Deletes facts of the slice by their keys."""
        return sql("forget_facts").replace("{key}", KEY).replace("{at}", self.facts_time)


@dataclass(frozen=True)
class Statements:
    """What a backfill runs; `mapping` is the checksum of the mapping it is for."""

    sources: tuple[Source, ...]
    mapping: str


def statements(dialects: Sequence[Dialect] | None = None) -> Statements:
    """The statements for these dialects, all by default."""
    dialects = dialects if dialects is not None else load()
    spans, events, contents = (
        select(dialects) for select in (span_facts_select, event_facts_select, content_facts_select)
    )
    return Statements(
        (
            Source(f"{spans} AND {SLICE}", "stale_spans", "started_at"),
            Source(f"{events} AND {SLICE}", "stale_events", "event_at"),
            Source(f"{contents} AND {SLICE}", "stale_contents", "event_at"),
        ),
        hashlib.sha256(f"{spans}\n{events}\n{contents}".encode()).hexdigest(),
    )
