"""The few file operations that durability hangs on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Linux takes at most 1,024 buffers in one call; no platform that matters takes fewer.
_BUFFERS_PER_CALL = 1000


def sync(fd: int) -> None:
    """Return when what was written to `fd` survives a power cut."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_directory(directory: Path) -> None:
    """Return when files made, renamed or removed in `directory` stay so after a power cut."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_at(fd: int, buffers: Sequence[bytes], offset: int) -> int:
    """Write every buffer, one behind the other, from `offset` on; returns the offset behind the last."""
    for start in range(0, len(buffers), _BUFFERS_PER_CALL):
        chunk = buffers[start : start + _BUFFERS_PER_CALL]
        size = sum(map(len, chunk))
        written = os.pwritev(fd, chunk, offset)
        if written < size:  # a nearly full disk writes a part first
            rest = memoryview(b"".join(chunk))
            while written < size:
                written += os.pwrite(fd, rest[written:], offset + written)
        offset += size
    return offset


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes from `offset`; fewer only at the end of the file."""
    data = os.pread(fd, size, offset)
    while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that after a crash there is the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    fd = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o640)
    try:
        write_at(fd, [data], 0)
        sync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    sync_directory(path.parent)
