"""The resolver: finds traces that have new facts and resolves them, soon when a run changed, seldom while it only grows."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from spanruns_schema.errors import StoreError
from spanruns_schema.store import Store

from spanruns_receiver.resolver.arrivals import NEVER_S, Arrivals, Touched
from spanruns_receiver.resolver.missed import MARGIN, last_pass, reach, resolve_missed
from spanruns_receiver.resolver.passes import Books, Passed, resolve_traces
from spanruns_receiver.resolver.recent import Kept, Recent, RecentFacts, can_keep

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How often to look for facts when nobody pokes: those that another process wrote."""

SKEW_S = 10.0
"""How far clocks may differ: a trace that seems to be younger than this resolver by less may have facts that it never saw."""

BUSY_SHARE, BUSY_MAX_S = 0.1, 30.0
"""A trace that only grows is resolved again after this share of its age, and at least this often."""

REMEMBERED = 50_000
"""Traces whose state is kept; one that is forgotten is looked up in the store again."""

SETTLE_S = 120.0
"""A span whose parent is missing is taken for a root when its trace got nothing for so long."""

PACE_S = 0.4
"""Least time between the beginnings of two passes: each writes parts, however little there is to write."""

SHARE = 0.3
"""At most this part of the time goes into passes: under load they wait a little and then do more at once."""

PASS_TRACES = 20_000
"""Traces read and resolved in one pass at most; the rest wait for the next, which follows at once."""

RETRY_S = 1.0
"""How long to wait after a pass that failed."""

NOTE_S = 30.0
"""How often to note in the store up to when everything is resolved, for the next resolver to begin there."""

PATIENCE_S = 1.0
"""How long a writer is held up by a resolver that is behind, for each block that it wrote."""


@dataclass(slots=True)
class _Trace:
    first_s: float  # when this resolver first saw it
    touched_at: datetime  # when it last saw new facts of it
    start_s: int  # when the first and the last of the facts that it saw began (unix time)
    end_s: int
    block: int  # the first block with facts of it; -1: not all of its facts came in blocks
    resolved_s: float = 0.0
    due_s: float = 0.0  # when to resolve it, if it is waiting
    changed: bool = False  # whether what came last, but for contents, changed what a run is


