"""Calls back when a framework has been imported completely.

A framework's packages import each other in circles, so a module that is complete may sit in the middle of an
import that is not, where its neighbours have no classes yet. The call comes when the outermost import of the
framework's packages has ended; at once if the framework is there already.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

import wrapt

from spanruns import _guard


class Watch:
    """One framework: call `done` once when `module` is there and no import of the packages is under way."""

    def __init__(self, module: str, packages: Sequence[str], done: Callable[[], None]) -> None:
        self.module = module
        self.packages = frozenset(packages)
        self._done = done
        self._depth = 0
        self._called = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """An import of one of the packages' modules has begun."""
        with self._lock:
            self._depth += 1

    def end(self, worked: bool) -> None:
        """It has ended.

        After a failure the module that failed is still to be seen, and must not be taken for there.
        """
        with self._lock:
            self._depth -= 1
        if worked:
            self.check()

    def check(self) -> None:
        """Call back if it is time."""
        with self._lock:
            if self._called or self._depth > 0 or self.module not in sys.modules:
                return
            self._called = True
        with _guard.guarded(f"instrumenting {self.module}"):
            self._done()


class _Loader(wrapt.ObjectProxy[Any]):
    """The module's own loader, telling the watches when it executes a module."""

    def __init__(self, loader: Any, watches: Sequence[Watch]) -> None:
        super().__init__(loader)
        self._self_watches = watches

    def exec_module(self, module: ModuleType) -> None:
        for watch in self._self_watches:
            watch.begin()
        worked = False
        try:
            self.__wrapped__.exec_module(module)
            worked = True
        finally:
            for watch in self._self_watches:
                watch.end(worked)


class _Finder:
    """First on `sys.meta_path`: lets the other finders find, and wraps the loader of what is watched."""

    def __init__(self) -> None:
        self.watches: list[Watch] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = name.partition(".")[0]
        watches = [watch for watch in self.watches if package in watch.packages and not watch._called]
        if not watches:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = cast("Loader", _Loader(spec.loader, watches))
                return spec
        return None


_finder = _Finder()


def when_imported(module: str, packages: Sequence[str], done: Callable[[], None]) -> None:
    """Call `done` once, as soon as `module` and whatever is importing it within `packages` is complete."""
    watch = Watch(module, packages, done)
    watch.check()
    if not watch._called:
        _finder.watches.append(watch)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
