"""Numbers in attribute values, taken and refused as ClickHouse's `to…OrNull` and `to…OrZero` do.

One difference: ClickHouse reads doubles with a fast algorithm that may be an ulp off; here they are exact.
"""

from __future__ import annotations

import math
import re

_INTEGER = re.compile(rb"[+-]?[0-9]+\Z")
_FLOAT = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))\Z",
)
# Digits beyond which no value is in range; leading zeros are not counted.
_MAX_DIGITS = 20


def signed(text: bytes) -> int | None:
    """An Int64; None for anything else."""
    return _integer(text, -(2**63), 2**63 - 1)


def unsigned(text: bytes, bits: int = 64) -> int | None:
    """A UInt64, or UInt32; None for anything else, also for `-0`."""
    return None if text[:1] == b"-" else _integer(text, 0, 2**bits - 1)


def double(text: bytes) -> float | None:
    """A Float64; None for what is no number."""
    return float(text) if text and _FLOAT.match(text) else None


def tokens(text: bytes) -> int:
    """A count that may be written as a double; 0 for what is no whole number or does not fit into UInt64."""
    if text.isdigit() and len(text) < 16:
        return int(text)
    value = double(text)
    if value is None or not math.isfinite(value) or not 0 <= value < 2.0**64 or value != int(value):
        return 0
    return int(value)


def _integer(text: bytes, least: int, most: int) -> int | None:
    if not text or not _INTEGER.match(text):
        return None
    if len(text) > _MAX_DIGITS + 1 and len(text.lstrip(b"+-").lstrip(b"0")) > _MAX_DIGITS:
        return None
    value = int(text.lstrip(b"+-").lstrip(b"0") or b"0")
    if text[:1] == b"-":
        value = -value
    return value if least <= value <= most else None
