"""The recorder of one call: it makes the call current, keeps its result and ends it.

The code inside gets the handle alone, so that nobody ends a call but the one who began it.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanruns import _guard


class Handle(Protocol):
    """What the code inside a call gets. What is private of it is for the recorder."""

    @property
    def span(self) -> Span:
        """The span of the call."""

    def _context(self) -> Context:
        """The context inside the call."""

    def _keep(self, result: object, limit: int) -> None:
        """Keep the result of the call; never raises."""

    def _keep_json(self, text: str) -> None:
        """Keep a result that is JSON already."""

    def _end(self, error: BaseException | None) -> None:
        """End the span, once; never raises."""


H = TypeVar("H", bound=Handle)


class Recorder(Generic[H]):
    """One call that is being recorded: a `_calls.Block`. `limit` is 0 if results are not captured."""

    __slots__ = ("_token", "handle", "limit")

    def __init__(self, handle: H, limit: int) -> None:
        self.handle = handle
        self.limit = limit
        self._token: Any = None

    def enter(self) -> None:
        """Make the call current."""
        try:
            self._token = context.attach(self.handle._context())
        except Exception:
            _guard.swallow("entering a call")

    def leave(self) -> None:
        """Make it not current any more; it goes on."""
        token, self._token = self._token, None
        if token is not None:
            context.detach(token)

    @property
    def is_current(self) -> bool:
        """True if this code runs inside it."""
        return trace.get_current_span() is self.handle.span

    def give(self, result: object) -> None:
        """Keep the result, unless that is switched off."""
        if self.limit and result is not None:
            self.handle._keep(result, self.limit)

    def give_json(self, text: str) -> None:
        """Keep a result that is JSON already."""
        try:
            self.handle._keep_json(text)
        except Exception:
            _guard.swallow("capturing a value")

    def finish(self, error: BaseException | None) -> None:
        """End the call."""
        self.handle._end(error)
