"""Answers are kept for a while, and not too many of them."""

from __future__ import annotations

from typing import Any

from spanruns_receiver.api.cache import CACHED_S, MAX_CACHED, Cache


def test_an_answer_is_kept_for_its_time() -> None:
    """The same question is asked once in five seconds, another one for itself."""
    now, asked = 0.0, 0

    def ask() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"n": asked}

    cache = Cache(clock=lambda: now)
    assert [cache.get("a", ask), cache.get("a", ask), cache.get("b", ask)] == [{"n": 1}, {"n": 1}, {"n": 2}]
    now = CACHED_S
    assert cache.get("a", ask) == {"n": 3}


def test_the_cache_is_bounded() -> None:
    """The question that was not asked for longest goes first."""
    cache = Cache(clock=lambda: 0.0)
    for n in range(MAX_CACHED + 1):
        cache.get(str(n), lambda: {"old": True})
    assert cache.get("1", lambda: {"old": False}) == {"old": True}
    assert cache.get("0", lambda: {"old": False}) == {"old": False}
