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
        self._named: tuple[str, ...] = ()
        self._defaults: tuple[tuple[str, Any], ...] = ()
        self._rest = "args"
        self._skip = False
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some builtins have no signature
            return
        if parameters and parameters[0].name in _SELF and "." in getattr(function, "__qualname__", ""):
            self._skip = True
        self._names = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        self._named = self._names[1:] if self._skip else self._names
        self._defaults = tuple((p.name, p.default) for p in parameters if p.default is not inspect.Parameter.empty)
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                self._rest = parameter.name

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument of a call, defaults included; wrong calls are named as far as they go."""
        found = dict(zip(self._named, args[1:] if self._skip else args, strict=False))
        if len(args) > len(self._names):
            found[self._rest] = args[len(self._names) :]
        if kwargs:
            found.update(kwargs)
        for name, default in self._defaults:
            if name not in found:
                found[name] = default
        return found
