"""Arguments by the names of the signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from spanruns._arguments import Arguments


def plain(a: int, b: int = 2) -> None:
    """Two, one with a default."""


def everything(a: int, /, b: int, *rest: int, c: int = 3, **more: int) -> None:
    """All kinds."""


class Holder:
    def method(self, a: int) -> None:
        """A method."""


def self_named(self: int) -> None:
    """A function whose argument happens to be called self."""


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "named"),
    [
        (plain, (1,), {}, {"a": 1, "b": 2}),
        (plain, (1, 5), {}, {"a": 1, "b": 5}),
        (plain, (), {"b": 5, "a": 1}, {"b": 5, "a": 1}),
        (everything, (1, 2, 8, 9), {"c": 4, "d": 5}, {"a": 1, "b": 2, "rest": (8, 9), "c": 4, "d": 5}),
        (everything, (1, 2), {}, {"a": 1, "b": 2, "c": 3}),
        (Holder.method, (Holder(), 1), {}, {"a": 1}),
        (self_named, (1,), {}, {"self": 1}),
        (plain, (1, 2, 3), {}, {"a": 1, "b": 2, "args": (3,)}),
        (max, (1, 2), {}, {"args": (1, 2)}),
    ],
)
def test_arguments_are_named(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], named: dict[str, Any]
) -> None:
    """Defaults included, the method's own object left out, wrong calls as far as they go."""
    assert Arguments(function).named(args, kwargs) == named
