"""All segments of a spool: found and repaired at start, read in order, removed when stored."""

from __future__ import annotations

import itertools
import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

from spanruns_schema.errors import ConfigError

from spanruns_receiver.spool.files import write_whole
from spanruns_receiver.spool.record import (
    HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Damage,
    Record,
    is_of_newer_version,
)
from spanruns_receiver.spool.segment import READ_BYTES, Segment, seeds_in, segment_paths

_log = logging.getLogger(__name__)

# Segments that are stored and yet kept: their digests tell a request that is repeated after a crash.
KEPT_SEGMENTS = 2


class Segments:
    """The segment files in `directory`. One thread adds, one reads, any asks.

    A record's sequence is always below the first one of the next segment; what a failed write left behind
    that is not read. `on_damage` is told of bytes that are no sound record; they are kept in `damaged/`.
    """

    def __init__(self, directory: Path, on_damage: Callable[[Damage], None]) -> None:
        self.directory = directory
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._position = (0, 0, 0)  # sequence, first sequence of its segment, offset: where reading goes on
        self._all: tuple[Segment, ...] = tuple(self._open_all())
        self.next_sequence = self._recover(self._all[-1]) if self._all else 0
        if self._all and self.next_sequence == self._all[-1].first_sequence:
            self._put_aside(self._all[-1])

    @property
    def youngest(self) -> Segment | None:
        """The segment that was added last."""
        return self._all[-1] if self._all else None

    def add(self, first_sequence: int, seed: int) -> Segment:
        """A new segment for the records from `first_sequence` on; raises `OSError`."""
        segment = Segment.create(self.directory, first_sequence, seed)
        with self._lock:
            self._all = (*self._all, segment)
        return segment

    def abandon(self, segment: Segment) -> None:
        """Take back what a failed write may have left in the youngest segment, and keep nothing empty."""
        if segment.size_bytes == SEGMENT_HEADER_BYTES:
            with self._lock:
                self._all = self._all[:-1]
            segment.delete()
            return
        try:
            segment.cut(segment.size_bytes)
        except OSError as error:
            # The next segment begins at the same sequence, so what is left here will not be read.
            _log.error("cannot cut %s: %s", segment.path, error)

    def size_from(self, sequence: int, below: int) -> int:
        """Bytes of the segments that hold any record from `sequence` on, when the youngest ends `below`."""
        segments = self._all
        ends = [segment.first_sequence for segment in segments[1:]] + [below]
        return sum(s.size_bytes for s, end in zip(segments, ends, strict=False) if end > sequence)

    def digests(self) -> Iterator[bytes]:
        """The digests of the youngest records on disk."""
        for segment in self._all[-2 * KEPT_SEGMENTS :]:
            for record in segment.headers():
                yield record.digest

    def read(self, first: int, last: int, limit_bytes: int) -> tuple[list[tuple[Record, bytes]], int]:
        """About `limit_bytes` of the records from `first` to `last` (at least one), in order, with payloads.

        Also returns the first sequence that this answer does not cover; a damaged record is covered and
        absent.
        """
        found: list[tuple[Record, bytes]] = []
        size, expected = 0, first
        for segment, offset, below in self._from(first):
            while offset < segment.size_bytes:
                items, behind = segment.read(offset, min(limit_bytes - size, READ_BYTES))
                for item in items:
                    if isinstance(item, Damage):
                        self._keep_aside(segment, item)
                        expected = 0
                        continue
                    record, payload = item
                    if record.sequence > last:
                        start = record.offset - HEADER_BYTES
                        self._position = (last + 1, segment.first_sequence, start)
                        return found, last + 1
                    if first <= record.sequence < below:
                        if 0 < expected < record.sequence:
                            _log.error("%d requests before %s are missing", record.sequence - expected, segment.path)
                        expected = record.sequence + 1
                        found.append((record, payload))
                        size += HEADER_BYTES + record.size_bytes
                offset = behind
                if size >= limit_bytes:
                    beyond = found[-1][0].sequence + 1
                    self._position = (beyond, segment.first_sequence, offset)
                    return found, beyond
        return found, max(first, last + 1)

    def release(self, stored_below: int) -> None:
        """Remove the segments whose records are all below `stored_below`, but for the youngest few."""
        with self._lock:
            segments = self._all
            stored = [s for s, after in itertools.pairwise(segments) if after.first_sequence <= stored_below]
            surplus = stored[: max(0, len(stored) - KEPT_SEGMENTS)]
            self._all = segments[len(surplus) :]
        for segment in surplus:
            segment.delete()

    def close(self) -> None:
        """Close every file."""
        for segment in self._all:
            segment.close()

    def _from(self, first: int) -> Iterator[tuple[Segment, int, int]]:
        """Each segment from the one that holds `first` on, where to begin in it, the sequence of the next
        one.
        """
        segments = self._all
        at = max(0, bisect_right(segments, first, key=lambda segment: segment.first_sequence) - 1)
        for index in range(at, len(segments)):
            segment = segments[index]
            below = segments[index + 1].first_sequence if index + 1 < len(segments) else 2**64
            yield segment, self._offset_of(first, segment) if index == at else SEGMENT_HEADER_BYTES, below

    def _offset_of(self, sequence: int, segment: Segment) -> int:
        known, first_sequence, offset = self._position
        if known == sequence and first_sequence == segment.first_sequence:
            return offset
        for record in segment.headers():
            if record.sequence >= sequence:
                return record.offset - HEADER_BYTES
        return SEGMENT_HEADER_BYTES

    def _open_all(self) -> Iterator[Segment]:
        paths = segment_paths(self.directory)
        seeds = seeds_in(paths)
        for path in paths:
            segment = Segment.open(path, seeds)
            if segment is not None:
                self._mend(segment)
                yield segment
                continue
            if not path.stat().st_size:  # the process died while it made the file
                path.unlink()
                continue
            if is_of_newer_version(path.read_bytes()):
                raise ConfigError(
                    f"{path} was written by a newer version of spanruns: start that one, or set --data to another directory"
                )
            self._tell(path, Damage(0, path.stat().st_size, "no segment header"))
            self._move_aside(path)

    def _mend(self, segment: Segment) -> None:
        if segment.has_damaged_header:
            self._tell(segment.path, Damage(0, SEGMENT_HEADER_BYTES, "damaged segment header"))
            segment.mend_header()

    def _recover(self, segment: Segment) -> int:
        """Cut off what a crash left behind the last sound record of the youngest segment; the sequence after
        it.
        """
        offset, next_sequence = SEGMENT_HEADER_BYTES, segment.first_sequence
        while offset < segment.size_bytes:
            items, offset = segment.read(offset)
            for item in items:
                if not isinstance(item, Damage):
                    next_sequence = item[0].sequence + 1
                elif item.offset + item.size_bytes >= segment.size_bytes:
                    self._keep_aside(segment, item)
                    segment.cut(item.offset)
        return next_sequence

    def _put_aside(self, segment: Segment) -> None:
        """Drop a segment without any sound record; its name is wanted for the next one."""
        self._all = self._all[:-1]
        if segment.size_bytes == SEGMENT_HEADER_BYTES:
            segment.delete()
            return
        segment.close()
        self._move_aside(segment.path)

    def _move_aside(self, path: Path) -> None:
        (self.directory / "damaged").mkdir(exist_ok=True)
        path.replace(self.directory / "damaged" / path.name)

    def _keep_aside(self, segment: Segment, damage: Damage) -> None:
        self._tell(segment.path, damage)
        aside = self.directory / "damaged" / f"{segment.path.stem}-{damage.offset}.bin"
        try:
            aside.parent.mkdir(exist_ok=True)
            write_whole(aside, segment.bytes_at(damage))
        except OSError as error:  # a full disk must not keep the sound records from being stored
            _log.error("cannot keep damaged bytes in %s: %s", aside, error)

    def _tell(self, path: Path, damage: Damage) -> None:
        _log.error("%s: %d bytes at %d: %s", path, damage.size_bytes, damage.offset, damage.reason)
        self._on_damage(damage)
