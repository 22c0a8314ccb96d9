"""Minutes of full load on `spanruns up`: does memory stay flat, do parts stay few, does what is received become queryable?

    python benchmarks/bench_soak.py [--minutes 10] [--rate SPANS_PER_S] [--csv FILE]

Full load is what the store keeps up with, merges and all: it is found out first (a minute of sending as fast as answers come, and the
time until all of that is stored), unless a rate is given. `--overload` sends as fast as answers come all the time: the spool grows then.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.served import Sender, Served, Starting, folder

EVERY_S = 10.0
CALIBRATE_S = 60.0
BARS = 40
PARTS = """
SELECT max(n) AS most, sum(n) AS every FROM
    (SELECT table, partition, count() AS n FROM system.parts WHERE active AND database = 'spanruns' GROUP BY table, partition)
"""


@dataclass(frozen=True)
class Sample:
    """The process at one moment; `lag_s` is the mean from arrival to stored of what was stored since the moment before, `unresolved` the
    number of spans that are stored and not yet in runs and calls."""

    seconds: float
    rss_mb: float
    stored_per_s: float
    cpu_cores: float
    spool_mb: float
    lag_s: float
    unresolved: int
    parts: int
    most_parts: int


def main() -> None:
    """Load it, print a line every ten seconds, then a picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    with folder() as where:
        up = Served(Starting(where / "data"))
        try:
            rate = 0.0 if arguments.overload else arguments.rate or _stored_rate(up)
            samples = _soak(up, arguments.minutes * 60, rate)
        finally:
            up.stop()
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, [field.name for field in fields(Sample)])
            table.writeheader()
            table.writerows(asdict(sample) for sample in samples)
    _draw(samples)


def _stored_rate(up: Served) -> float:
    """Spans a second that become queryable while senders do their worst."""
    sender = Sender(up.grpc, seconds=CALIBRATE_S, seed=9)
    began = time.monotonic()
    sender.go()
    spans = sender.result()["spans"]
    ended, _ = up.wait_until_quiet()
    rate = spans / (ended - began)
    print(f"full load: {rate:,.0f} spans/s", flush=True)
    return rate


def _soak(up: Served, seconds: float, rate: float) -> list[Sample]:
    sender = Sender(up.grpc, seconds=seconds, rate=rate)
    samples: list[Sample] = []
    before, before_cpu, began = up.metrics(), up.watched.cpu_s(), time.monotonic()
    at = began
    print(
        f"{'s':>5} {'RSS MB':>7} {'spans/s':>8} {'cores':>6} {'spool MB':>9} {'lag s':>7} {'unresolved':>10} "
        f"{'parts':>6} {'most':>5}"
    )
    sender.go()
    while sender.running():
        time.sleep(EVERY_S)
        now, found, cpu = time.monotonic(), up.metrics(), up.watched.cpu_s()
        (parts,) = up.rows(PARTS)
        sample = Sample(
            seconds=round(now - began),
            rss_mb=up.watched.rss_bytes() / 2**20,
            stored_per_s=_gained('stored_rows_total{table="otel_traces"}', before, found) / (now - at),
            cpu_cores=(cpu - before_cpu) / (now - at),
            spool_mb=found["spool_bytes"] / 2**20,
            lag_s=_gained("lag_seconds_sum", before, found) / max(1.0, _gained("lag_seconds_count", before, found)),
            unresolved=int(found['batch_rows_sum{table="span_facts"}'] - found["resolver_facts"]),
            parts=int(parts["every"]),
            most_parts=int(parts["most"]),
        )
        samples.append(sample)
        before, before_cpu, at = found, cpu, now
        print(
            f"{sample.seconds:5.0f} {sample.rss_mb:7.0f} {sample.stored_per_s:8.0f} {sample.cpu_cores:6.2f} "
            f"{sample.spool_mb:9.1f} {sample.lag_s:7.2f} {sample.unresolved:10} {sample.parts:6} {sample.most_parts:5}",
            flush=True,
        )
    sent = sender.result()
    print(f"{sent['spans']:,.0f} spans acknowledged, {sent['refused']:.0f} refusals, p99 {sent['p99_ms']:.0f} ms")
    up.wait_until_quiet()
    (stored,) = up.rows("SELECT count() AS n, uniqExact(TraceId) AS traces FROM otel_traces")
    print(f"{int(stored['n']):,} spans of {int(stored['traces']):,} traces in the store")
    return samples


def _gained(name: str, before: dict[str, float], after: dict[str, float]) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)


def _draw(samples: list[Sample]) -> None:
    """RSS over time, one bar a line, at most so many lines as fit a screen."""
    highest = max(sample.rss_mb for sample in samples)
    print("\nRSS MB")
    step = max(1, len(samples) // BARS)
    for sample in samples[::step]:
        print(f"{sample.seconds:5.0f} s {sample.rss_mb:5.0f} {'#' * round(60 * sample.rss_mb / highest)}")
    half = len(samples) // 2
    if half:
        early = max(sample.rss_mb for sample in samples[:half])
        late = max(sample.rss_mb for sample in samples[half:])
        print(f"highest in the first half {early:.0f} MB, in the second {late:.0f} MB")


if __name__ == "__main__":
    main()
