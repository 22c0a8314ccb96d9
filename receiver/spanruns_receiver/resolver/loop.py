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
from spanruns_schema.store import Parameter, Store

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.missed import from_us, last_pass, resolve_missed, to_us
from spanruns_receiver.resolver.passes import resolve_traces
from spanruns_receiver.resolver.stage import Stage

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How often to look for facts when nobody pokes: those that another process wrote."""

OVERLAP_S = 30.0
"""How far back each look goes: an insert becomes visible a little later than the time it carries."""

SKEW_S = 10.0
"""How far clocks may differ: a trace that seems to be younger than this resolver by less may have facts that it never saw."""

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
    start_s: int  # when the first and the last of the facts that it saw began (unix time)
    end_s: int
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
        self._arrived: dict[int, int] = {}  # facts seen so far of every insert after that, by its time
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
                self._store,
                stage,
                chosen,
                known=known,
                old_until=self._old_until,
                fed_since=settled,
                ranges=self._ranges(chosen),
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

    def _ranges(self, names: list[str]) -> dict[str, tuple[int, int]]:
        """When traces began and ended, of those that this resolver saw from their beginning."""
        whole = self._old_until.timestamp() + SKEW_S
        traces = ((name, self._seen[name]) for name in names if name in self._seen)
        return {name: (trace.start_s, trace.end_s) for name, trace in traces if trace.start_s > whole}

    def _look(self, now: float) -> None:
        """Find traces with facts that were not there at the last look: looking for new inserts costs next to nothing."""
        bound = datetime.now(UTC) - timedelta(seconds=OVERLAP_S)
        found = native.read(self._store.query(sql("arrived"), {"after": self._after}))
        arrived = dict(zip(found["inserted_us"].tolist(), found["facts"].tolist(), strict=True)) if found else {}
        fresh = sorted(at for at, facts in arrived.items() if facts > self._arrived.get(at, 0))
        if fresh:
            inserts: dict[str, Parameter] = {"from": from_us(fresh[0]), "to": from_us(fresh[-1]), "inserts": fresh}
            touched = native.read(self._store.query(sql("touched"), inserts))
            if touched:
                numbers = (touched[column].tolist() for column in ("urgent", "start_s", "end_s"))
                for name, urgent, start_s, end_s in zip(touched["trace_id"].strings(), *numbers, strict=True):
                    self._touch(name, bool(urgent), start_s, end_s, now)
        self._after = max(self._after, bound)
        oldest = to_us(self._after)
        self._arrived = {at: facts for at, facts in arrived.items() if at > oldest}

    def _touch(self, name: str, urgent: bool, start_s: int, end_s: int, now: float) -> None:
        trace = self._seen.get(name)
        if trace is None:
            trace = self._seen[name] = _Trace(now, datetime.now(UTC), start_s, end_s)
        trace.touched_at = datetime.now(UTC)
        trace.start_s, trace.end_s = min(trace.start_s, start_s), max(trace.end_s, end_s)
        pause = 0.0 if urgent else min(BUSY_MAX_S, BUSY_SHARE * (now - trace.first_s))
        due = max(now, trace.resolved_s + pause)
        trace.due_s = min(due, trace.due_s) if name in self._waiting else due
        self._waiting[name] = trace
        self._seen.move_to_end(name)

    def _forget(self) -> None:
        while len(self._seen) > REMEMBERED:
            name, trace = next(iter(self._seen.items()))
            if name in self._waiting:
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