class Resolver:
    """Keeps `runs`, `tool_calls` and `model_calls` up to date with the facts of `store`, whoever writes them."""

    def __init__(
        self, store: Store, *, since: datetime | None = None, poll_s: float = POLL_S, is_told: bool = False
    ) -> None:
        """Starts with facts written after `since`, by default where the last resolver of the store ended.

        Looks for facts at least every `poll_s` seconds, and whenever it is poked; where `is_told` by the only writer there is
        what that stores, in the store only for what was there before.
        """
        self._store = store
        self._books = Books(store)
        self._poll_s = poll_s
        self._since = since
        hour_ago = datetime.now(UTC) - timedelta(hours=1)  # what is older is resolved once, at the start
        self._arrivals = Arrivals(store, max(since or hour_ago, hour_ago))
        self._is_told = is_told and can_keep()
        self._is_catching_up = False
        self._looks = True
        self._has_left = False  # the last pass left something for this one
        self._recent = Recent()
        self._seen: OrderedDict[str, _Trace] = OrderedDict()  # the one touched last stands last
        self._waiting: dict[str, _Trace] = {}  # those that have facts which are not resolved yet
        self._old_until = datetime.now(UTC)  # traces that began until then may have been resolved before
        self._wake = threading.Event()
        self._noted_s = float("-inf")
        self._noted_facts = 0
        self.resolved_facts = 0
        self.passes = 0
        self.failures = 0

    @property
    def waiting(self) -> int:
        """How many traces it has found that have facts which are not resolved yet."""
        return len(self._waiting)

    def poke(self) -> None:
        """Say that facts were just written: the next pass starts at once."""
        self._wake.set()

    def tell(self, facts: bytes) -> None:
        """The same, with the block of `span_facts` that was written.

        Returns when there is room for another one. Traces whose facts are gone from memory are read from the store, which takes longer:
        a writer that never waited would leave the resolver behind for good.
        """
        if self._is_told and facts and not self._is_catching_up:
            try:
                self._recent.add(facts)
            except Exception:
                log.exception("these facts cannot be kept; they will be read")
                self._looks = True
        self._wake.set()
        self._recent.wait_for_room(PATIENCE_S)

    def run_forever(self, stop: threading.Event) -> None:
        """Make passes until `stop` is set, then one last over what is still waiting. Survives a store that is away."""
        self._is_catching_up = True  # what is written meanwhile, the first pass finds in the store
        while not stop.is_set():
            began, at = time.monotonic(), datetime.now(UTC)
            try:
                if self._is_catching_up:
                    self._catch_up(stop)
                    self._is_catching_up = stop.is_set()
                    continue
                more = self.make_pass()
                if not more and began - self._noted_s >= NOTE_S:
                    self._note(at)
                    self._noted_s = began
            except Exception as error:
                self.failures += 1
                report = log.warning if isinstance(error, StoreError) else log.exception
                report("resolving failed, will try again: %s", error)
                more = True  # without waiting for the next poke
                stop.wait(RETRY_S)
            took_s = time.monotonic() - began
            self._rest(max(PACE_S, took_s / SHARE) - took_s, stop)
            if not more:
                self._wake.wait(self._pause())
                self._wake.clear()
        self._finish()

    def _note(self, at: datetime) -> None:
        """Note that what was written until `at` is resolved, if there was anything."""
        if self.resolved_facts > self._noted_facts:
            reach(self._store, at)
            self._noted_facts = self.resolved_facts

    def _rest(self, rest_s: float, stop: threading.Event) -> None:
        until = time.monotonic() + rest_s
        while not self._recent.is_full and (left := until - time.monotonic()) > 0 and not stop.is_set():
            stop.wait(min(left, PACE_S / 4))

    def _catch_up(self, stop: threading.Event) -> None:
        """Resolve what was written while no resolver ran, before the window that the passes look through."""
        since = self._since or last_pass(self._store)
        if since and since < self._arrivals.after:
            # What comes next writes rows, which without a note would tell of more than was done.
            reach(self._store, since + MARGIN)
            self.resolved_facts += resolve_missed(self._store, self._books, since, self._arrivals.after, stop)

    def make_pass(self, *, everything: bool = False) -> bool:
        """Resolve what is due (with `everything`: all that waits); returns whether more is due already."""
        now = time.monotonic()
        self._look(now)
        due = [name for name, trace in self._waiting.items() if everything or trace.due_s <= now]
        self._has_left = False
        if due:
            kept = self._recent.kept()
            whole = self._whole(due)
            here = [name for name, trace in whole.items() if trace.block >= kept.first]  # with all their facts
            elsewhere = [*set(due).difference(here)]
            self._has_left = len(elsewhere) > PASS_TRACES
            elsewhere = elsewhere[:PASS_TRACES]
            passed = self._resolve(here, whole, partial(self._facts_of, kept)) + self._resolve(elsewhere, whole)
            self.resolved_facts += passed.facts
            self.failures += len(passed.failed)
            self.passes += 1
            now = time.monotonic()
            for name in (*here, *elsewhere):
                self._waiting.pop(name).resolved_s = now
            for name in passed.unsettled:
                if name in self._seen:
                    self._waiting[name] = self._seen[name]
                    self._waiting[name].due_s = now + SETTLE_S
        self._forget()
        return self._has_left or self._arrivals.is_behind

    def _resolve(
        self,
        names: list[str],
        whole: Mapping[str, _Trace],
        recent: Callable[[Sequence[str]], RecentFacts] | None = None,
    ) -> Passed:
        # With more traces than are remembered none is waited for.
        settled = datetime.now(UTC) - timedelta(seconds=SETTLE_S) if len(self._seen) <= REMEMBERED else None
        return resolve_traces(
            self._store,
            self._books,
            names,
            known={name for name in names if self._waiting[name].resolved_s},
            old_until=self._old_until,
            fed_since=settled,
            ranges={name: (whole[name].start_s, whole[name].end_s) for name in names if name in whole},
            recent=recent,
        )

    def _facts_of(self, kept: Kept, names: Sequence[str]) -> RecentFacts:
        return kept.facts(names, min(self._seen[name].block for name in names))

    def _whole(self, names: list[str]) -> dict[str, _Trace]:
        """Traces that this resolver saw from their beginning."""
        old_until_s = self._old_until.timestamp() + SKEW_S
        traces = ((name, self._seen[name]) for name in names if name in self._seen)
        return {name: trace for name, trace in traces if old_until_s < trace.start_s < NEVER_S}

    def _look(self, now: float) -> None:
        """Find the traces that got facts since the last look."""
        at = datetime.now(UTC)
        looks, self._looks = self._looks, not self._is_told
        for touched in self._recent.touched():
            self._touch(touched, now, at)
        if not looks:
            self._arrivals.skip_until(at)
            return
        if self._has_left:  # that comes first
            self._looks = True
            return
        try:
            for touched in self._arrivals.look():
                self._touch(touched, now, at)
        except StoreError:
            self._looks = True
            raise
        if self._arrivals.is_behind:
            self._looks = True

    def _touch(self, touched: Touched, now: float, at: datetime) -> None:
        name, urgent, start_s, end_s, block = touched
        trace = self._seen.get(name)
        if trace is None:
            trace = _Trace(now, at, start_s, end_s, block, due_s=now, changed=urgent and start_s < NEVER_S)
            self._seen[name] = self._waiting[name] = trace
            return
        trace.block, trace.touched_at = min(trace.block, block), at
        trace.start_s, trace.end_s = min(trace.start_s, start_s), max(trace.end_s, end_s)
        if start_s < NEVER_S:
            trace.changed = urgent
        elif trace.changed:
            # The contents of what has just ended are awaited by who looks at it, too: the first are shown at once.
            urgent, trace.changed = True, False
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

    def _finish(self) -> None:
        at = datetime.now(UTC)
        try:
            has_left = self.make_pass(everything=True)
            if not has_left and not self._is_catching_up:
                self._note(at)
        except StoreError as error:
            log.warning("the last pass failed; the next start will make it: %s", error)
