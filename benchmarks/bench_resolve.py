"""CPU of resolving against the CPU of inserting the raw rows, in one run and one process, on the embedded store.

    python benchmarks/bench_resolve.py [--spans 200000] [--full] [--captures] [--profile]

`--full` takes 1,000,000 spans in 50,000 traces, `--captures` the traces of real frameworks that the tests have, over and over. Blocks
of 1,000 traces, or of all captures, are decoded and inserted as the receiver does it, and after every two of them the resolver makes a
pass, as its loop does: it looks for new facts and resolves their traces. CPU is counted by phase; merges, which are all tables' and run
beside any phase, apart. What a process does once (imports, reading prices) is done before, with a block that is not counted. The same
raw blocks also go into a table as the Collector's ClickHouse exporter makes it, which is left unmerged.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from spanruns_receiver import allocator
from spanruns_receiver.commands.serving import collect_seldom
from spanruns_receiver.decode import decode
from spanruns_receiver.resolver.loop import Resolver
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import spans
from tests.support import captures

SPANS_PER_TRACE = 20
TRACES_PER_BLOCK = 1_000
BLOCKS_PER_PASS = 2
FULL = 1_000_000
EXPORTER = (
    (Path(__file__).parents[1] / "tests" / "fixtures" / "collector" / "current.sql")
    .read_text()
    .split("\n--------\n")[0]
)
EXPORTER_TABLE = "exporter_otel_traces"


class Meter:
    """CPU by phase, and the memory of the process after its first tenth and at the end: the same, if it is bounded."""

    def __init__(self) -> None:
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self.rss_bytes: dict[str, list[int]] = {}
        self._process = psutil.Process()

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        merging, began = _merging_s(), time.process_time()
        yield
        took = time.process_time() - began  # without looking at the threads, which takes milliseconds
        merged = _merging_s() - merging
        self.cpu_s[phase] += took - merged
        self.cpu_s["merges meanwhile"] += merged
        self.rss_bytes.setdefault(phase, []).append(self._process.memory_info().rss)


def _merging_s() -> float:
    """CPU of the engine's threads that merge."""
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it may end meanwhile
            _, name, rest = re.split(r"\((.*)\)", (task / "stat").read_text())
            if name == "MergeMutate":
                ticks += sum(map(int, rest.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} spans")
    parser.add_argument("--captures", action="store_true", help="traces of real frameworks instead of made ones")
    parser.add_argument("--profile", action="store_true", help="CPU of every statement of the resolver")
    parser.add_argument(
        "--ask", action="store_true", help="the resolver reads the facts from the store, as beside a Collector"
    )
    arguments = parser.parse_args()
    allocator.keep_blocks()
    count = FULL if arguments.full else arguments.spans
    folder = Path(tempfile.mkdtemp(prefix="spanruns-bench-"))
    try:
        load = _captured if arguments.captures else _made
        _run(EmbeddedStore(folder), count, load, arguments.profile, not arguments.ask)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(number: int) -> list[bytes]:
    """Requests of one block; their traces begin together, those of the next one second later."""
    return [spans.request(TRACES_PER_BLOCK, number, _began_ns(number))]


def _captured(number: int) -> list[bytes]:
    names = sorted(path.stem for path in (captures.FIXTURES / "otlp").glob("*.pb"))
    moved = (captures.fresh([name], str(number), _began_ns(number))[0] for name in names)
    return [request.SerializeToString() for (request,) in moved]


def _began_ns(number: int) -> int:
    """After the resolver did, as all traces but the first ones do; a capture ends then, and took half an hour at most."""
    return time.time_ns() + (3600 + number) * 10**9


def _run(store: EmbeddedStore, count: int, load: Callable[[int], list[bytes]], profile: bool, is_told: bool) -> None:
    migrate.apply(store, shared=False)
    store.command(EXPORTER.replace("otel_traces", EXPORTER_TABLE, 1))
    store.command(f"SYSTEM STOP MERGES {EXPORTER_TABLE}")
    spans.SPANS_PER_TRACE = SPANS_PER_TRACE
    statements = defaultdict[str, float](float)
    resolver = Resolver(store, is_told=is_told)
    _receive(store, resolver, Meter(), load(FULL), FULL)
    resolver.make_pass()
    collect_seldom()
    if profile:
        statements = _profiled(store)
    meter = Meter()
    done = number = 0
    while done < count:
        done += _receive(store, resolver, meter, load(number), number)
        number += 1
        if number % BLOCKS_PER_PASS == 0 or done >= count:
            with meter("resolve"):
                resolver.make_pass()
    _print(store, meter, done, statements)
    store.close()


def _receive(store: EmbeddedStore, resolver: Resolver, meter: Meter, requests: list[bytes], number: int) -> int:
    """What the receiver does with requests; returns how many spans they hold."""
    with meter("decode"):
        blocks = decode("traces", requests, facts=True).blocks
    for table, block in blocks.items():
        with meter("insert facts" if table == "span_facts" else "insert raw"):
            store.insert(table, block.columns, block.native, token=f"{number}-{table}")
    raw = blocks["otel_traces"]
    with meter("insert raw, exporter's"):
        store.insert(EXPORTER_TABLE, raw.columns, raw.native)
    with meter("resolve"):
        resolver.tell(blocks["span_facts"].native)
    return raw.rows


def _profiled(store: EmbeddedStore) -> defaultdict[str, float]:
    """CPU of every call of the store from here on, by the first words of the statement."""
    seconds: defaultdict[str, float] = defaultdict(float)

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


def _print(store: EmbeddedStore, meter: Meter, count: int, statements: Mapping[str, float]) -> None:
    thousands = count / 1000
    counts = {
        table: rows(store, f"SELECT count() AS n FROM {table}")[0]["n"]
        for table in ("runs", "tool_calls", "model_calls")
    }
    print(
        f"{count:,} spans, and as many as a block has before: "
        + ", ".join(f"{n:,} {name}" for name, n in counts.items())
    )
    raw, exporter = meter.cpu_s["insert raw"], meter.cpu_s["insert raw, exporter's"]
    print(
        f"{'':23}{'CPU s':>9}{'ms per 1,000 spans':>20}{'of insert raw':>15}{'of exporter':>13}{'RSS MB early':>14}{'late':>7}"
    )
    for phase, seconds in sorted(meter.cpu_s.items()):
        steps = meter.rss_bytes.get(phase, [0])
        early, late = max(steps[: -(-len(steps) // 10)]) / 2**20, max(steps[-max(1, len(steps) // 10) :]) / 2**20
        print(
            f"{phase:23}{seconds:9.2f}{1000 * seconds / thousands:20.2f}{seconds / raw:15.2f}{seconds / exporter:13.2f}"
            f"{early:14.0f}{late:7.0f}"
        )
    for statement, seconds in sorted(statements.items(), key=lambda item: -item[1])[:20]:
        print(f"{1000 * seconds / thousands:8.3f} ms  {statement}")


if __name__ == "__main__":
    main()
