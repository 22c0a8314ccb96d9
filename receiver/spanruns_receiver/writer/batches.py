"""A batch: the requests of a spool range, decoded to blocks, and the token that makes its insert happen once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanruns_schema.errors import SpanrunsError

from spanruns_receiver.decode import Block, Decoded, decode
from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Batch, Record, Spool
from spanruns_receiver.writer.split import slice_request

Requests = Sequence[tuple[Record, bytes]]

# Read at a time when a batch is read again; a batch was planned to be about this large at most.
_READ_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Refused:
    """A request that the decoder does not take although the door did."""

    record: Record
    payload: bytes
    reason: str


@dataclass(frozen=True)
class Loaded:
    """A batch in memory: its requests, their rows as one block a table, and the requests that do not decode."""

    batch: Batch
    requests: Requests
    decoded: Decoded
    refused: Sequence[Refused] = ()

    @property
    def blocks(self) -> Mapping[str, Block]:
        """Blocks by table; of a batch that was split only the one it is for."""
        only = self.batch.table
        return {table: block for table, block in self.decoded.blocks.items() if only in ("", table)}

    def token(self, table: str) -> str:
        """What the store knows this insert by.

        It stands for what goes in (the requests' digests, the part taken of them) and where, not for the
        block's bytes: so a replay is the same insert even when a newer decoder writes those bytes
        differently.
        """
        digest = hashlib.sha256(f"{table}\n{self.batch.items}\n".encode())
        for record, _ in self.requests:
            digest.update(record.digest)
        return digest.hexdigest()


def plan_batches(requests: Requests, first: int, last: int) -> list[tuple[Batch, Requests]]:
    """One batch a signal for the range that `requests` were read from."""
    by_signal: dict[Signal, list[tuple[Record, bytes]]] = {}
    for request in requests:
        by_signal.setdefault(request[0].signal, []).append(request)
    return [(Batch(signal, first, last), found) for signal, found in by_signal.items()]


def read_batch(spool: Spool, batch: Batch) -> Requests:
    """The requests of `batch` from the spool; of a batch within one request, that part of it."""
    found: list[tuple[Record, bytes]] = []
    first = batch.first
    while first <= batch.last:
        requests, first = spool.read(first, batch.last, _READ_BYTES)
        found += [request for request in requests if request[0].signal == batch.signal]
    if batch.items is None:
        return found
    return [(record, slice_request(batch.signal, payload, *batch.items)) for record, payload in found]


def load(batch: Batch, requests: Requests) -> Loaded:
    """Decode a batch. A request that does not decode is left out, the same one each time."""
    try:
        return Loaded(batch, requests, _decode(batch.signal, requests))
    except Exception:
        sound, refused = _sorted_out(batch.signal, requests)
    return Loaded(batch, sound, _decode(batch.signal, sound), refused)


def _decode(signal: Signal, requests: Requests) -> Decoded:
    return decode(
        signal,
        [payload for _, payload in requests],
        received_ns=[record.received_at_ns for record, _ in requests],
    )


def _sorted_out(signal: Signal, requests: Iterable[tuple[Record, bytes]]) -> tuple[Requests, list[Refused]]:
    sound: list[tuple[Record, bytes]] = []
    refused: list[Refused] = []
    for record, payload in requests:
        try:
            _decode(signal, [(record, payload)])
        except SpanrunsError as error:
            refused.append(Refused(record, payload, str(error)))
        except Exception as error:
            refused.append(Refused(record, payload, f"the decoder failed: {error!r}"))
        else:
            sound.append((record, payload))
    return sound, refused
