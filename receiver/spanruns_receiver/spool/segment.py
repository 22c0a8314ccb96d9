"""One segment file of the spool: appended by one thread, read by others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from spanruns_receiver.spool.files import read_at, sync, sync_directory, write_at
from spanruns_receiver.spool.record import (
    HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Damage,
    Record,
    pack_segment_header,
    scan,
    seeds_of_damaged,
    segment_seed,
    unpack_header,
)

SUFFIX = ".seg"
# Larger reads cost more CPU: the memory for them is new each time.
READ_BYTES = 2**20
_TRIAL_BYTES = 64 * 2**10


def segment_paths(directory: Path) -> list[Path]:
    """The segment files in `directory`, in the order of what they hold."""
    return sorted(directory.glob("[0-9]" * 20 + SUFFIX))


def seeds_in(paths: Iterable[Path]) -> set[int]:
    """The seeds in the headers of the files at `paths`, which is one where none is damaged."""
    seeds = set()
    for path in paths:
        with path.open("rb") as file:
            seed = segment_seed(file.read(SEGMENT_HEADER_BYTES))
        if seed is not None:
            seeds.add(seed)
    return seeds


class Segment:
    """The file that holds the records from `first_sequence` on.

    `size_bytes` counts what is durable; what an append has written beyond it is not part of the segment yet.
    """

    def __init__(self, path: Path, fd: int, seed: int, size_bytes: int) -> None:
        self.path = path
        self.first_sequence = int(path.stem)
        self.seed = seed
        self.size_bytes = size_bytes
        self.has_damaged_header = False
        self._fd = fd

    @classmethod
    def create(cls, directory: Path, first_sequence: int, seed: int) -> Segment:
        """An empty segment on disk; raises `OSError` where there is no room for it."""
        path = directory / f"{first_sequence:020d}{SUFFIX}"
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
        try:
            write_at(fd, [pack_segment_header(seed)], 0)
            sync(fd)
            sync_directory(directory)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        return cls(path, fd, seed, SEGMENT_HEADER_BYTES)

    @classmethod
    def open(cls, path: Path, seeds: Iterable[int] = (), *, read_only: bool = False) -> Segment | None:
        """The segment at `path`; None when it is none, or when none of `seeds`, nor what is left in its header, is its seed.

        A header has no checksum: the records tell which seed is theirs.
        """
        fd = os.open(path, os.O_RDONLY if read_only else os.O_RDWR)
        header = read_at(fd, SEGMENT_HEADER_BYTES, 0)
        seed = segment_seed(header)
        segment = cls(path, fd, seed or 0, os.fstat(fd).st_size)
        if seed is not None and segment.is_seeded_with(seed):
            return segment
        if segment.size_bytes > SEGMENT_HEADER_BYTES:
            for other in (*seeds_of_damaged(header), *seeds):
                if segment.is_seeded_with(other):
                    segment.seed, segment.has_damaged_header = other, True
                    return segment
        if seed is not None:
            return segment
        segment.close()
        return None

    def is_seeded_with(self, seed: int) -> bool:
        """Whether this is the seed of the first records; also where there are none."""
        trial = Segment(self.path, self._fd, seed, self.size_bytes)
        items, _ = trial.read(SEGMENT_HEADER_BYTES, _TRIAL_BYTES)
        return not items or not all(isinstance(item, Damage) for item in items)

    def mend_header(self) -> None:
        """Write the header again; raises `OSError`."""
        write_at(self._fd, [pack_segment_header(self.seed)], 0)
        sync(self._fd)
        self.has_damaged_header = False

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write `buffers` behind the last record and return when they are durable; raises `OSError`."""
        end = write_at(self._fd, buffers, self.size_bytes)
        sync(self._fd)
        self.size_bytes = end

    def cut(self, size_bytes: int) -> None:
        """Drop what lies behind `size_bytes`; raises `OSError`."""
        os.ftruncate(self._fd, size_bytes)
        sync(self._fd)
        self.size_bytes = size_bytes

    def read(self, offset: int, limit_bytes: int = READ_BYTES) -> tuple[list[tuple[Record, bytes] | Damage], int]:
        """About `limit_bytes` of records (with payloads) and damage from `offset` on, and the offset behind
        them.
        """
        base, limit_bytes = offset, max(limit_bytes, HEADER_BYTES)
        while True:
            end = min(self.size_bytes, offset + limit_bytes)
            data = read_at(self._fd, end - offset, offset)
            found = list(scan(data, self.seed, offset))
            if end < self.size_bytes and found and isinstance(found[-1], Damage):
                found.pop()  # perhaps only cut off by where this read ended
            if found or end == self.size_bytes:
                break
            limit_bytes *= 4
        items: list[tuple[Record, bytes] | Damage] = []
        for item in found:
            if isinstance(item, Damage):
                items.append(item)
                offset = item.offset + item.size_bytes
            else:
                items.append((item, data[item.offset - base : item.end - base]))
                offset = item.end
        return items, offset

    def headers(self) -> Iterator[Record]:
        """Every record up to the first damaged header, payloads neither read nor verified."""
        offset = SEGMENT_HEADER_BYTES
        while offset < self.size_bytes:
            record = unpack_header(read_at(self._fd, HEADER_BYTES, offset), 0, offset)
            if record is None or record.end > self.size_bytes:
                return
            yield record
            offset = record.end

    def bytes_at(self, damage: Damage) -> bytes:
        """The bytes that `damage` is about."""
        return read_at(self._fd, damage.size_bytes, damage.offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def delete(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)
