"""Pages of the programs and libraries that this process has mapped."""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from spanruns_receiver import faults

_SMAPS = Path("/proc/self/smaps")  # proc(5)
_FILE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ \S+ +/.*\n((?:\w+:.*\n)+)", re.MULTILINE)
_SIZE = re.compile(r"(\w+): +(\d+) kB")
_LEAST_KB = 256
"""Mappings with less in memory are not worth a call."""


def let_go() -> None:
    """Unmap pages of programs; they stay in the kernel's cache of files and come back when they are touched (Linux only).

    Starting the engine touches 190 MB of its library, of which serving needs a quarter. Takes some ms.
    """
    try:
        smaps = _SMAPS.read_text()
    except OSError:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in unchanged(smaps):
        faults.map_single_pages(start, end)
        madvise(start, end - start, mmap.MADV_DONTNEED)


def unchanged(smaps: str) -> Iterator[tuple[int, int]]:
    """First and last address of what is mapped of files as it is there: nobody can write to it, and no page has been replaced by one of
    the process's own (relocated tables have), whether that is in memory or swapped out."""
    for start, end, sizes in _FILE.findall(smaps):
        kb = {name: int(size) for name, size in _SIZE.findall(sizes)}
        if kb["Rss"] >= _LEAST_KB and not kb["Anonymous"] and not kb["Swap"]:
            yield int(start, 16), int(end, 16)
