"""Every error has a status, on both doors."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from spanruns_receiver.doors.status import (
    STATUSES,
    NotOtlp,
    Status,
    message_of,
    retry_after_s,
    rpc_status,
    status_of,
)
from spanruns_schema import errors

EVERY = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


@pytest.mark.parametrize("error", EVERY)
def test_every_error_is_mapped(error: type[errors.SpanrunsError]) -> None:
    """No error gets its status by accident."""
    assert error in STATUSES


@pytest.mark.parametrize("error", EVERY)
def test_retryable_says_the_same_on_both_doors(error: type[errors.SpanrunsError]) -> None:
    """What clients of one door repeat, those of the other do too (OTLP lists these codes as retryable)."""
    status = STATUSES[error]
    assert (status.grpc is grpc.StatusCode.UNAVAILABLE) == status.retryable
    assert (status.http in (429, 502, 503, 504)) == status.retryable


def test_unknown_errors_are_retryable() -> None:
    """A mistake of ours costs a retry, not data; and tells nothing from inside."""
    assert status_of(ValueError("secret")) == Status(grpc.StatusCode.UNAVAILABLE, 503, True)
    assert message_of(ValueError("secret")) == "internal error"
    assert retry_after_s(ValueError()) == 1.0


def test_new_error_takes_the_status_of_its_parent() -> None:
    """An error that derives from a mapped one is like it."""

    class Special(errors.TooLarge):
        pass

    assert status_of(Special()).http == 413


def test_overload_carries_its_delay() -> None:
    """The delay of an overload is in the `RetryInfo` of its status."""
    status = rpc_status(errors.Overloaded("full", 2.5))
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message) == (14, "full")
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (2, 500_000_000)


def test_useless_repetitions_are_not_invited() -> None:
    """Bad input has no `RetryInfo`."""
    assert not rpc_status(errors.Malformed("bad")).details
    assert retry_after_s(NotOtlp("not here", 415)) is None
    assert status_of(NotOtlp("not here", 415)).http == 415
