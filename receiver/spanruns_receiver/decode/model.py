"""What the decoder takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Signal = Literal["traces", "logs", "metrics"]

# What `Decoded.cleaned` counts. None of these costs a batch, or more than the value it names.
REASONS: dict[str, str] = {
    "invalid_utf8": "text that is not UTF-8; wrong bytes became U+FFFD",
    "value_truncated": "a value, body or message longer than `Limits.value_bytes`",
    "name_truncated": "a key, name or version longer than `Limits.name_bytes`",
    "attributes_dropped": "attributes beyond `Limits.attributes` of one span, record, event, link or point",
    "duplicate_attribute": "a key that came twice; the first value stays (in nested maps the last)",
    "nesting": "arrays and maps nested deeper than `Limits.nesting`; replaced by a marker",
    "nested_malformed": "bytes of an array or map that do not parse; replaced by a marker",
    "time": "a time that is 0, negative, after 2200, or an end before its start",
    "id_length": "a parent, link, log or exemplar id of the wrong length; left empty",
    "enum": "a kind, status or severity number without a meaning",
}

# What `Decoded.rejected` counts: spans that cannot be stored, for they have no identity.
REJECTIONS: tuple[str, ...] = (
    "trace id is not 16 bytes",
    "trace id is zero",
    "span id is not 8 bytes",
    "span id is zero",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one value, name or span is stored; sizes in bytes of UTF-8."""

    value_bytes: int = 1 << 20
    name_bytes: int = 4096
    attributes: int = 1000
    nesting: int = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one table as one ClickHouse `Native` block with `columns`, in that order."""

    columns: tuple[str, ...]
    rows: int
    native: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """Blocks by table (only tables with rows), and what had to be repaired or refused, by reason."""

    blocks: Mapping[str, Block]
    cleaned: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A request as the door sees it: `items` (spans, records, points), how many cannot be stored, and why."""

    items: int
    rejected: int = 0
    message: str = ""
