"""A batch: the requests of a spool range, decoded to blocks, and the token that makes its insert happen once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanruns_schema.dialects.rules import FACTS_WRITTEN
from spanruns_schema.errors import SpanrunsError

from spanruns_receiver.decode import Block, Decoded, decode
from spanruns_receiver.facts import TABLE as FACTS_TABLE
from spanruns_receiver.signals import Signal
from spanruns_receiver.spool import Batch, Record, Requests, Spool
from spanruns_receiver.writer.split import slice_request

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
    """A batch in memory: the records of its requests, their rows as one block a table, and the requests that do not decode.

    The requests themselves are in the spool, should they be wanted again.
    """

    batch: Batch
    records: Sequence[Record]
    decoded: Decoded
    refused: Sequence[Refused] = ()
    facts: bool = False

    @property
    def blocks(self) -> Mapping[str, Block]:
        """Blocks by table; of a batch that was split only the one it is for."""
        only = self.batch.table
        return {table: block for table, block in self.decoded.blocks.items() if only in ("", table)}

    @property
    def settings(self) -> dict[str, str | int | float]:
        """Settings of its inserts: views are to leave rows alone whose facts are inserted too."""
        return {"log_comment": FACTS_WRITTEN} if self.facts else {}

    def token(self, table: str) -> str:
        """What the store knows this insert by.

        It stands for what goes in (the requests' digests, the part taken of them) and where, not for the
        block's bytes: so a replay is the same insert even when a newer decoder writes those bytes
        differently.
        """
        digest = hashlib.sha256(f"{table}\n{self.batch.items}\n".encode())
        for record in self.records:
            digest.update(record.digest)
        return digest.hexdigest()


def plan_batches(requests: Requests, first: int, last: int, *, facts: bool) -> list[tuple[Batch, Requests]]:
    """One batch a signal for the range that `requests` were read from, and one for each table that some are for alone.

    Whether the writer makes the facts is planned with it, so that a replay, also of a part, goes the same way.
    """
    by_kind: dict[tuple[Signal, str], list[tuple[Record, bytes]]] = {}
    for request in requests:
        by_kind.setdefault((request[0].signal, request[0].table), []).append(request)
    return [
        (Batch(signal, first, last, table, facts=facts and signal != "metrics", alone=table), found)
        for (signal, table), found in by_kind.items()
    ]


def read_batch(spool: Spool, batch: Batch) -> Requests:
    """The requests of `batch` from the spool; of a batch within one request, that part of it."""
    found: list[tuple[Record, bytes]] = []
    first = batch.first
    while first <= batch.last:
        requests, first = spool.read(first, batch.last, _READ_BYTES)
        found += [
            request for request in requests if (request[0].signal, request[0].table) == (batch.signal, batch.alone)
        ]
    if batch.items is None:
        return found
    return [(record, slice_request(batch.signal, payload, *batch.items)) for record, payload in found]


def load(batch: Batch, requests: Requests, *, facts: bool) -> Loaded:
    """Decode a batch. A request that does not decode is left out, the same one each time.

    With `facts` those of a batch that was planned without them are made as well: the store no longer does it.
    """
    facts = batch.facts or batch.table == FACTS_TABLE or (facts and batch.signal != "metrics")
    try:
        return Loaded(batch, _records(requests), _decode(batch, requests, facts), facts=facts)
    except Exception:
        sound, refused = _sorted_out(batch, requests, facts)
    return Loaded(batch, _records(sound), _decode(batch, sound, facts), refused, facts)


def _records(requests: Requests) -> list[Record]:
    return [record for record, _ in requests]


def _decode(batch: Batch, requests: Requests, facts: bool) -> Decoded:
    payloads = [payload for _, payload in requests]
    received_ns = [record.received_at_ns for record, _ in requests]
    return decode(batch.signal, payloads, received_ns=received_ns, facts=facts)


def _sorted_out(batch: Batch, requests: Iterable[tuple[Record, bytes]], facts: bool) -> tuple[Requests, list[Refused]]:
    sound: list[tuple[Record, bytes]] = []
    refused: list[Refused] = []
    for record, payload in requests:
        try:
            _decode(batch, [(record, payload)], facts)
        except SpanrunsError as error:
            refused.append(Refused(record, payload, str(error)))
        except Exception as error:
            refused.append(Refused(record, payload, f"the decoder failed: {error!r}"))
        else:
            sound.append((record, payload))
    return sound, refused
