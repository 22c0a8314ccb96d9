"""After a fork, the child starts afresh.

No thread, no queued item and no live run of its parent is its own.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

from spanruns import _guard


class Forkable(Protocol):
    """Something with threads, locks or state that a forked child must not inherit."""

    def after_fork(self) -> None:
        """Called in the child, before anything else of ours runs there."""


_registered: WeakSet[Forkable] = WeakSet()


def register(thing: Forkable) -> None:
    """Have `thing.after_fork()` called in every forked child, as long as it lives."""
    _registered.add(thing)


def _in_child() -> None:
    for thing in list(_registered):
        with _guard.guarded("starting afresh after a fork"):
            thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
