"""The compiled decoder (`receiver/native`), where it could be built. Gives the same bytes as `portable`."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from spanruns_receiver.decode import portable
from spanruns_receiver.decode.block import header
from spanruns_receiver.decode.columns import TABLES, names
from spanruns_receiver.decode.model import Block, Checked, Decoded, Limits, Signal, checked, refusal
from spanruns_receiver.decode.values import possible
from spanruns_receiver.facts import FACTS, FactMaker
from spanruns_receiver.facts import NAMES as FACT_NAMES
from spanruns_receiver.facts import TABLE as FACTS_TABLE

log = logging.getLogger(__name__)


NAME = "native"
VERSION = 21
"""That of `receiver/native/src/lib.rs`: what it takes and gives."""

_COLUMNS = {**TABLES, FACTS_TABLE: FACTS}
_NAMES = {table: names(table) for table in TABLES} | {FACTS_TABLE: FACT_NAMES}


def _load() -> tuple[Any, str]:
    """The compiled module, or None and why it is not used."""
    try:
        found: Any = importlib.import_module("spanruns_receiver._native")
    except ImportError:
        return None, "the compiled decoder is not installed; install Rust and reinstall spanruns"
    if getattr(found, "VERSION", 1) != VERSION or tuple(found.FACTS) != FACT_NAMES:
        return None, "the compiled decoder is of another version than spanruns; reinstall spanruns (make install)"
    return found, ""


MODULE, PROBLEM = _load()
AVAILABLE = MODULE is not None
_decoder: Any = (
    MODULE.Decoder({table: [header(*column) for column in columns] for table, columns in _COLUMNS.items()})
    if MODULE
    else None
)


@cache
def _mapper(facts: FactMaker) -> Any:
    return MODULE.Mapper(facts.program)


def decode(
    signal: Signal,
    payloads: Sequence[bytes],
    limits: Limits,
    received_ns: Sequence[int] = (),
    facts: FactMaker | None = None,
) -> Decoded:
    """See `spanruns_receiver.decode.decode`. Runs without the GIL."""
    received = [at if possible(at) else 0 for at in received_ns]
    mapper = _mapper(facts) if facts else None
    try:
        blocks, cleaned, rejected = _decoder.decode(signal, payloads, received, _numbers(limits), mapper)
    except ValueError as error:
        position, reason = error.args
        raise refusal(signal, reason, f"payload {position}: ") from error
    except RuntimeError:
        log.exception("the compiled decoder failed; decoding these payloads in Python")
        return portable.decode(signal, payloads, limits, received_ns, facts)
    return Decoded(
        {table: Block(_NAMES[table], rows, native) for table, rows, native in blocks},
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
