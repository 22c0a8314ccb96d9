"""CPU of resolving against the CPU of inserting the raw rows, in one run and one process, on the embedded store.

    python benchmarks/bench_resolve.py [--spans 200000] [--full] [--profile]

`--full` takes 1,000,000 spans in 50,000 traces. Three things are counted apart, with the merges that fall into their time: inserting
ready blocks into the bare raw table, mapping them to facts, and resolving the traces in passes of 4,000 as they would come.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import spans
from spanruns_receiver.decode import decode
from spanruns_receiver.facts import TABLE as FACTS_TABLE
from spanruns_receiver.resolver.passes import resolve_traces
from spanruns_receiver.resolver.stage import Stage
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

SPANS_PER_TRACE = 20
TRACES_PER_BLOCK = 1_000
TRACES_PER_PASS = 4_000
FULL = 1_000_000


class Meter:
    """CPU by phase, and the most memory that the process had at the end of a step of one."""

    def __init__(self) -> None:
        self.cpu_s: Counter[str] = Counter()
        self.rss_bytes: Counter[str] = Counter()
        self._process = psutil.Process()

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.cpu_s[phase] += time.process_time() - began
        self.rss_bytes[phase] = max(self.rss_bytes[phase], self._process.memory_info().rss)


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} spans")
    parser.add_argument("--profile", action="store_true", help="CPU of every statement of the resolver")
    arguments = parser.parse_args()
    count = FULL if arguments.full else arguments.spans
    folder = Path(tempfile.mkdtemp(prefix="spanruns-bench-"))
    try:
        _run(EmbeddedStore(folder), count // SPANS_PER_TRACE, arguments.profile)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(store: EmbeddedStore, traces: int, profile: bool) -> None:
    migrate.apply(store, shared=False)
    spans.SPANS_PER_TRACE = SPANS_PER_TRACE
    meter, started_ns = Meter(), time.time_ns() - 3_600 * 10**9
    for number in range(traces // TRACES_PER_BLOCK):
        # The traces of a block begin together, the blocks one second apart.
        request = spans.request(TRACES_PER_BLOCK, number, started_ns + number * 10**9)
        with meter("decode, facts"):
            blocks = decode("traces", [request], facts=True).blocks
        for table, block in blocks.items():
            with meter("insert facts" if table == FACTS_TABLE else "insert raw"):
                store.insert(table, block.columns, block.native)
    found = [
        row["trace_id"]
        for row in rows(store, "SELECT trace_id FROM span_facts GROUP BY trace_id ORDER BY min(started_at)")
    ]
    statements = _profiled(store) if profile else Counter[str]()
    with Stage(store) as stage:
        for start in range(0, len(found), TRACES_PER_PASS):
            with meter("resolve"):
                resolve_traces(store, stage, found[start : start + TRACES_PER_PASS], old_until=None)
    _print(store, meter, len(found), statements)
    store.close()


def _profiled(store: EmbeddedStore) -> Counter[str]:
    """CPU of every call of the store from here on, by the first words of the statement."""
    seconds: Counter[str] = Counter()

    def timed(name: str) -> Any:
        call = getattr(store, name)

        def wrapped(text: str, *args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return call(text, *args, **kwargs)
            finally:
                lines = [line for line in text.splitlines() if not line.startswith("--")]
                seconds[f"{name} {' '.join(lines)[:60]}"] += time.process_time() - began

        return wrapped

    for name in ("query", "command", "insert"):
        setattr(store, name, timed(name))
    return seconds


def _print(store: EmbeddedStore, meter: Meter, traces: int, statements: Counter[str]) -> None:
    thousands = traces * SPANS_PER_TRACE / 1000
    counts = {
        table: rows(store, f"SELECT count() AS n FROM {table}")[0]["n"]
        for table in ("runs", "tool_calls", "model_calls")
    }
    print(
        f"{thousands * 1000:,.0f} spans in {traces:,} traces: "
        + ", ".join(f"{n:,} {name}" for name, n in counts.items())
    )
    raw = meter.cpu_s["insert raw"]
    print(f"{'':14}{'CPU s':>9}{'ms per 1,000 spans':>20}{'of insert raw':>15}{'RSS MB':>9}")
    for phase, seconds in meter.cpu_s.items():
        rss = meter.rss_bytes[phase] / 2**20
        print(f"{phase:14}{seconds:9.2f}{1000 * seconds / thousands:20.2f}{seconds / raw:15.2f}{rss:9.0f}")
    for statement, seconds in statements.most_common(20):
        print(f"{1000 * seconds / thousands:8.3f} ms  {statement}")


if __name__ == "__main__":
    main()
