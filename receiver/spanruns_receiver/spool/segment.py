"""One segment file of the spool: appended by one thread, read by others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from spanruns_receiver.spool.files import read_at, sync, sync_directory, write_at
from spanruns_receiver.spool.record import (
    HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Damage,
    Record,
    pack_segment_header,
    scan,
    segment_seed,
    unpack_header,
)

SUFFIX = ".seg"
# Larger reads cost more CPU: the memory for them is new each time.
READ_BYTES = 2**20


class Segment:
    """The file that holds the records from `first_sequence` on.

    `size_bytes` counts what is durable; what an append has written beyond it is not part of the segment yet.
    """

    def __init__(self, path: Path, fd: int, seed: int, size_bytes: int) -> None:
        self.path = path
        self.first_sequence = int(path.stem)
        self.seed = seed
        self.size_bytes = size_bytes
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
    def open(cls, path: Path, *, read_only: bool = False) -> Segment | None:
        """The segment at `path`; None when its header is damaged."""
        fd = os.open(path, os.O_RDONLY if read_only else os.O_RDWR)
        seed = segment_seed(read_at(fd, SEGMENT_HEADER_BYTES, 0))
        if seed is None:
            os.close(fd)
            return None
        return cls(path, fd, seed, os.fstat(fd).st_size)

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
