"""What the decoder takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spanruns_schema.errors import BadInput, ConfigError, Malformed, TooLarge

Signal = Literal["traces", "logs", "metrics"]

# What `Decoded.cleaned` counts. None of these costs a batch, or more than the value it names.
REASONS: dict[str, str] = {
    "invalid_utf8": "text that is not UTF-8; wrong bytes became U+FFFD",
    "value_truncated": "a value, body or message longer than `Limits.value_bytes`",
    "name_truncated": "a key, name or version longer than `Limits.name_bytes`",
    "attributes_dropped": "attributes beyond `Limits.attributes`, members of an array or map beyond `Limits.members`",
    "duplicate_attribute": "a key that came twice; the first value stays (in nested maps the last)",
    "nesting": "arrays and maps nested deeper than `Limits.nesting`; replaced by a marker",
    "nested_malformed": "bytes of an array or map that do not parse; replaced by a marker",
    "time": "a time before 2000, after 2200 or a year after it was received, or an end before its start",
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


MAX_NESTING = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one value, name, span or payload is stored; sizes in bytes of UTF-8."""

    value_bytes: int = 1 << 20
    name_bytes: int = 4096
    # Of one span, log record, event, link, data point, resource or scope.
    attributes: int = 1000
    # Of arrays and maps inside a value: how deep, and how many members each.
    nesting: int = 64
    members: int = 1 << 16
    # What one payload may grow to: resources, scopes, metrics, rows, events, links, exemplars and quantiles
    # together; and, for each of its bytes, how many bytes of resource, scope and metric names may be copied
    # into its rows. A payload beyond these is refused.
    items: int = 1_000_000
    copies: int = 64

    def __post_init__(self) -> None:
        """Refuse what would let hostile input exhaust the stack."""
        if not 1 <= self.nesting <= MAX_NESTING:
            raise ConfigError(f"nesting limit {self.nesting}: set 1 to {MAX_NESTING}")


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


def checked(items: int, rejected: Mapping[str, int]) -> Checked:
    """The `Checked` that says how many of `items` were rejected, and why."""
    message = ", ".join(f"{count} spans: {reason}" for reason, count in sorted(rejected.items()))
    return Checked(items, sum(rejected.values()), message)


def refusal(signal: Signal, reason: str, where: str = "") -> BadInput:
    """The error for a payload that is `malformed`, or has too many `items` or too many `copies`."""
    match reason:
        case "items":
            return TooLarge(f"{where}OTLP {signal} request with too many items")
        case "copies":
            return TooLarge(f"{where}OTLP {signal} request whose rows repeat too much")
        case _:
            return Malformed(f"{where}not an OTLP {signal} request: malformed protobuf")
