"""The bytes of a spool segment, without any I/O.

A segment is a file header and then records, one after the other. A record is a header with its own checksum,
so that a length is never trusted that is not sound, and the payload, whose 128-bit digest is in the header.
The digest is both the checksum on disk and what tells a repeated request; it is seeded per spool, so that
nobody outside can make two requests with the same digest.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

from spanruns_receiver.signals import SIGNALS, Signal

SEGMENT_MAGIC = b"SPRSEG01"
_SEGMENT = struct.Struct("<8sQ")
SEGMENT_HEADER_BYTES = _SEGMENT.size

MAGIC = b"\xf1SR\x01"
# magic, signal (and in the bits above 8 the table), payload bytes, items, sequence, received at (unix ns), digest of the payload; then a CRC-32
# of all these.
_RECORD = struct.Struct("<4sIIIQQ16s")
_CHECKSUM = struct.Struct("<I")
# Tables that a request may be for alone. Their places in this list are on disk: only ever add at the end.
_TABLES = (
    "",
    "otel_traces",
    "otel_logs",
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_histogram",
    "otel_metrics_exp_histogram",
    "otel_metrics_summary",
    "span_facts",
)
HEADER_BYTES = _RECORD.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it lies in a segment; `offset` and `size_bytes` are those of its payload.

    `table` is the only one that it is for: a dead letter that is replayed. Empty for those of clients.
    """

    sequence: int
    signal: Signal
    items: int
    received_at_ns: int
    digest: bytes
    offset: int
    size_bytes: int
    table: str = ""

    @property
    def end(self) -> int:
        """The offset behind the payload."""
        return self.offset + self.size_bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no sound record."""

    offset: int
    size_bytes: int
    reason: str


def can_be_alone(signal: Signal, table: str) -> bool:
    """Whether a request of `signal` may be for `table` only: it has rows there."""
    has_facts = signal != "metrics"
    return table in _TABLES and (table.startswith(f"otel_{signal}") or (table == "span_facts" and has_facts))


def digest_of(signal: Signal, payload: bytes | memoryview, seed: int) -> bytes:
    """16 bytes that stand for `payload` of `signal` in the spool with this `seed`."""
    return xxhash.xxh3_128_digest(payload, (seed + SIGNALS.index(signal)) % 2**64)


def pack_segment_header(seed: int) -> bytes:
    """The first bytes of a segment file."""
    return _SEGMENT.pack(SEGMENT_MAGIC, seed)


def segment_seed(data: bytes | memoryview) -> int | None:
    """The seed in a segment's header; None when there is no sound header."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, seed = _SEGMENT.unpack_from(data)
    return seed if magic == SEGMENT_MAGIC else None


def seeds_of_damaged(data: bytes) -> Iterator[int]:
    """What the seed in a damaged segment header may be: as it is there, or with one bit turned over."""
    _, seed = _SEGMENT.unpack_from(data)
    yield seed
    yield from (seed ^ 1 << bit for bit in range(64))


def is_of_newer_version(data: bytes) -> bool:
    """Whether these are the header of a segment of a newer version and at least one record."""
    family = SEGMENT_MAGIC.rstrip(b"0123456789")
    version = data[len(family) : len(SEGMENT_MAGIC)]
    is_newer = version.isdigit() and int(version) > int(SEGMENT_MAGIC[len(family) :])
    return data.startswith(family) and is_newer and len(data) > SEGMENT_HEADER_BYTES + HEADER_BYTES


def pack_header(record: Record) -> bytes:
    """The header that goes before a payload."""
    kind = SIGNALS.index(record.signal) | _TABLES.index(record.table) << 8
    head = _RECORD.pack(
        MAGIC, kind, record.size_bytes, record.items, record.sequence, record.received_at_ns, record.digest
    )
    return head + _CHECKSUM.pack(zlib.crc32(head))


def unpack_header(data: bytes | memoryview, offset: int, base: int = 0) -> Record | None:
    """The record whose header is at `offset` of `data`, None when there is no sound one; `base` is where
    `data` begins.
    """
    if len(data) - offset < HEADER_BYTES:
        return None
    magic, kind, size_bytes, items, sequence, received_at_ns, digest = _RECORD.unpack_from(data, offset)
    signal, table = kind & 0xFF, kind >> 8
    if magic != MAGIC or signal >= len(SIGNALS) or table >= len(_TABLES):
        return None
    (checksum,) = _CHECKSUM.unpack_from(data, offset + _RECORD.size)
    if checksum != zlib.crc32(data[offset : offset + _RECORD.size]):
        return None
    at = base + offset + HEADER_BYTES
    return Record(sequence, SIGNALS[signal], items, received_at_ns, digest, at, size_bytes, _TABLES[table])


def scan(data: bytes, seed: int, base: int = 0) -> Iterator[Record | Damage]:
    """Every record in `data`, payloads verified, and between them what is damaged; `base` is the file offset
    of `data`.

    After damage the scan goes on at the next sound header, so one bad record does not cost those behind it.
    Where `data` ends within a record, the last thing told is a `Damage` up to the end.
    """
    at, view = 0, memoryview(data)
    while at < len(data):
        record = unpack_header(view, at, base)
        if record is None:
            end, reason = _next_header(data, at + 1), "no sound record header"
        elif (end := record.end - base) > len(data):
            end, reason = _next_header(data, at + HEADER_BYTES), "half-written payload"
        elif digest_of(record.signal, view[record.offset - base : end], seed) != record.digest:
            reason = "payload does not match its digest"
        else:
            yield record
            at = end
            continue
        yield Damage(base + at, end - at, reason)
        at = end


def _next_header(data: bytes, start: int) -> int:
    """The offset of the next sound header at or behind `start`, else the end of `data`."""
    while (found := data.find(MAGIC, start)) >= 0:
        if unpack_header(data, found) is not None:
            return found
        start = found + 1
    return len(data)
