"""Forks."""

from __future__ import annotations

import gc
import threading

import pytest
from spanruns import _fork, _guard


class Thing:
    """Counts how often it starts afresh."""

    def __init__(self) -> None:
        self.fresh = 0

    def after_fork(self) -> None:
        self.fresh += 1


def test_everything_registered_starts_afresh() -> None:
    """As long as it lives."""
    one, other = Thing(), Thing()
    _fork.register(one)
    _fork.register(other)
    _fork._in_child()
    del other
    gc.collect()
    _fork._in_child()
    assert one.fresh == 2


def test_one_failure_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child must come up whatever happens."""
    monkeypatch.setattr(_guard, "_raise", False)

    class Broken(Thing):
        def after_fork(self) -> None:
            raise RuntimeError("no")

    broken, whole = Broken(), Thing()
    _fork.register(broken)
    _fork.register(whole)
    _fork._in_child()
    assert (whole.fresh, _guard.errors["starting afresh after a fork"]) == (1, 1)


def test_fork_waits_for_an_import_of_ours() -> None:
    """A child would inherit the lock of a module that nobody finishes importing."""
    inside, release, forked = threading.Event(), threading.Event(), threading.Event()

    def slow_import() -> None:
        with _fork.importing():
            inside.set()
            release.wait(10)

    def fork() -> None:
        _fork._before()
        forked.set()
        _fork._in_parent()

    importing = threading.Thread(target=slow_import)
    importing.start()
    assert inside.wait(10)
    forking = threading.Thread(target=fork)
    forking.start()
    assert not forked.wait(0.1)
    release.set()
    assert forked.wait(10)
    importing.join()
    forking.join()
