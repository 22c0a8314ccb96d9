"""The spool: durable before it is acknowledged, and found again after anything."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spanruns_receiver.spool import Batch, Damage, Plan, Spool, SpoolLimits, log
from spanruns_receiver.spool.record import HEADER_BYTES, SEGMENT_HEADER_BYTES
from spanruns_schema.errors import ConfigError, Overloaded

from tests.support.spools import SpoolMaker, contents, put


def segments(spool: Spool) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(spool.directory.glob("*.seg"))


def test_requests_come_back_in_order(open_spool: SpoolMaker) -> None:
    """What was appended is read with its sequence, signal and item count."""
    spool = open_spool()
    assert put(spool, b"one", b"two") == [1, 2]
    assert put(spool, b"three", signal="logs") == [3]
    found, beyond = spool.read(1, 99, 2**20)
    assert [(r.sequence, r.signal, r.items, payload) for r, payload in found] == [
        (1, "traces", 1, b"one"),
        (2, "traces", 1, b"two"),
        (3, "logs", 1, b"three"),
    ]
    assert beyond == 4


def test_many_threads_get_distinct_sequences(open_spool: SpoolMaker) -> None:
    """Every appending thread gets the sequence under which its own request is read."""
    spool = open_spool(segment_bytes=4096)
    bodies = [f"request {n}".encode() * 20 for n in range(500)]
    with ThreadPoolExecutor(16) as pool:
        sequences = list(pool.map(lambda body: put(spool, body)[0], bodies))
    assert sorted(sequences) == list(range(1, 501))
    assert dict(contents(spool)) == dict(zip(sequences, bodies, strict=True))


@pytest.mark.parametrize("limit_bytes", [1, 100, 1000, 2**20])
def test_reading_in_pieces(open_spool: SpoolMaker, limit_bytes: int) -> None:
    """However small the pieces, every request is read once; a piece has at least one."""
    spool = open_spool(segment_bytes=2000)
    bodies = [bytes([n]) * (n * 37 % 300) for n in range(60)]
    put(spool, *bodies)
    assert contents(spool, limit_bytes=limit_bytes) == list(enumerate(bodies, 1))


def test_a_reader_far_behind_reads_from_disk(open_spool: SpoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a large backlog requests are not kept in memory, and come back all the same."""
    monkeypatch.setattr(log, "_FAR_BEHIND_BYTES", 1000)
    spool = open_spool()
    payloads = [bytes([number]) * 300 for number in range(8)]
    for payload in payloads:
        put(spool, payload)
    assert spool._tail.take(1, 99, 2**20) == []
    found, beyond = spool.read(1, 99, 2**20)
    assert ([payload for _, payload in found], beyond) == (payloads, 9)


def test_reading_a_range_again(open_spool: SpoolMaker) -> None:
    """A range is read alike whatever was read before it."""
    spool = open_spool(segment_bytes=1000)
    put(spool, *(bytes([n]) * 100 for n in range(50)))
    spool.read(1, 40, 2**20)
    found, beyond = spool.read(7, 11, 2**20)
    assert ([record.sequence for record, _ in found], beyond) == ([7, 8, 9, 10, 11], 12)
    found, beyond = spool.read(12, 99, 1)
    assert ([record.sequence for record, _ in found], beyond) == ([12], 13)


def test_requests_survive_a_new_process(open_spool: SpoolMaker) -> None:
    """A spool that is opened again has the same requests, and goes on counting."""
    spool = open_spool()
    put(spool, b"one", b"two")
    digest = spool.digest("traces", b"one")
    spool.close()
    again = open_spool()
    assert contents(again) == [(1, b"one"), (2, b"two")]
    assert digest in list(again.digests())
    assert again.digest("traces", b"one") == digest
    assert put(again, b"three") == [3]
    assert contents(again, 2) == [(2, b"two"), (3, b"three")]


def test_opening_twice_without_a_request_between(open_spool: SpoolMaker) -> None:
    """Processes that come and go without a request leave nothing that hinders the next."""
    for _ in range(3):
        open_spool().close()
    spool = open_spool()
    put(spool, b"one")
    spool.close()
    segments(spool)[0].write_bytes(segments(spool)[0].read_bytes()[:SEGMENT_HEADER_BYTES])
    again = open_spool()
    assert put(again, b"other") == [1]
    assert contents(again) == [(1, b"other")]


