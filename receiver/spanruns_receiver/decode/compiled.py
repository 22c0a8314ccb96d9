"""The compiled decoder (`receiver/native`), where it could be built. Gives the same bytes as `portable`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from spanruns_receiver.decode import portable
from spanruns_receiver.decode.block import header
from spanruns_receiver.decode.columns import TABLES, names
from spanruns_receiver.decode.model import Block, Checked, Decoded, Limits, Signal, checked, refusal
from spanruns_receiver.decode.values import possible

log = logging.getLogger(__name__)


NAME = "native"


def _load() -> Any:
    try:
        from spanruns_receiver._native import Decoder
    except ImportError:
        return None
    return Decoder({table: [header(*column) for column in columns] for table, columns in TABLES.items()})


_decoder = _load()
AVAILABLE = _decoder is not None


def decode(signal: Signal, payloads: Sequence[bytes], limits: Limits, received_ns: Sequence[int] = ()) -> Decoded:
    """See `spanruns_receiver.decode.decode`. Runs without the GIL."""
    received = [at if possible(at) else 0 for at in received_ns]
    try:
        blocks, cleaned, rejected = _decoder.decode(signal, payloads, received, _numbers(limits))
    except ValueError as error:
        position, reason = error.args
        raise refusal(signal, reason, f"payload {position}: ") from error
    except RuntimeError:
        log.exception("the compiled decoder failed; decoding these payloads in Python")
        return portable.decode(signal, payloads, limits, received_ns)
    return Decoded(
        {table: Block(names(table), rows, native) for table, rows, native in blocks},
        dict(sorted(cleaned)),
        dict(sorted(rejected)),
    )


def validate(signal: Signal, payload: bytes, limits: Limits) -> Checked:
    """See `spanruns_receiver.decode.validate`. Runs without the GIL."""
    try:
        items, rejected = _decoder.validate(signal, payload, _numbers(limits))
    except ValueError as error:
        raise refusal(signal, error.args[1]) from error
    except RuntimeError:
        log.exception("the compiled decoder failed; checking this payload in Python")
        return portable.validate(signal, payload, limits)
    return checked(items, dict(rejected))


def _numbers(limits: Limits) -> tuple[int, int, int, int, int, int, int]:
    return (
        limits.value_bytes,
        limits.name_bytes,
        limits.attributes,
        limits.nesting,
        limits.members,
        limits.items,
        limits.copies,
    )
