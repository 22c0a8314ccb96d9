"""What was acknowledged is stored once, however often the process is killed."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import grpc
import pytest
from spanruns_receiver.signals import NAMES

from tests.support.otlp import traces
from tests.support.up import Up, ask_store, running_up

KILLS = 10
SPANS_A_REQUEST = 5
LONGEST_LIFE_S = 1.5


class Client:
    """Sends numbered spans one request after the other, and the same request again until it is acknowledged."""

    def __init__(self, start_ns: int, first: int) -> None:
        self.acknowledged: list[int] = []
        self._start_ns = start_ns
        self._next = first
        self._unanswered: tuple[list[int], bytes] | None = None

    def send_until_it_fails(self, target: str) -> None:
        """Go on where the last connection broke off."""
        with grpc.insecure_channel(target) as channel:
            export = channel.unary_unary(NAMES["traces"].grpc_method)
            for _ in iter(int, 1):
                numbers, payload = self._unanswered or self._another()
                try:
                    export(payload, timeout=10)
                except grpc.RpcError:
                    return
                self.acknowledged += numbers
                self._unanswered = None

    def finish(self, target: str) -> None:
        """Have the last request acknowledged too."""
        if self._unanswered:
            numbers, payload = self._unanswered
            with grpc.insecure_channel(target) as channel:
                channel.unary_unary(NAMES["traces"].grpc_method)(payload, timeout=30)
            self.acknowledged += numbers

    def _another(self) -> tuple[list[int], bytes]:
        numbers = list(range(self._next, self._next + SPANS_A_REQUEST))
        self._next += SPANS_A_REQUEST
        self._unanswered = (numbers, traces(*numbers, start_ns=self._start_ns))
        return self._unanswered


@pytest.fixture
def clients() -> list[Client]:
    """Four clients with spans of their own."""
    start_ns = time.time_ns()
    return [Client(start_ns, first=n * 10_000_000) for n in range(4)]


@pytest.mark.slow
def test_killed_ten_times_under_load(tmp_path: Path, clients: list[Client]) -> None:
    """Ten SIGKILLs at random moments under load, and clients that repeat what got no answer: no loss, no
    double.
    """
    moments = random.Random(4317)
    data = tmp_path / "data"
    for _ in range(KILLS):
        up = Up(data)
        senders = [threading.Thread(target=client.send_until_it_fails, args=(up.grpc,)) for client in clients]
        for sender in senders:
            sender.start()
        time.sleep(moments.uniform(0, LONGEST_LIFE_S))  # the moment of death is the point, there is nothing to await
        up.kill()
        for sender in senders:
            sender.join(30)
    with running_up(data) as up:
        for client in clients:
            client.finish(up.grpc)
        assert up.stop() == 0
    acknowledged = sorted(number for client in clients for number in client.acknowledged)
    assert len(acknowledged) > KILLS * SPANS_A_REQUEST
    stored, facts = ask_store(
        data,
        "SELECT toUInt64(reinterpretAsUInt64(reverse(unhex(SpanId)))) - 1 AS number FROM otel_traces ORDER BY number",
        "SELECT count() AS all, uniqExact(trace_id, span_id) AS different FROM span_facts",
    )
    assert [row["number"] for row in stored] == acknowledged
    assert facts == [{"all": len(acknowledged), "different": len(acknowledged)}]
