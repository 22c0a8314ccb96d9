"""How an operation ended."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest
from spanruns._outcome import Outcome, message_of, outcome_of, type_name


class Cancelled(BaseException):
    """As trio and anyio call theirs."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (RuntimeError(), "failed"),
        (asyncio.CancelledError(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        (Cancelled(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (SystemExit(), "success"),
        (SystemExit(0), "success"),
        (SystemExit("no"), "failed"),
        (TimeoutError(), "failed"),
    ],
)
def test_outcome_of_an_exception(error: BaseException | None, outcome: Outcome) -> None:
    """Called off is not failed, a clean exit is a success."""
    assert outcome_of(error) == outcome


def test_names_are_those_of_opentelemetry() -> None:
    """Fully qualified, builtins bare."""
    names = [type_name(error) for error in (ValueError(), asyncio.CancelledError(), Cancelled())]
    assert names == ["ValueError", "asyncio.exceptions.CancelledError", f"{__name__}.Cancelled"]


def test_message_is_bounded() -> None:
    """An exception may carry a whole document."""
    assert len(message_of(ValueError("x" * 1_000_000))) == 8_192
