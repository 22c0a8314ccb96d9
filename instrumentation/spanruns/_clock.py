"""The one place time comes from, so that tests can hold it still."""

from __future__ import annotations

import time
from collections.abc import Callable

_now_ns: Callable[[], int] = time.time_ns


def now_ns() -> int:
    """Unix time in nanoseconds."""
    return _now_ns()


def use(clock: Callable[[], int] | None) -> None:
    """Replace the clock (nanoseconds since the epoch); None brings the real one back."""
    global _now_ns
    _now_ns = clock or time.time_ns
