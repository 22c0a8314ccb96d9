"""Answers that may be a few seconds old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

CACHED_S = 5.0
MAX_CACHED = 200


class Cache:
    """Answers for `CACHED_S` seconds; one question at a time is asked, others wait for its answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(self, key: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer to `key`, from `ask` if there is none that is fresh."""
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            if len(self._places) > MAX_CACHED:
                self._places.popitem(last=False)
        with place.lock:
            if place.value is None or self._clock() >= place.until:
                place.value = ask()
                place.until = self._clock() + CACHED_S
            return place.value


class _Place:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: dict[str, Any] | None = None
        self.until = 0.0
