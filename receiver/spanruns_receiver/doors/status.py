"""The only place where an error becomes a status on the wire.

Follows the OTLP specification, "OTLP/gRPC Response" and "OTLP/HTTP Response": what can work later is
UNAVAILABLE with a `RetryInfo` or 503 with a `Retry-After`, what never can is INVALID_ARGUMENT or 4xx. An
error that nobody expected counts as retryable: losing data because of a mistake of ours would be worse than a
retry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from spanruns_schema.errors import (
    BadInput,
    ConfigError,
    Malformed,
    NotFound,
    Overloaded,
    SchemaError,
    SpanrunsError,
    StoreError,
    StoreRejected,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
)

_RETRY_AFTER_S = 1.0


@dataclass(frozen=True)
class Status:
    """What an error is called: by gRPC, by HTTP, and whether the same request may work later."""

    grpc: grpc.StatusCode
    http: int
    retryable: bool


class NotOtlp(BadInput):
    """An HTTP request that is not OTLP at all; it says itself which 4xx it is."""

    def __init__(self, message: str, http: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.http = http
        self.headers = headers


_RETRY = Status(grpc.StatusCode.UNAVAILABLE, 503, True)
_BAD = Status(grpc.StatusCode.INVALID_ARGUMENT, 400, False)
_OURS = Status(grpc.StatusCode.INTERNAL, 500, False)

STATUSES: dict[type[SpanrunsError], Status] = {
    SpanrunsError: _RETRY,
    ConfigError: _OURS,
    BadInput: _BAD,
    Malformed: _BAD,
    # gRPC's usual RESOURCE_EXHAUSTED would make clients send it again.
    TooLarge: Status(grpc.StatusCode.INVALID_ARGUMENT, 413, False),
    Overloaded: _RETRY,
    Unauthenticated: Status(grpc.StatusCode.UNAUTHENTICATED, 401, False),
    NotFound: Status(grpc.StatusCode.NOT_FOUND, 404, False),
    StoreError: _RETRY,
    StoreUnavailable: _RETRY,
    StoreRejected: _OURS,
    SchemaError: _OURS,
}


def status_of(error: BaseException) -> Status:
    """The status of the error's own class, or of the nearest one it derives from; any other error is
    retryable.
    """
    if isinstance(error, NotOtlp):
        return Status(_BAD.grpc, error.http, error.http == 408)
    for cls in type(error).__mro__:
        if cls in STATUSES:
            return STATUSES[cls]
    return _RETRY


def retry_after_s(error: BaseException) -> float | None:
    """Seconds after which the request may be sent again; None when that is useless."""
    if not status_of(error).retryable:
        return None
    return error.retry_after_s if isinstance(error, Overloaded) else _RETRY_AFTER_S


def message_of(error: BaseException) -> str:
    """What the client is told: our own messages, and nothing from inside for errors nobody expected."""
    return str(error) if isinstance(error, SpanrunsError) else "internal error"


def rpc_status(error: BaseException) -> status_pb2.Status:
    """The `google.rpc.Status` of `error`, with a `RetryInfo` where it is retryable."""
    code = status_of(error).grpc.value[0]
    status = status_pb2.Status(code=code, message=message_of(error))
    info = retry_info(error)
    if info is not None:
        detail = AnyMessage()
        detail.Pack(info)
        status.details.append(detail)
    return status


def retry_info(error: BaseException) -> error_details_pb2.RetryInfo | None:
    """The `RetryInfo` of a retryable error."""
    delay_s = retry_after_s(error)
    if delay_s is None:
        return None
    delay = Duration()
    delay.FromMilliseconds(int(delay_s * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)
