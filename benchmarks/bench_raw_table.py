"""Orders and indexes of the raw table for spans, side by side: what inserting costs, what is on disk, what two typical questions take.

    python benchmarks/bench_raw_table.py [--spans 200000] [--text 80]

Names and columns are the Collector exporter's in each variant. One process, one run; merges that fall into the inserts are counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import spanruns_schema
from spanruns_receiver.decode import Block, decode
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.migrate import embedded
from spanruns_schema.store import rows

from benchmarks import spans
from benchmarks.served import folder

TRACES_EACH = 512
ASKED = 20
OURS = embedded((Path(spanruns_schema.__file__).parent / "migrations" / "0001_otel_traces.sql").read_text())
EXPORTER = (Path(__file__).parents[1] / "tests" / "fixtures" / "collector" / "current.sql").read_text()
BLOOM = "    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1"
BLOOMS = """,
    INDEX idx_res_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1"""
TEXTS = BLOOMS.replace("bloom_filter(0.01) GRANULARITY 1", "text(tokenizer = 'array')")
ORDER = "ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)"


def main() -> None:
    """Measure every variant and print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument(
        "--text", type=int, default=spans.TEXT_CHARACTERS, help="characters of each of a span's contents"
    )
    arguments = parser.parse_args()
    spans.TEXT_CHARACTERS = arguments.text
    now_ns = time.time_ns() - 3600 * 10**9
    blocks = [
        decode("traces", [spans.request(TRACES_EACH, seed, now_ns + seed * 10**9)]).blocks["otel_traces"]
        for seed in range(max(1, arguments.spans // (TRACES_EACH * spans.SPANS_PER_TRACE)))
    ]
    with folder() as where:  # what the first to come would pay for all
        store = EmbeddedStore(where / "store")
        store.command(OURS)
        store.insert("otel_traces", blocks[0].columns, blocks[0].native)
        store.close()
    print(
        f"{'':34}{'CPU ms/1,000':>13}{'bytes/span':>11}{'trace ms':>9}{'rows read':>10}{'filter ms':>10}{'rows read':>10}"
    )
    for name, ddl in _variants().items():
        with folder() as where:
            store = EmbeddedStore(where / "store")
            _measure(store, name, ddl, blocks)
            store.close()


def _variants() -> dict[str, str]:
    exporter = EXPORTER.split("\n--------\n")[0]
    return {
        "ours: filter on TraceId": OURS,
        "no index": OURS.replace(",\n" + BLOOM, ""),
        "text index on TraceId": OURS.replace(
            BLOOM, BLOOM.replace("bloom_filter(0.001) GRANULARITY 1", "text(tokenizer = 'array')")
        ),
        "filters on ids and attributes": OURS.replace(BLOOM, BLOOM + BLOOMS),
        "sorted by (5 minutes, TraceId)": OURS.replace(",\n" + BLOOM, "").replace(
            ORDER, "ORDER BY (toStartOfFiveMinutes(Timestamp), TraceId)"
        ),
        "sorted by (Service, minute, TraceId)": OURS.replace(",\n" + BLOOM, "").replace(
            ORDER, "ORDER BY (ServiceName, toStartOfMinute(Timestamp), TraceId)"
        ),
        "text indexes on ids and attributes": OURS.replace(
            BLOOM, BLOOM.replace("bloom_filter(0.001) GRANULARITY 1", "text(tokenizer = 'array')") + TEXTS
        ),
        "exporter's": exporter,
    }


def _measure(store: EmbeddedStore, name: str, ddl: str, blocks: list[Block]) -> None:
    store.command(ddl)
    began = time.process_time()
    for block in blocks:
        store.insert("otel_traces", block.columns, block.native)
    cpu_s = time.process_time() - began
    store.command("OPTIMIZE TABLE otel_traces FINAL")
    (size,) = rows(
        store,
        "SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS n FROM system.parts WHERE active AND table = 'otel_traces' AND database = currentDatabase()",
    )
    some = rows(
        store,
        f"SELECT TraceId, SpanAttributes['gen_ai.conversation.id'] AS talk FROM otel_traces ORDER BY cityHash64(SpanId) LIMIT {ASKED}",
    )
    trace = _asked(
        store, "SELECT count() FROM otel_traces WHERE TraceId = {wanted:String}", [row["TraceId"] for row in some]
    )
    attribute = _asked(
        store,
        "SELECT count() FROM otel_traces WHERE SpanAttributes['gen_ai.conversation.id'] = {wanted:String}",
        [row["talk"] for row in some],
    )
    thousands = size["n"] / 1000
    print(
        f"{name:34}{1000 * cpu_s / thousands:13.2f}{size['bytes'] / size['n']:11.0f}"
        f"{trace[0]:9.1f}{trace[1]:10.0f}{attribute[0]:10.1f}{attribute[1]:10.0f}",
        flush=True,
    )


def _asked(store: EmbeddedStore, sql: str, values: list[str]) -> tuple[float, float]:
    """CPU milliseconds and rows read of the query, medians over `values`."""
    cost, read = [], []
    for value in values:
        began = time.process_time()
        answer = store.query(sql, {"wanted": value}, format="JSON")
        cost.append(1000 * (time.process_time() - began))
        read.append(json.loads(answer)["statistics"]["rows_read"])
    return statistics.median(cost), statistics.median(read)


if __name__ == "__main__":
    main()
