"""From gRPC to queryable runs, on the embedded store: CPU for each 1,000 spans, beside a peer that stores the raw rows alone.

    python benchmarks/bench_end_to_end.py [--spans 300000] [--rotel PATH] [--no-rotel]

Everything that is measured is a process of its own, the load comes from another. The CPU is that of the whole process from the first
request until raw rows, facts and runs are queryable, less what it takes when idle; merges that come afterwards are given apart. The
peer is Rotel (`pip install rotel`, here into a temporary environment) with its ClickHouse exporter into the exporter's own tables, in
the same engine, whose process counts too; once as the Collector's exporter releases them, once with text indexes in place of bloom filters.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.clickhouse_front import DATABASE
from benchmarks.load import METHOD, Template
from benchmarks.served import Sender, Served, Starting, Watched, folder

WARM_UP = 20_000
IDLE_S = 10.0
MERGES_S = 20.0
LATENCY_PROBES = 40
EXPORTERS = {
    "as released": Path(__file__).parents[1] / "tests" / "fixtures" / "collector" / "current.sql",
    "text indexes": Path(__file__).with_name("exporter_text_indexes.sql"),
}
"""The exporter's tables for the peer to write into."""

TABLES = ("otel_traces", "otel_traces_trace_id_ts", "span_facts", "runs_data", "tool_calls_data", "model_calls_data")


@dataclass
class Measured:
    """One side's numbers; CPU in ms for each 1,000 spans."""

    spans: float
    cpu_ms: float
    merges_ms: float
    idle_share: float
    spans_per_s: float
    stored_per_s: float
    rss_bytes: int
    disk_bytes: float = 0.0
    engine_ms: float = 0.0


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument(
        "--rotel", type=Path, help="the rotel-agent program; else it is installed for the time of the run"
    )
    parser.add_argument("--no-rotel", action="store_true")
    arguments = parser.parse_args()
    with folder() as where:
        ours = _ours(where / "data", arguments.spans)
    if arguments.no_rotel:
        return
    with folder() as where:
        program = arguments.rotel or _installed(where / "venv")
        peers = {}
        for name, schema in EXPORTERS.items():
            with folder() as store:
                peers[f"Rotel, {name}"] = _peer(store, program, schema, arguments.spans)
    _compare({"spanruns": ours} | peers)


def _compare(sides: Mapping[str, Measured]) -> None:
    rows: dict[str, Callable[[Measured], float]] = {
        "CPU ms per 1,000 spans, queryable": lambda side: side.cpu_ms,
        f"and {MERGES_S:.0f} s of merges after it": lambda side: side.cpu_ms + side.merges_ms,
        "of it the engine's process": lambda side: side.engine_ms or side.cpu_ms,
        "spans per CPU second": lambda side: 1e6 / side.cpu_ms,
        "spans/s acknowledged": lambda side: side.spans_per_s,
        "spans/s until all were queryable": lambda side: side.stored_per_s,
        "bytes a span, raw table, merged": lambda side: side.disk_bytes,
        "RSS MB at the end": lambda side: side.rss_bytes / 2**20,
    }
    print(f"\n{'':36}" + "".join(f"{name:>22}" for name in sides))
    for name, of in rows.items():
        print(f"{name:36}" + "".join(f"{of(side):22,.1f}" for side in sides.values()))
    (_, ours), *peers = sides.items()
    for name, peer in peers:
        print(f"spans per CPU second: {peer.cpu_ms / ours.cpu_ms:.2f} x {name}; only ours has facts and runs")


def _ours(data: Path, spans: int) -> Measured:
    # Each request is different, so none is taken for a repeated one; remembering them costs what it costs.
    up = Served(Starting(data))
    try:
        warm = _send(up.grpc, spans=WARM_UP, seed=7)
        up.wait_until_quiet()
        idle = up.watched.idle_share(IDLE_S)
        sender = Sender(up.grpc, spans=spans)
        before, began = up.watched.cpu_s(), time.monotonic()
        sender.go()
        sent = sender.result()
        quiet_at, used = up.wait_until_quiet()
        cpu_s = used - before - idle * (quiet_at - began)
        merges_s = _after(up.watched, idle)
        _check(up, warm["spans"] + sent["spans"])
        measured = _measured(sent, cpu_s, merges_s, idle, quiet_at - began, up.watched.rss_bytes())
        _print_ours(measured, sent, quiet_at - began)
        _latency(up, sent["spans"] / (quiet_at - began) / 2)
        measured.disk_bytes = _disk(up)
        return measured
    finally:
        up.stop()


