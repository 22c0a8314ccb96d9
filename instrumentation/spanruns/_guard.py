"""One guard around all of our own code: an error of ours never reaches the service.

It is logged once per place, counted, and raised again only where `SPANRUNS_RAISE=1` asks for it (our own
tests).
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("spanruns")
errors: Counter[str] = Counter()
"""How often each place failed since the start of the process."""

_warned: set[str] = set()
_raise = os.environ.get("SPANRUNS_RAISE") == "1"


def swallow(where: str) -> None:
    """Account for the exception being handled; call it inside an `except` block only."""
    errors[where] += 1
    if _raise:
        raise  # what the calling except block handles
    if where not in _warned:
        _warned.add(where)
        log.warning("spanruns: %s failed; the service is not affected, it is only said once", where, exc_info=True)


def warn_once(key: str, message: str, *args: object) -> None:
    """Log a warning the first time this key is seen in this process."""
    if key not in _warned:
        _warned.add(key)
        log.warning(message, *args)


def info_once(key: str, message: str, *args: object) -> None:
    """Log an information the first time this key is seen in this process."""
    if key not in _warned:
        _warned.add(key)
        log.info(message, *args)


@contextmanager
def raising() -> Iterator[None]:
    """Let errors of our own code through inside the block (tests)."""
    global _raise
    before, _raise = _raise, True
    try:
        yield
    finally:
        _raise = before


@contextmanager
def guarded(where: str) -> Iterator[None]:
    """Keep every exception of the block from the service."""
    try:
        yield
    except Exception:
        swallow(where)


def reset() -> None:
    """Forget what was counted and said (tests)."""
    errors.clear()
    _warned.clear()
