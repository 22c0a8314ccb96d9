"""The bytes of a segment."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.signals import SIGNALS, Signal
from spanruns_receiver.spool.record import (
    HEADER_BYTES,
    MAGIC,
    Damage,
    Record,
    digest_of,
    pack_header,
    pack_segment_header,
    scan,
    segment_seed,
    unpack_header,
)

SEED = 0x1234_5678_9ABC_DEF0


def packed(signal: Signal, sequence: int, payload: bytes) -> bytes:
    """A record as it lies on disk."""
    digest = digest_of(signal, payload, SEED)
    return pack_header(Record(sequence, signal, 3, 77, digest, 0, len(payload))) + payload


def segment_of(payloads: list[bytes]) -> bytes:
    """Records with the sequences 1, 2, …"""
    return b"".join(packed(SIGNALS[n % 3], n, payload) for n, payload in enumerate(payloads, 1))


def test_header_round_trip() -> None:
    """A packed header says again everything that went into it."""
    record = Record(
        sequence=2**40,
        signal="logs",
        items=12,
        received_at_ns=1_750_000_000_000_000_000,
        digest=digest_of("logs", b"payload", SEED),
        offset=100 + HEADER_BYTES,
        size_bytes=7,
        table="span_facts",
    )
    assert unpack_header(pack_header(record), 0, 100) == record


@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_changed_header_is_no_header(position: int, change: int) -> None:
    """Any single changed byte makes a header unsound."""
    header = bytearray(packed("traces", 5, b"")[:HEADER_BYTES])
    header[position] ^= change
    assert unpack_header(bytes(header), 0) is None


def test_segment_header() -> None:
    """The seed comes back; anything else has none."""
    assert segment_seed(pack_segment_header(SEED)) == SEED
    assert segment_seed(pack_segment_header(SEED)[:-1]) is None
    assert segment_seed(b"SPRSEG99" + bytes(8)) is None


def test_same_bytes_of_another_signal_or_spool_have_another_digest() -> None:
    """A digest stands for the payload, its signal and the spool."""
    digests = {digest_of(signal, b"same", seed) for signal in SIGNALS for seed in (SEED, SEED + 10, 2**64 - 1)}
    assert len(digests) == 9


def test_scan_of_sound_records() -> None:
    """Every record is found, where it is."""
    found = list(scan(segment_of([b"one", b"", b"three"]), SEED, 16))
    assert [(r.sequence, r.signal, r.offset, r.size_bytes) for r in found if isinstance(r, Record)] == [
        (1, "logs", 16 + HEADER_BYTES, 3),
        (2, "metrics", 19 + 2 * HEADER_BYTES, 0),
        (3, "traces", 19 + 3 * HEADER_BYTES, 5),
    ]


def test_changed_payload_costs_only_its_record() -> None:
    """A payload that does not match its digest is damage, and the next record is still found."""
    data = bytearray(segment_of([b"one", b"two", b"three"]))
    data[HEADER_BYTES] ^= 1
    first, *rest = scan(bytes(data), SEED)
    assert first == Damage(0, HEADER_BYTES + 3, "payload does not match its digest")
    assert [r.sequence for r in rest if isinstance(r, Record)] == [2, 3]


def test_record_of_another_spool_inside_a_payload_is_not_taken_for_one() -> None:
    """Who sends a payload that looks like a record cannot know the seed, so nothing can be slipped in."""
    inner = pack_header(Record(99, "traces", 1, 1, digest_of("traces", b"evil", SEED + 5), 0, 4)) + b"evil"
    data = bytearray(segment_of([b"x" * 10 + inner, b"two"]))
    data[0] ^= 1
    sequences = [r.sequence for r in scan(bytes(data), SEED) if isinstance(r, Record)]
    assert sequences == [2]


payloads = st.lists(
    st.one_of(st.binary(max_size=60), st.binary(max_size=20).map(lambda b: MAGIC + b)), min_size=1, max_size=6
)


@settings(max_examples=300, deadline=None)
@given(payloads, st.data())
def test_damage_never_makes_a_record_and_spares_the_others(written: list[bytes], data: st.DataObject) -> None:
    """After any overwriting within one record, all others are read as written, and nothing that was not
    written.
    """
    raw = bytearray(segment_of(written))
    expected = [r for r in scan(bytes(raw), SEED) if isinstance(r, Record)]
    assert [(r.sequence, bytes(raw[r.offset : r.end])) for r in expected] == list(enumerate(written, 1))
    victim = data.draw(st.sampled_from(expected))
    start = data.draw(st.integers(victim.offset - HEADER_BYTES, victim.end - 1))
    noise = data.draw(st.binary(min_size=1, max_size=victim.end - start))
    raw[start : start + len(noise)] = noise
    found = list(scan(bytes(raw), SEED))
    records = [r for r in found if isinstance(r, Record)]
    others = [r for r in expected if r.sequence != victim.sequence]
    assert records in (others, expected)
    covered = sum(r.size_bytes + (HEADER_BYTES if isinstance(r, Record) else 0) for r in found)
    assert covered == len(raw)


@settings(max_examples=200, deadline=None)
@given(payloads, st.data())
def test_any_cut_leaves_the_records_before_it(written: list[bytes], data: st.DataObject) -> None:
    """A segment cut anywhere gives the records that are whole, then one damage up to the end."""
    raw = segment_of(written)
    ends = [r.end for r in scan(raw, SEED) if isinstance(r, Record)]
    cut = data.draw(st.integers(0, len(raw)))
    found = list(scan(raw[:cut], SEED))
    whole = [end for end in ends if end <= cut]
    assert [r.end for r in found if isinstance(r, Record)] == whole
    left = cut - (whole[-1] if whole else 0)
    assert sum(d.size_bytes for d in found if isinstance(d, Damage)) == left


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned(raw: bytes) -> None:
    """No bytes at all make the scan fail or miss a byte."""
    assert sum(d.size_bytes for d in scan(raw, SEED) if isinstance(d, Damage)) == len(raw)
