"""Limits and the words for what was wrong."""

from __future__ import annotations

import pytest
from spanruns_receiver.decode.model import REASONS, REJECTIONS, Limits, checked, refusal
from spanruns_schema.errors import BadInput, ConfigError, Malformed, TooLarge


@pytest.mark.parametrize("nesting", [0, 101, 10**6])
def test_a_nesting_limit_that_would_exhaust_the_stack_is_refused(nesting: int) -> None:
    """The message says what may be set."""
    with pytest.raises(ConfigError, match=f"nesting limit {nesting}: set 1 to 100"):
        Limits(nesting=nesting)


@pytest.mark.parametrize(
    ("reason", "error", "message"),
    [
        ("malformed", Malformed, "payload 3: not an OTLP logs request: malformed protobuf"),
        ("items", TooLarge, "payload 3: OTLP logs request with too many items"),
        ("copies", TooLarge, "payload 3: OTLP logs request whose rows repeat too much"),
    ],
)
def test_a_refusal_names_the_payload_the_signal_and_the_reason(
    reason: str, error: type[BadInput], message: str
) -> None:
    """The type of the error says whether it was the form or the size."""
    refused = refusal("logs", reason, "payload 3: ")

    assert (type(refused), str(refused)) == (error, message)


def test_a_check_adds_up_what_was_rejected() -> None:
    """The message lists every reason with its number, for the sender to see."""
    found = checked(9, {REJECTIONS[3]: 2, REJECTIONS[0]: 1})

    assert (found.items, found.rejected) == (9, 3)
    assert found.message == "2 spans: span id is zero, 1 spans: trace id is not 16 bytes"


def test_every_reason_is_explained() -> None:
    """A reason without an explanation could not be shown to anybody."""
    assert all(REASONS.values())
