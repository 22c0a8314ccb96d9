"""The arguments of a call by the names of the signature, looked up once when a callable is decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

_SELF: Final = ("self", "cls", "mcs")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Arguments:
    """Names the arguments of calls of one callable; a method's own object is left out."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._names: tuple[str, ...] = ()
        self._defaults: dict[str, Any] = {}
        self._rest = "args"
        self._skip = 0
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some builtins have no signature
            return
        if parameters and parameters[0].name in _SELF and "." in getattr(function, "__qualname__", ""):
            self._skip = 1
        self._names = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                self._rest = parameter.name
            elif parameter.default is not inspect.Parameter.empty:
                self._defaults[parameter.name] = parameter.default

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument of a call, defaults included; wrong calls are named as far as they go."""
        skip = self._skip
        found = dict(zip(self._names[skip:], args[skip:], strict=False))
        if len(args) > len(self._names):
            found[self._rest] = args[len(self._names) :]
        found.update(kwargs)
        return {**found, **{key: value for key, value in self._defaults.items() if key not in found}}
