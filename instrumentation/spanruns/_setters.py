"""Lets a provider that the service sets after us win, for all three signals.

OpenTelemetry takes one global provider per signal and ignores the second. Ours must never be the reason that
the service's own set-up is ignored: where ours was first, the later one is put in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from spanruns import _guard


class GlobalProvider:
    """The global provider of one signal, in the API module that holds it.

    `name` is `tracer`, `logger` or `meter`; `instead` is called with a provider that replaces ours.
    """

    def __init__(self, module: ModuleType, name: str, instead: Callable[[Any], None]) -> None:
        self._module = module
        self._name = name
        self._instead = instead
        self._ours: Any = None

    def set(self, provider: Any) -> None:
        """Make ours the global provider, until the service sets one."""
        getattr(self._module, f"_set_{self._name}_provider")(provider, log=False)
        self._ours = provider
        wrapt.wrap_function_wrapper(self._module, f"_set_{self._name}_provider", self._on_set)

    def _on_set(self, wrapped: Any, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        later = args[0] if args else next(iter(kwargs.values()), None)
        if self._ours is not None and later is not self._ours:
            with _guard.guarded(f"giving way to another {self._name} provider"):
                self._instead(later)
                self._ours = None
                self._make_free()
        return wrapped(*args, **kwargs)

    def _make_free(self) -> None:
        """Have the API forget that a provider was set."""
        from opentelemetry.util._once import Once

        name = self._name.upper()
        setattr(self._module, f"_{name}_PROVIDER", None)
        setattr(self._module, f"_{name}_PROVIDER_SET_ONCE", Once())