def test_half_written_tail_is_cut_and_kept(open_spool: SpoolMaker) -> None:
    """What a crash left half-written is cut off, reported and kept aside; what is before it stays."""
    spool = open_spool()
    put(spool, b"one", b"two", b"three")
    spool.close()
    path = segments(spool)[0]
    path.write_bytes(path.read_bytes()[:-2])
    told: list[Damage] = []
    again = Spool(spool.directory, SpoolLimits(2**30, 0), on_damage=told.append)
    offset = SEGMENT_HEADER_BYTES + 2 * HEADER_BYTES + 6
    assert told == [Damage(offset, HEADER_BYTES + 3, "half-written payload")]
    kept = again.directory / "damaged" / f"{path.stem}-{offset}.bin"
    assert kept.read_bytes().endswith(b"thr")
    assert contents(again) == [(1, b"one"), (2, b"two")]
    assert path.stat().st_size == offset
    assert put(again, b"four") == [3]
    again.close()


def test_damage_in_the_middle_costs_one_request(open_spool: SpoolMaker) -> None:
    """A flipped bit on disk loses the request it is in, and the reader tells of it."""
    spool = open_spool()
    put(spool, b"one", b"two", b"three")
    spool.close()
    path = segments(spool)[0]
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"two")] ^= 1
    path.write_bytes(bytes(raw))
    told: list[Damage] = []
    again = Spool(spool.directory, SpoolLimits(2**30, 0), on_damage=told.append)
    assert contents(again) == [(1, b"one"), (3, b"three")]
    assert [damage.reason for damage in told] == ["payload does not match its digest"]
    assert len(list((again.directory / "damaged").iterdir())) == 1
    again.close()


def test_segment_without_a_header_is_put_aside(open_spool: SpoolMaker) -> None:
    """A file that is no segment does not hinder the start, nor is it removed."""
    spool = open_spool()
    put(spool, b"one")
    spool.close()
    (spool.directory / f"{9:020d}.seg").write_bytes(b"something else entirely")
    again = open_spool()
    assert contents(again) == [(1, b"one")]
    assert (again.directory / "damaged" / f"{9:020d}.seg").read_bytes() == b"something else entirely"


def overwrite(path: Path, at: int, data: bytes) -> None:
    """Change bytes of a file where they are."""
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)


@pytest.mark.parametrize("bit", range(8 * SEGMENT_HEADER_BYTES))
@pytest.mark.parametrize("count", [1, 3])
def test_turned_bit_in_a_segment_header(open_spool: SpoolMaker, bit: int, count: int) -> None:
    """It costs no request, in the only segment or in one of several; it is told once, and mended."""
    spool = open_spool(segment_bytes=20)
    bodies = [b"one", b"two", b"three"][:count]
    for body in bodies:
        put(spool, body)
    spool.close()
    path = segments(spool)[-1]
    sound = path.read_bytes()
    overwrite(path, bit // 8, bytes([sound[bit // 8] ^ 1 << bit % 8]))
    told: list[Damage] = []
    again = Spool(spool.directory, SpoolLimits(2**30, 0), on_damage=told.append)
    assert contents(again) == list(enumerate(bodies, 1))
    assert told == [Damage(0, SEGMENT_HEADER_BYTES, "damaged segment header")]
    assert path.read_bytes() == sound
    again.close()


def test_lost_beginning_of_a_segment(open_spool: SpoolMaker) -> None:
    """Where the header and the first requests are gone, those behind them are read with the seed of the others."""
    spool = open_spool(segment_bytes=300)
    for body in (b"1" * 90, b"2" * 90, b"3" * 90, b"4" * 90):
        put(spool, body)
    spool.close()
    first, second = segments(spool)
    overwrite(first, 0, bytes(100))
    told: list[Damage] = []
    again = Spool(spool.directory, SpoolLimits(2**30, 0), on_damage=told.append)
    assert [sequence for sequence, _ in contents(again)] == [2, 3, 4]
    assert [damage.offset for damage in told] == [0, SEGMENT_HEADER_BYTES]
    again.close()
    assert second in segments(again)


def test_segment_of_a_newer_version(open_spool: SpoolMaker) -> None:
    """A start is refused with what to do, and nothing is changed: this version would take it for damaged."""
    spool = open_spool()
    put(spool, b"one", b"two")
    spool.close()
    path = segments(spool)[0]
    raw = b"SPRSEG02" + bytes(8) + path.read_bytes()[SEGMENT_HEADER_BYTES:].replace(b"SR", b"RS")
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"newer version .*--data"):
        open_spool()
    assert path.read_bytes() == raw
    path.unlink()
    assert put(open_spool(), b"three") == [1]


