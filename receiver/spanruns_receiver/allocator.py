"""The C library's allocator, told to give memory back: a receiver holds large blocks for a short while, in several threads."""

from __future__ import annotations

import ctypes

# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_LARGE_BYTES = 2**20
_ARENAS = 2


def keep_small() -> bool:
    """Let go of large blocks as soon as they are free, and share arenas between threads; whether that could be set (glibc only).

    By default glibc raises the size from which blocks are their own mappings up to 32 MiB, as it sees them freed, and has eight
    arenas a core; under load what both hold back is about 100 MB. To be called before threads are started.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES))
    taken = [mallopt(name, value) for name, value in wanted]
    return all(taken)
