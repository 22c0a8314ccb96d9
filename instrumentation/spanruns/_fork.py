"""Forks and processes that end without exit handlers.

After a fork the child starts afresh: no thread, no queued item and no live run of its parent is its own. A
fork waits while a thread of ours imports something: the child would inherit a module lock that nobody ever
releases.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol
from weakref import WeakSet

from spanruns import _guard
from spanruns._imports import when_imported

MAX_WAIT_S: Final = 10.0


class Forkable(Protocol):
    """Something with threads, locks or state that a forked child must not inherit."""

    def after_fork(self) -> None:
        """Called in the child, before anything else of ours runs there."""


_registered: WeakSet[Forkable] = WeakSet()
_gate = threading.RLock()
_held = False


def register(thing: Forkable) -> None:
    """Have `thing.after_fork()` called in every forked child, as long as it lives."""
    _registered.add(thing)


@contextmanager
def importing() -> Iterator[None]:
    """Inside the block a thread of ours imports modules: no fork until it is done."""
    with _gate:
        yield


def _before() -> None:
    global _held
    _held = _gate.acquire(timeout=MAX_WAIT_S)


def _in_parent() -> None:
    global _held
    if _held:
        _held = False
        _gate.release()


def _in_child() -> None:
    global _gate, _held
    _gate, _held = threading.RLock(), False
    for thing in list(_registered):
        with _guard.guarded("starting afresh after a fork"):
            thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


class _Exit:
    """What a worker process does before it ends; kept alive by the module."""

    def __init__(self, finish: Callable[[], None]) -> None:
        self.finish = finish


_exits: list[_Exit] = []


def at_worker_exit(finish: Callable[[], None]) -> None:
    """Have `finish` called when a worker of multiprocessing or Celery (billiard) ends.

    They leave by `os._exit`.
    """
    leave = _Exit(finish)
    _exits.append(leave)

    def hook(package: str) -> None:
        util = sys.modules[f"{package}.util"]
        util.register_after_fork(leave, lambda leave: util.Finalize(None, leave.finish, exitpriority=0))

    for package in ("multiprocessing", "billiard"):
        when_imported(f"{package}.util", (package,), partial(hook, package))
