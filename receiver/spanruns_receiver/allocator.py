"""The C library's allocator: a receiver uses large blocks for a short while, again and again, in several threads."""

from __future__ import annotations

import ctypes
from typing import Any

# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_LARGE_BYTES = 2**20
"""Whatever is larger has pages of its own, which go back when it is freed: among the others each would leave a hole."""
_TRIMMED_BYTES = 64 * 2**20
_ARENAS = 1


def _function(name: str) -> Any:
    """A function of the C library, or None (glibc only)."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None


def keep_blocks() -> bool:
    """Use freed blocks again, unless they are large, instead of asking the kernel for new ones, and share arenas between threads; whether
    that could be set.

    What piles up is for `give_back`. To be called before threads are started.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _TRIMMED_BYTES))
    taken = [mallopt(name, value) for name, value in wanted]
    return all(taken)


def give_back() -> None:
    """Return to the kernel what is free now. To be called now and then: a few ms for 100 MB."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)
