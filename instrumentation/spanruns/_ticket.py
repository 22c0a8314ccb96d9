"""The identity of one expected run, waiting in the context for the run that takes it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context

KEY: Final = context.create_key("spanruns-ticket")


class Ticket:
    """The identity of one expected run; the first run that starts around it takes it."""

    __slots__ = ("_attributes", "_lock")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._attributes: dict[str, Any] | None = dict(attributes)
        self._lock = threading.Lock()

    def take(self) -> dict[str, Any]:
        """The attributes, once; nothing afterwards."""
        with self._lock:
            found, self._attributes = self._attributes, None
            return found or {}


def take(ctx: Context | None) -> dict[str, Any]:
    """What a run starting in this context gets from the message it came with."""
    ticket = context.get_value(KEY, ctx)
    return ticket.take() if isinstance(ticket, Ticket) else {}


def put(attributes: Mapping[str, Any], ctx: Context | None = None) -> Context:
    """A context in which the next run that starts gets these attributes."""
    return context.set_value(KEY, Ticket(attributes), ctx)