def _measured(
    sent: Mapping[str, float], cpu_s: float, merges_s: float, idle: float, took_s: float, rss: int
) -> Measured:
    thousands = sent["spans"] / 1000
    return Measured(
        spans=sent["spans"],
        cpu_ms=1000 * cpu_s / thousands,
        merges_ms=1000 * merges_s / thousands,
        idle_share=idle,
        spans_per_s=sent["spans"] / sent["seconds"],
        stored_per_s=sent["spans"] / took_s,
        rss_bytes=rss,
    )


def _send(target: str, **flags: object) -> dict[str, float]:
    sender = Sender(target, **flags)
    sender.go()
    return sender.result()


def _after(watched: Watched, idle: float) -> float:
    before = watched.cpu_s()
    time.sleep(MERGES_S)
    return watched.cpu_s() - before - idle * MERGES_S


def _check(up: Served, spans: float) -> None:
    """Everything is there: raw rows, facts, and one run for each sixteen spans."""
    counted = {
        name: up.rows(f"SELECT count() AS n FROM {name}")[0]["n"] for name in ("otel_traces", "span_facts", "runs")
    }
    found = {name: int(n) for name, n in counted.items()}
    wanted = {"otel_traces": spans, "span_facts": spans, "runs": spans / 16}
    if any(found[name] != wanted[name] for name in wanted):
        raise SystemExit(f"stored {found}, sent {wanted}")


def _print_ours(measured: Measured, sent: Mapping[str, float], seconds: float) -> None:
    print(f"{measured.spans:,.0f} spans sent in {sent['seconds']:.1f} s, all queryable after {seconds:.1f} s")
    print(f"payload {sent['payload_bytes'] / measured.spans:,.0f} bytes a span, {sent['refused']:.0f} refusals")
    print(
        f"CPU {measured.cpu_ms:.1f} ms per 1,000 spans (idle {100 * measured.idle_share:.2f} % of a core taken off)",
        flush=True,
    )


def _latency(up: Served, rate: float) -> None:
    """Acknowledgement and visibility at half of the load that it could take; seen by queries of one span each."""
    sender = Sender(up.grpc, seconds=20, rate=rate, seed=3)
    sender.go()
    time.sleep(2)
    seen = sorted(_visible_after(up, number) for number in range(LATENCY_PROBES) if sender.running())
    sent = sender.result()
    print(f"at {rate:,.0f} spans/s: acknowledged p50 {sent['p50_ms']:.1f} ms, p99 {sent['p99_ms']:.1f} ms; ", end="")
    if seen:
        print(f"queryable raw after that p50 {seen[len(seen) // 2]:.0f} ms, slowest {seen[-1]:.0f} of {len(seen)}")
    up.wait_until_quiet()


def _visible_after(up: Served, number: int) -> float:
    """Milliseconds from an acknowledgement to the first query that finds the trace."""
    payload = Template(1, 900_000 + number).request(number, time.time_ns())
    with grpc.insecure_channel(up.grpc) as channel:
        channel.unary_unary(METHOD)(payload, timeout=30)
    began = time.perf_counter()
    trace_id = payload[payload.index(b"\x0a\x10") + 2 :][:16].hex()
    while not up.rows(f"SELECT 1 FROM otel_traces WHERE TraceId = '{trace_id}' LIMIT 1"):
        time.sleep(0.01)
    return 1000 * (time.perf_counter() - began)


