"""The resolver: finds traces that have new facts and resolves them, soon when a run changed, seldom while it only grows."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spanruns_schema.errors import StoreError
from spanruns_schema.resolving import sql
from spanruns_schema.store import Store, rows

from spanruns_receiver.resolver.missed import last_pass, resolve_missed
from spanruns_receiver.resolver.passes import resolve_traces
from spanruns_receiver.resolver.stage import Stage

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How often to look for facts when nobody pokes: those that another process wrote."""

OVERLAP_S = 20.0
"""How far back each look goes: an insert becomes visible a little later than the time it carries."""

BUSY_SHARE, BUSY_MAX_S = 0.1, 30.0
"""A trace that only grows is resolved again after this share of its age, and at least this often."""

REMEMBERED = 200_000
"""Traces whose state is kept; one that is forgotten is looked up in the store again."""

SETTLE_S = 120.0
"""A span whose parent is missing is taken for a root when its trace got nothing for so long."""

SHARE = 0.5
"""At most this part of the time goes into passes: under load they wait a little and then do more at once."""

PASS_TRACES = 20_000
"""Traces resolved in one pass at most; the rest wait for the next, which follows at once."""


@dataclass
class _Trace:
    first_s: float  # when this resolver first saw it
    touched_at: datetime  # when it last saw new facts of it
    facts: int = 0  # seen inside the current window
    later: int = 0
    urgent_us: int = 0
    resolved_s: float = 0.0
    due_s: float = 0.0  # when to resolve it, if it is waiting


class Resolver:
    """Keeps `runs`, `tool_calls` and `model_calls` up to date with the facts of `store`, whoever writes them."""

    def __init__(self, store: Store, *, since: datetime | None = None, poll_s: float = POLL_S) -> None:
        """Starts with facts written after `since`, by default where the last resolver of the store ended.

        Looks for facts at least every `poll_s` seconds, and whenever it is poked.
        """
        self._store = store
        self._poll_s = poll_s
        self._since = since
        hour_ago = datetime.now(UTC) - timedelta(hours=1)  # what is older is resolved once, at the start
        self._after = max(since or hour_ago, hour_ago)
        self._next = self._after
        self._seen: OrderedDict[str, _Trace] = OrderedDict()  # the one touched last stands last
        self._waiting: dict[str, _Trace] = {}  # those that have facts which are not resolved yet
        self._old_until = datetime.now(UTC)  # traces that began until then may have been resolved before
        self._wake = threading.Event()
        self.resolved_facts = 0
        self.passes = 0
        self.failures = 0

    def poke(self) -> None:
        """Say that facts were just written: the next pass starts at once."""
        self._wake.set()

    def run_forever(self, stop: threading.Event) -> None:
        """Make passes until `stop` is set, then one last over what is still waiting. Survives a store that is away."""
        stage: Stage | None = None
        caught_up = False
        while not stop.is_set():
            began = time.monotonic()
            try:
                stage = stage or Stage(self._store)
                if not caught_up:
                    self._catch_up(stage, stop)
                    caught_up = True
                more = self.make_pass(stage)
            except StoreError as error:
                self.failures += 1
                log.warning("resolving failed, will try again: %s", error)
                stage, more = None, True  # without waiting for the next poke
                stop.wait(1.0)
            stop.wait((time.monotonic() - began) * (1 - SHARE) / SHARE)
            if not more:
                self._wake.wait(self._pause())
                self._wake.clear()
        self._finish(stage)

    def _catch_up(self, stage: Stage, stop: threading.Event) -> None:
        """Resolve what was written while no resolver ran, before the window that the passes look through."""
        since = self._since or last_pass(self._store)
        if since and since < self._after:
            self.resolved_facts += resolve_missed(self._store, stage, since, self._after, stop)

    def make_pass(self, stage: Stage, *, everything: bool = False) -> bool:
        """Resolve what is due (with `everything`: all that waits); returns whether more is due already."""
        now = time.monotonic()
        self._look(now)
        due = [name for name, trace in self._waiting.items() if everything or trace.due_s <= now]
        chosen = due[:PASS_TRACES]
        if chosen:
            known = {name for name in chosen if self._waiting[name].resolved_s}
            # With more traces than are remembered none is waited for.
            settled = datetime.now(UTC) - timedelta(seconds=SETTLE_S) if len(self._seen) <= REMEMBERED else None
            passed = resolve_traces(
                self._store, stage, chosen, known=known, old_until=self._old_until, fed_since=settled
            )
            self.resolved_facts += passed.facts
            self.passes += 1
            now = time.monotonic()
            for name in chosen:
                self._waiting.pop(name).resolved_s = now
            for name in passed.unsettled:
                if name in self._seen:
                    self._waiting[name] = self._seen[name]
                    self._waiting[name].due_s = now + SETTLE_S
        self._forget()
        return len(due) > len(chosen)

    def _look(self, now: float) -> None:
        """Find traces with facts that were not there at the last look."""
        moved = self._move_window()
        window = {"after": self._after, "next": self._next}
        for row in rows(self._store, sql("touched"), window):
            trace = self._seen.get(row["trace_id"])
            if trace is None:
                trace = self._seen[row["trace_id"]] = _Trace(now, datetime.now(UTC))
            elif row["facts"] == trace.facts:
                trace.later = row["later"]
                continue
            self._touch(row["trace_id"], trace, row, now)
        if moved:
            self._after = self._next
            for trace in self._seen.values():
                trace.facts, trace.later = trace.later, 0

    def _touch(self, name: str, trace: _Trace, row: dict[str, int], now: float) -> None:
        urgent = row["urgent_us"] > trace.urgent_us
        trace.touched_at = datetime.now(UTC)
        trace.facts, trace.later, trace.urgent_us = row["facts"], row["later"], row["urgent_us"]
        pause = 0.0 if urgent else min(BUSY_MAX_S, BUSY_SHARE * (now - trace.first_s))
        due = max(now, trace.resolved_s + pause)
        trace.due_s = min(due, trace.due_s) if name in self._waiting else due
        self._waiting[name] = trace
        self._seen.move_to_end(name)

    def _move_window(self) -> bool:
        """Every while, let the look after this one begin later: counts are kept for both bounds, so no fact is missed."""
        bound = datetime.now(UTC) - timedelta(seconds=OVERLAP_S)
        if bound - self._after < timedelta(seconds=OVERLAP_S):
            self._next = self._after
            return False
        self._next = bound
        return True

    def _forget(self) -> None:
        while len(self._seen) > REMEMBERED:
            name, trace = next(iter(self._seen.items()))
            if trace.facts or name in self._waiting:  # the next look would take it for a new one
                return
            self._old_until = max(self._old_until, trace.touched_at)
            del self._seen[name]

    def _pause(self) -> float:
        now = time.monotonic()
        due = min((trace.due_s for trace in self._waiting.values()), default=now + self._poll_s)
        return min(self._poll_s, max(0.0, due - now))

    def _finish(self, stage: Stage | None) -> None:
        try:
            stage = stage or Stage(self._store)
            self.make_pass(stage, everything=True)
            stage.close()
        except StoreError as error:
            log.warning("the last pass failed; the next start will make it: %s", error)