@pytest.mark.parametrize("lost", [0, 1])
def test_lost_segment_is_told(open_spool: SpoolMaker, lost: int, caplog: pytest.LogCaptureFixture) -> None:
    """Requests whose file is gone, or was emptied, are counted in the log; those behind them are read."""
    spool = open_spool(segment_bytes=20)
    for body in (b"one", b"two", b"three"):
        put(spool, body)
    spool.close()
    segments(spool)[lost].write_bytes(b"")
    again = open_spool()
    assert [sequence for sequence, _ in contents(again, first=1)] == [n for n in (1, 2, 3) if n != lost + 1]
    assert [message for message in caplog.messages if message.startswith("1 requests before")]


def test_other_files_are_left_alone(open_spool: SpoolMaker) -> None:
    """What is not named like a segment is none."""
    spool = open_spool()
    put(spool, b"one")
    spool.close()
    (spool.directory / "old.seg").write_bytes(b"somebody's")
    assert contents(open_spool()) == [(1, b"one")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_the_files_leaves_a_spool_that_works(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """After any overwriting and cutting of any segment a spool opens, reads only what was written, and goes
    on.
    """
    directory = tmp_path_factory.mktemp("spool")
    limits = SpoolLimits(2**20, 0, 400)
    bodies = [f"request {n} ".encode() * 5 for n in range(12)]
    spool = Spool(directory, limits)
    for body in bodies:
        put(spool, body)
    spool.close()
    path = data.draw(st.sampled_from(segments(spool)))
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + 20] = data.draw(st.binary(max_size=20))
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    again = Spool(directory, limits)
    survivors = contents(again)
    assert set(survivors) <= set(enumerate(bodies, 1))
    assert survivors == sorted(survivors)
    (sequence,) = put(again, b"new")
    assert sequence >= max((found for found, _ in survivors), default=0) + 1
    assert contents(again, sequence) == [(sequence, b"new")]
    again.close()


def test_second_process_is_refused(open_spool: SpoolMaker) -> None:
    """A directory belongs to one spool at a time; the message says who has it and what to set."""
    spool = open_spool()
    with pytest.raises(ConfigError, match=r"in use by another process \(pid \d+\).*--data"):
        open_spool()
    spool.close()
    open_spool()


def test_full_spool_refuses_before_acceptance(open_spool: SpoolMaker) -> None:
    """Over the limit a request is refused with a delay; room comes back when what is there is stored."""
    spool = open_spool(max_bytes=64 * 1024)
    body = b"x" * 10_000
    put(spool, *[body] * 6)
    with pytest.raises(Overloaded, match="spool is full") as refused:
        put(spool, body)
    assert refused.value.retry_after_s == 2.0
    assert len(contents(spool)) == 6
    spool.plan_file.save(Plan(spool.next_sequence))
    put(spool, body)


def test_disk_without_room_refuses(open_spool: SpoolMaker) -> None:
    """Where less than the wanted space is free, requests are refused and the spool says it is not ready."""
    spool = open_spool(min_free_bytes=2**60)
    with pytest.raises(Overloaded, match="disk is full"):
        put(spool, b"one")
    assert spool.refusal().startswith("the disk is full")


def test_dead_letters_count_as_used(open_spool: SpoolMaker) -> None:
    """Dead letters take room of the spool, so they are bounded too."""
    from spanruns_receiver.spool import DeadLetter

    spool = open_spool(max_bytes=64 * 1024)
    letter = DeadLetter("1-otel_traces", "traces", "otel_traces", "Code: 6", 6, 1, 0, 60_000)
    spool.dead.add(letter, b"x" * 60_000)
    with pytest.raises(Overloaded, match=r"spool is full: .* dead letters \(60000, see"):
        put(spool, b"x" * 10_000)
    spool.dead.remove(letter)
    put(spool, b"x" * 10_000)


WRITE_FAILS = """
import resource, sys
from pathlib import Path
from spanruns_receiver.spool import Spool, SpoolLimits
from spanruns_schema.errors import Overloaded

def put(body):
    return spool.append("traces", body, 1, spool.digest("traces", body)).result(10)

spool = Spool(Path(sys.argv[1]), SpoolLimits(2**30, 0))
sequences = [put(b"one")]
size = next(spool.directory.glob("*.seg")).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        put(b"x" * 5000)
    except Overloaded as error:
        refused = error.retry_after_s, spool.refusal()
print(*refused)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sequences += [put(b"two"), put(b"three")]
print(sequences, repr(spool.refusal()))
found, _ = spool.read(1, 99, 2**20)
print([(record.sequence, payload) for record, payload in found])
"""


def test_failed_write_is_refused_and_taken_back(tmp_path: Path) -> None:
    """When the disk does not take a request its sender is told to retry, and no trace of it is left."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_FAILS, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        "5.0 the spool could not be written a moment ago",
        "[1, 2, 3] ''",
        "[(1, b'one'), (2, b'two'), (3, b'three')]",
    ], done.stderr
    assert done.stderr.count("the spool cannot be written, requests are refused until it can") == 1
    assert "Traceback" not in done.stderr


def test_stored_segments_are_removed_but_the_youngest(open_spool: SpoolMaker) -> None:
    """Segments go when the plan on disk says that they are stored; two stay, for telling repetitions."""
    spool = open_spool(segment_bytes=1000)
    for n in range(10):
        put(spool, bytes([n]) * 600)
        put(spool, bytes([n]) * 600)
    assert len(segments(spool)) == 10
    spool.release()
    assert len(segments(spool)) == 10
    spool.plan_file.save(Plan(21, (Batch("traces", 13, 14),)))
    spool.release()
    assert [int(path.stem) for path in segments(spool)] == [9, 11, 13, 15, 17, 19]
    assert spool.backlog_bytes == sum(path.stat().st_size for path in segments(spool)[2:])
    spool.plan_file.save(Plan(21))
    spool.release()
    assert [int(path.stem) for path in segments(spool)] == [15, 17, 19]
    assert spool.backlog_bytes == 0


def test_sequences_go_on_after_everything_is_gone(open_spool: SpoolMaker) -> None:
    """The plan remembers the sequence even when no segment does."""
    spool = open_spool()
    put(spool, b"one", b"two")
    spool.plan_file.save(Plan(3))
    spool.close()
    for path in segments(spool):
        path.unlink()
    assert put(open_spool(), b"three") == [3]


def test_waiting_for_a_request(open_spool: SpoolMaker) -> None:
    """A reader sleeps until its request is durable, until it is stopped, or until the spool is closed."""
    spool = open_spool()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(spool.wait_for, 1)
        put(spool, b"one")
        assert waiting.result(10) is True
        waiting = pool.submit(spool.wait_for, 2, stop.is_set)
        stop.set()
        spool.wake()
        assert waiting.result(10) is False
        waiting = pool.submit(spool.wait_for, 2)
        spool.close()
        assert waiting.result(10) is False


def test_closing_keeps_what_was_queued_and_refuses_the_rest(open_spool: SpoolMaker) -> None:
    """Requests that were taken are durable after a close; later ones are told to retry."""
    spool = open_spool()
    futures = [spool.append("traces", bytes([n]), 1, b"d" * 16) for n in range(100)]
    spool.close()
    assert [future.result(0) for future in futures] == list(range(1, 101))
    with pytest.raises(Overloaded, match="shutting down"):
        spool.append("traces", b"late", 1, b"d" * 16)
