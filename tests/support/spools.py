"""Putting requests into a spool and reading them back."""

from __future__ import annotations

from collections.abc import Callable

from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Spool

SpoolMaker = Callable[..., Spool]


def put(spool: Spool, *payloads: bytes, signal: Signal = "traces") -> list[int]:
    """Append each payload as one request of one item; the sequences they got."""
    futures = [spool.append(signal, p, 1, spool.digest(signal, p)) for p in payloads]
    return [future.result(10) for future in futures]


def contents(spool: Spool, first: int = 0, limit_bytes: int = 2**30) -> list[tuple[int, bytes]]:
    """Sequence and payload of every durable request from `first` on."""
    found: list[tuple[int, bytes]] = []
    while first < spool.next_sequence:
        items, first = spool.read(first, 2**62, limit_bytes)
        found += [(record.sequence, payload) for record, payload in items]
    return found
