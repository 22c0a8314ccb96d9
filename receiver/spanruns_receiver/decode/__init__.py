"""OTLP request bytes to ClickHouse blocks: a pure function, compiled where possible, portable everywhere.

`SPANRUNS_DECODER` = `native` or `portable` forces one; otherwise the compiled decoder is used where it is
installed and of this version. Both give the same bytes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import cache
from typing import Protocol

from spanruns_schema.errors import ConfigError, Malformed, TooLarge

from spanruns_receiver.decode import compiled, portable
from spanruns_receiver.decode.model import REASONS, REJECTIONS, Block, Checked, Decoded, Limits, Signal
from spanruns_receiver.facts import FactMaker, package_facts

__all__ = [
    "REASONS",
    "REJECTIONS",
    "Block",
    "Checked",
    "Decoded",
    "Limits",
    "Malformed",
    "Signal",
    "TooLarge",
    "count",
    "decode",
    "decoder_name",
    "validate",
]

DEFAULT_LIMITS = Limits()

_log = logging.getLogger(__name__)


class _Decoder(Protocol):
    NAME: str

    def decode(
        self,
        signal: Signal,
        payloads: Sequence[bytes],
        limits: Limits,
        received_ns: Sequence[int],
        facts: FactMaker | None,
    ) -> Decoded: ...

    def validate(self, signal: Signal, payload: bytes, limits: Limits) -> Checked: ...


def decode(
    signal: Signal,
    payloads: Sequence[bytes],
    *,
    limits: Limits = DEFAULT_LIMITS,
    received_ns: Sequence[int] = (),
    facts: bool = False,
) -> Decoded:
    """Decode protobuf `Export*ServiceRequest` payloads of one signal into one block a table.

    With `facts` there is a block of `span_facts` too, where the rows have any.

    `received_ns` (unix ns, one a payload, as the spool has them) stands in where a row has no possible
    time of its own; without it such a row is at 1970-01-01. The result depends on nothing but the
    arguments. Bad values are cleaned and counted, spans without a valid id are left out and counted.
    Raises `Malformed`, naming the payload, for bytes that are not protobuf, and `TooLarge` for a payload
    that would grow beyond `limits`.
    """
    return _decoder().decode(signal, payloads, limits, received_ns, package_facts() if facts else None)


def validate(signal: Signal, payload: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Checked:
    """Check a payload before it is acknowledged: what passes, `decode` takes.

    Raises `Malformed` and `TooLarge` as `decode` does.
    """
    return _decoder().validate(signal, payload, limits)


def count(signal: Signal, payload: bytes) -> int:
    """How many spans, log records or data points `payload` has. Raises as `validate` does."""
    return validate(signal, payload).items


def decoder_name() -> str:
    """`native` or `portable`: which decoder this process uses.

    Raises `ConfigError` where `SPANRUNS_DECODER` asks for what is not there.
    """
    return _decoder().NAME


@cache
def _decoder() -> _Decoder:
    wanted = os.environ.get("SPANRUNS_DECODER", "")
    if wanted == "portable":
        return portable
    if not wanted and not compiled.AVAILABLE:
        _log.warning("decoding in Python, much slower than compiled: %s", compiled.PROBLEM)
        return portable
    if wanted not in ("", "native"):
        raise ConfigError(f"SPANRUNS_DECODER={wanted}: set native, portable, or nothing")
    if not compiled.AVAILABLE:
        raise ConfigError(f"SPANRUNS_DECODER=native: {compiled.PROBLEM}, or set SPANRUNS_DECODER=portable")
    return compiled