def _disk(up: Served) -> float:
    """Stop it, merge everything, look at the parts: bytes a span of the raw table; prints those of all."""
    up.stop()
    script = f"""
import json, sys
from pathlib import Path
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows
store = EmbeddedStore(Path(sys.argv[1]), create=False)
for table in {TABLES!r}:
    store.command(f"OPTIMIZE TABLE {{table}} FINAL")
print(json.dumps(rows(store, '''{_PARTS}''')))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(up.data / "store")], stdout=subprocess.PIPE, check=True, timeout=600
    )
    found = {row["table"]: row for row in json.loads(done.stdout)}
    spans = int(found["otel_traces"]["n"])
    print("bytes a span on disk, merged: ", end="")
    print(", ".join(f"{table} {int(found[table]['size']) / spans:.0f}" for table in TABLES if table in found))
    return float(found["otel_traces"]["size"]) / spans


_PARTS = """
SELECT table, sum(bytes_on_disk) AS size, sum(rows) AS n FROM system.parts WHERE active AND database = 'spanruns' GROUP BY table
"""


def _installed(directory: Path) -> Path:
    print("installing rotel …", flush=True)
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "rotel"], check=True)
    (program,) = directory.glob("lib/python*/site-packages/rotel/rotel-agent")
    return program


def _peer(where: Path, program: Path, schema: Path, spans: int) -> Measured:
    script = Path(__file__).with_name("clickhouse_front.py")
    engine = subprocess.Popen([sys.executable, script, where / "store", schema], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    front = f"http://127.0.0.1:{int(engine.stdout.readline())}"
    grpc_port, http_port = _free_port(), _free_port()
    flags = {
        "--exporter": "clickhouse",
        "--clickhouse-exporter-endpoint": front,
        "--clickhouse-exporter-database": DATABASE,
        "--clickhouse-exporter-compression": "none",
        "--clickhouse-exporter-async-insert": "false",
        "--otlp-grpc-endpoint": f"127.0.0.1:{grpc_port}",
        "--otlp-http-endpoint": f"127.0.0.1:{http_port}",
    }
    agent = subprocess.Popen(
        [program, "start", *(part for pair in flags.items() for part in pair)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1"},
    )
    watched, of_engine = Watched(agent.pid), Watched(engine.pid)
    try:
        target = f"127.0.0.1:{grpc_port}"
        time.sleep(2)
        _wait_for_rows(front, _send(target, spans=WARM_UP, seed=7)["spans"])
        before_idle = watched.cpu_s() + of_engine.cpu_s()
        time.sleep(IDLE_S)
        idle = (watched.cpu_s() + of_engine.cpu_s() - before_idle) / IDLE_S
        there = int(_ask(front, "SELECT count() AS n FROM otel_traces")[0]["n"])
        sender = Sender(target, spans=spans)
        before, engine_before, began = watched.cpu_s() + of_engine.cpu_s(), of_engine.cpu_s(), time.monotonic()
        sender.go()
        sent = sender.result()
        _wait_for_rows(front, there + sent["spans"])
        took = time.monotonic() - began
        engine_s = of_engine.cpu_s() - engine_before
        cpu_s = watched.cpu_s() + of_engine.cpu_s() - before - idle * took
        before = watched.cpu_s() + of_engine.cpu_s()
        time.sleep(MERGES_S)
        merges_s = watched.cpu_s() + of_engine.cpu_s() - before - idle * MERGES_S
        measured = _measured(sent, cpu_s, merges_s, idle, took, watched.rss_bytes() + of_engine.rss_bytes())
        measured.engine_ms = 1e6 * engine_s / sent["spans"]
        _ask(front, "OPTIMIZE TABLE otel_traces FINAL")
        size = _ask(
            front, "SELECT sum(bytes_on_disk) / sum(rows) AS n FROM system.parts WHERE active AND table = 'otel_traces'"
        )
        measured.disk_bytes = float(size[0]["n"])
        return measured
    finally:
        for process in (agent, engine):
            process.kill()
            process.wait()


def _ask(front: str, sql: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(urllib.request.Request(front + "/", sql.encode()), timeout=300) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def _wait_for_rows(front: str, rows: float) -> None:
    deadline = time.monotonic() + 300
    while int(_ask(front, "SELECT count() AS n FROM otel_traces")[0]["n"]) < rows:
        if time.monotonic() > deadline:
            raise SystemExit("the peer did not store everything that it acknowledged")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
