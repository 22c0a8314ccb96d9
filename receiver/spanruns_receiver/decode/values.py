"""Attribute values as the text that is stored, and the repairs on the way.

Follows the Collector's `pcommon.Value.AsString`: what a string map holds is the string itself, `true`, a
decimal integer, a double as Go's JSON writes it, base64 for bytes, compact JSON with sorted keys for
arrays and maps. Two differences: `<`, `>` and `&` inside JSON stay as they are, and a double without a
JSON form is `NaN`, `Infinity` or `-Infinity` (a string inside JSON).
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from google.protobuf.message import DecodeError

from spanruns_receiver.decode.model import Limits
from spanruns_receiver.decode.wire import ArrayValue, MapValue

Pairs = list[tuple[bytes, bytes]]

# 2000-01-01: earlier times are those of clocks that nobody set, or are not in ns. A store would drop them at once, as too old to keep.
EARLIEST_NS = 946_684_800 * 10**9
# 2200-01-01: later times are mistakes, and DateTime64(9) ends in 2262.
LATEST_NS = 7_258_118_400 * 10**9
# So are times that are later than this after they were received. The store would keep each of those days for good.
AHEAD_NS = 366 * 86_400 * 10**9
# 2026-01-01: a receiver's clock that shows less is wrong itself.
CLOCK_NS = 1_767_225_600 * 10**9
TOO_DEEP = "[too deep]"
MALFORMED = "[malformed]"
_json_string = json.JSONEncoder(ensure_ascii=False).encode


class Cleaner:
    """Turns wire values into stored ones under `limits`; `counts` says by reason what it had to repair."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: Counter[str] = Counter()
        self.received = 0
        """When the payload was received (unix ns), or 0."""
        self._latest_ns = LATEST_NS

    def received_at(self, received: int) -> None:
        """What comes now was received at this time (unix ns); 0 where that is unknown."""
        self.received = received if possible(received) else 0
        ahead = self.received + AHEAD_NS if self.received >= CLOCK_NS else LATEST_NS
        self._latest_ns = min(LATEST_NS, ahead)

    def possible(self, time: int) -> bool:
        """Whether `time` (unix ns) can be one."""
        return EARLIEST_NS <= time < self._latest_ns

    def name(self, raw: bytes) -> bytes:
        """A key, name or version."""
        return self._cut(self._utf8(raw), self.limits.name_bytes, "name_truncated")

    def text(self, raw: bytes) -> bytes:
        """A message or other free text."""
        return self._cut(self._utf8(raw), self.limits.value_bytes, "value_truncated")

    def value(self, value: Any) -> bytes:
        """An `AnyValue` as text; empty for none."""
        which = value.WhichOneof("value")
        if which == "string":
            return self.text(value.string)
        if which is None:
            return b""
        if which == "bool":
            return b"true" if value.bool else b"false"
        if which == "int":
            return b"%d" % value.int
        if which == "double":
            return number(value.double).encode()
        text = base64.b64encode(value.bytes) if which == "bytes" else self._json(value, which, 1).encode()
        return self._cut(text, self.limits.value_bytes, "value_truncated")

    def attributes(self, attributes: Sequence[Any]) -> Pairs:
        """Attributes as (key, text) pairs in the order they came; of a repeated key the first."""
        pairs: dict[bytes, bytes] = {}
        if len(attributes) > self.limits.attributes:
            self.counts["attributes_dropped"] += len(attributes) - self.limits.attributes
            attributes = attributes[: self.limits.attributes]
        for attribute in attributes:
            key = self.name(attribute.key)
            if key in pairs:
                self.counts["duplicate_attribute"] += 1
            else:
                pairs[key] = self.value(attribute.value)
        return list(pairs.items())

    def identifier(self, raw: bytes, size: int) -> bytes:
        """A trace or span id in hex; empty for none."""
        if len(raw) == size:
            return raw.hex().encode() if any(raw) else b""
        if raw:
            self.counts["id_length"] += 1
        return b""

    def time(self, time: int, otherwise: int) -> int:
        """`time` if it is possible, else `otherwise`."""
        if self.possible(time):
            return time
        self.counts["time"] += 1
        return otherwise

    def _utf8(self, raw: bytes) -> bytes:
        if raw.isascii():
            return raw
        try:
            raw.decode()
        except UnicodeDecodeError:
            self.counts["invalid_utf8"] += 1
            return raw.decode(errors="replace").encode()
        return raw

    def _cut(self, text: bytes, limit: int, reason: str) -> bytes:
        if len(text) <= limit:
            return text
        self.counts[reason] += 1
        end = limit
        while end > 0 and text[end] & 0xC0 == 0x80:  # never inside a character
            end -= 1
        return text[:end]

    def _json(self, value: Any, which: str | None, depth: int) -> str:
        """`value` as JSON; `depth` counts the arrays and maps around its members."""
        match which:
            case None:
                return "null"
            case "string":
                return _json_string(self._utf8(value.string).decode())
            case "bool":
                return "true" if value.bool else "false"
            case "int":
                return str(value.int)
            case "double":
                text = number(value.double)
                return text if math.isfinite(value.double) else f'"{text}"'
            case "bytes":
                return f'"{base64.b64encode(value.bytes).decode()}"'
        if depth > self.limits.nesting:
            self.counts["nesting"] += 1
            return f'"{TOO_DEEP}"'
        try:
            return self._array(value.array, depth) if which == "array" else self._map(value.map, depth)
        except DecodeError:
            self.counts["nested_malformed"] += 1
            return f'"{MALFORMED}"'

    def _kept(self, message: Any) -> Sequence[Any]:
        members: Sequence[Any] = message.values
        if len(members) > self.limits.members:
            self.counts["attributes_dropped"] += len(members) - self.limits.members
            members = members[: self.limits.members]
        return members

    def _array(self, raw: bytes, depth: int) -> str:
        members = self._kept(ArrayValue.FromString(raw))
        return f"[{','.join(self._json(value, value.WhichOneof('value'), depth + 1) for value in members)}]"

    def _map(self, raw: bytes, depth: int) -> str:
        last: dict[str, Any] = {}
        for member in self._kept(MapValue.FromString(raw)):
            key = self._utf8(member.key).decode()
            if key in last:
                self.counts["duplicate_attribute"] += 1
            last[key] = member.value
        pairs = (
            f"{_json_string(key)}:{self._json(value, value.WhichOneof('value'), depth + 1)}"
            for key, value in sorted(last.items(), key=lambda item: item[0])
        )
        return f"{{{','.join(pairs)}}}"


def possible(time: int) -> bool:
    """Whether `time` (unix ns) can be one: from 2000 on, and before 2200."""
    return EARLIEST_NS <= time < LATEST_NS


def number(value: float) -> str:
    """A double as Go's JSON writes it: the shortest digits, an exponent only below 1e-6 and from 1e21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.removesuffix(".0")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
