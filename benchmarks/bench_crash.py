"""Kill it under load, again and again: everything acknowledged is stored, nothing twice.

    python benchmarks/bench_crash.py [--kills 50] [--seed N]

Half of the kills hit `spanruns up` on the embedded store: at random moments under load, thus in the middle of inserts, and every
fourth while it starts and replays what the one before it had not stored. The other half hit `spanruns receive` on a store behind
ClickHouse's HTTP interface, which itself is killed and away for a while at random. Clients repeat what got no answer, as OTLP's do.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from spanruns_schema.store import open_store, rows

from benchmarks.served import Served, Starting, folder
from tests.integration.test_crash import Client
from tests.support.clickhouse_http import ClickHouseProcess
from tests.support.up import ask_store

CLIENTS = 4
LONGEST_LIFE_S = 1.5
LONGEST_START_S = 4.0
STARTS_KILLED = 4  # one in so many
AWAY_S = 3.0
STORED_TIMEOUT_S = 300
NUMBERS = "SELECT toUInt64(reinterpretAsUInt64(reverse(unhex(SpanId)))) - 1 AS number FROM otel_traces ORDER BY number"
FACTS = "SELECT count() AS every, uniqExact(trace_id, span_id) AS different FROM span_facts"


def main() -> None:
    """Both halves; ends with a status of 1 when anything is missing or double."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=4317)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with folder() as where:
        right = _embedded(where, arguments.kills // 2, moments)
    with folder() as where:
        right = _away(where, arguments.kills - arguments.kills // 2, moments) and right
    sys.exit(0 if right else 1)


def _embedded(where: Path, kills: int, moments: random.Random) -> bool:
    data, clients = where / "data", _clients()
    for number in range(kills):
        _live(data, clients, moments, number)
    up = Served(Starting(data))
    _finish(up, clients)
    up.wait_until_quiet()
    up.stop()
    stored, facts = ask_store(data, NUMBERS, FACTS)
    return _judge("embedded store", kills, clients, [row["number"] for row in stored], facts[0])


def _away(where: Path, kills: int, moments: random.Random) -> bool:
    data, clients = where / "data", _clients()
    clickhouse = ClickHouseProcess(where / "clickhouse")
    clickhouse.start()
    away = 0
    try:
        for number in range(kills):
            absent = (
                threading.Thread(target=_absent, args=(clickhouse, moments.uniform(0, LONGEST_LIFE_S)))
                if number % 2
                else None
            )
            if absent:
                absent.start()
                away += 1
            _live(data, clients, moments, number, "--store", clickhouse.url)
            if absent:
                absent.join()
        up = Served(Starting(data, "--store", clickhouse.url, command="receive"))
        _finish(up, clients)
        up.wait_until_quiet(STORED_TIMEOUT_S)
        up.stop()
        store = open_store(clickhouse.url)
        stored, facts = rows(store, NUMBERS), rows(store, FACTS)
        store.close()
    finally:
        clickhouse.stop()
    name = f"store behind HTTP, killed and away {away} times"
    return _judge(name, kills, clients, [row["number"] for row in stored], facts[0])


def _absent(clickhouse: ClickHouseProcess, after_s: float) -> None:
    time.sleep(after_s)
    clickhouse.stop()
    time.sleep(AWAY_S)
    clickhouse.start()


def _clients() -> list[Client]:
    return [Client(time.time_ns(), first=number * 10_000_000) for number in range(CLIENTS)]


def _live(data: Path, clients: Sequence[Client], moments: random.Random, number: int, *flags: str) -> None:
    """One process from its start to its violent end."""
    command = "receive" if flags else "up"
    starting = Starting(data, *flags, command=command)
    if number % STARTS_KILLED == STARTS_KILLED - 1:
        time.sleep(moments.uniform(0.5, LONGEST_START_S))
        starting.kill()
        return
    up = Served(starting)
    senders = [threading.Thread(target=client.send_until_it_fails, args=(up.grpc,)) for client in clients]
    for sender in senders:
        sender.start()
    time.sleep(moments.uniform(0, LONGEST_LIFE_S))
    up.kill()
    for sender in senders:
        sender.join(30)


def _finish(up: Served, clients: Sequence[Client]) -> None:
    for client in clients:
        client.finish(up.grpc)


def _judge(name: str, kills: int, clients: Sequence[Client], stored: list[int], facts: dict[str, int]) -> bool:
    acknowledged = sorted(number for client in clients for number in client.acknowledged)
    lost, extra = len(set(acknowledged) - set(stored)), len(stored) - len(set(stored))
    unasked = len(set(stored) - set(acknowledged))
    right = stored == acknowledged and facts["every"] == facts["different"] == len(acknowledged)
    print(
        f"{name}: {kills} kills, {len(acknowledged):,} spans acknowledged, {len(stored):,} stored, {lost} lost, {extra} double, "
        f"{unasked} never acknowledged; {facts['every']:,} facts, {facts['different']:,} different: {'right' if right else 'WRONG'}",
        flush=True,
    )
    return right


if __name__ == "__main__":
    main()
