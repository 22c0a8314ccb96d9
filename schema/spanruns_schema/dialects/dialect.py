"""One dialect as data: how it is recognised, what its spans are, which of its keys mean what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from spanruns_schema.errors import ConfigError

BASE = "genai"
ROLES = frozenset({"run", "agent", "workflow", "chain", "step", "tool", "model", "ignored", ""})

APART_FROM_INPUT = ("cache_read_tokens", "cache_write_tokens", "audio_input_tokens")
"""Fields whose tokens are parts of the input, but which some leave out of its sum."""

APART_FROM_OUTPUT = ("reasoning_tokens", "audio_output_tokens")
"""The same of the output."""

UNTOLD = "untold_tokens"
"""What a total has beyond input and output: reasoning that only the total tells."""

When = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Role:
    """A span that meets every condition of `when` is a `role`; a `shadow` tool repeats the call of a tool above it."""

    role: str
    when: When
    shadow: bool = False


@dataclass(frozen=True)
class Implied:
    """What a span that meets `when` does not say itself: fields that its sums leave `apart`, its provider, its operation."""

    when: When
    apart: Sequence[str] = ()
    provider: str = ""
    operation: str = ""


@dataclass(frozen=True)
class Marker:
    """A span that meets `when` only says that its parent has begun; the attribute `parent` has that one's own parent."""

    when: When
    parent: str


@dataclass(frozen=True)
class Record:
    """A log record that tells of its span: contents, or why it failed, each in the first of these sources that is not empty:
    attributes, or `$body`.

    Contents are whole ones, or one message of them, whose speaker `message` is.
    """

    input: Sequence[str] = ()
    output: Sequence[str] = ()
    error_type: Sequence[str] = ()
    error_message: Sequence[str] = ()
    message: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.input, *self.output, *self.error_type, *self.error_message)


@dataclass(frozen=True)
class Dialect:
    """What one instrumentation's attributes mean. Lower `order` is recognised first; fields fall back to the base's."""

    name: str
    order: int
    attributes: Sequence[str] = ()
    scopes: Sequence[str] = ()
    span_names: Sequence[str] = ()
    roles: Sequence[Role] = ()
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    strip_prefix: Sequence[str] = ()
    strip_suffix: Sequence[str] = ()
    implied: Sequence[Implied] = ()
    marker: Marker | None = None
    records: Mapping[str, Record] = field(default_factory=dict)  # by the name of the event
    failed: Sequence[When] = ()
    cancelled: Sequence[When] = ()
    blamed: Sequence[When] = ()
    ok_is_default: bool = False
    json_values: bool = False
    frameworks: Sequence[str] = ()
    operations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    providers: Mapping[str, Sequence[str]] = field(default_factory=dict)


def load(folder: Traversable | None = None) -> list[Dialect]:
    """Every dialect of `folder` (the package's own by default), in the order in which they are tried; the base is last.

    Raises `ConfigError` naming the file and what is wrong with it.
    """
    folder = folder or resources.files("spanruns_schema").joinpath("dialects")
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    found = [_parse(file.name.removesuffix(".toml"), file.read_text()) for file in files]
    return sorted(found, key=lambda dialect: (dialect.order, dialect.name))


def _parse(name: str, text: str) -> Dialect:
    try:
        data = tomllib.loads(text)
        return _dialect(name, data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"dialect {name}.toml: {error}") from error


def _dialect(name: str, data: dict[str, Any]) -> Dialect:
    known = {
        "detect",
        "strip",
        "order",
        "roles",
        "fields",
        "marker",
        "failed",
        "cancelled",
        "blamed",
        "ok_is_default",
        "records",
        "implied",
    }
    known |= {"operations", "providers", "json_values", "frameworks"}
    if unknown := data.keys() - known:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
    detect = data.get("detect", {})
    if not detect and name != BASE:
        raise ValueError("[detect] must say how a span of this dialect is recognised")
    marker = data.get("marker")
    return Dialect(
        name=name,
        order=int(data["order"]),
        attributes=detect.get("attributes", ()),
        scopes=detect.get("scopes", ()),
        span_names=detect.get("span_names", ()),
        roles=[_role(item) for item in data.get("roles", ())],
        fields=data.get("fields", {}),
        strip_prefix=data.get("strip", {}).get("prefix", ()),
        strip_suffix=data.get("strip", {}).get("suffix", ()),
        implied=[_implied(item) for item in data.get("implied", ())],
        marker=Marker(_when(marker["when"]), marker["parent"]) if marker else None,
        records={event: _record(said) for event, said in data.get("records", {}).items()},
        failed=[_when(item) for item in data.get("failed", ())],
        cancelled=[_when(item) for item in data.get("cancelled", ())],
        blamed=[_when(item) for item in data.get("blamed", ())],
        ok_is_default=bool(data.get("ok_is_default", False)),
        json_values=bool(data.get("json_values", False)),
        frameworks=data.get("frameworks", ()),
        operations=data.get("operations", {}),
        providers=data.get("providers", {}),
    )


def _role(item: dict[str, Any]) -> Role:
    if item["role"] not in ROLES:
        raise ValueError(f"role {item['role']!r} is none of {', '.join(sorted(ROLES - {''}))}")
    return Role(item["role"], _when(item["when"]), bool(item.get("shadow", False)))


def _implied(item: dict[str, Any]) -> Implied:
    if unknown := item.keys() - {"when", "apart", "provider", "operation"}:
        raise ValueError(f"[[implied]] knows no {sorted(unknown)[0]!r}")
    known = {*APART_FROM_INPUT, *APART_FROM_OUTPUT, UNTOLD}
    if unknown := set(item.get("apart", ())) - known:
        raise ValueError(f"apart {sorted(unknown)[0]!r} is none of {', '.join(sorted(known))}")
    return Implied(_when(item["when"]), item.get("apart", ()), item.get("provider", ""), item.get("operation", ""))


def _record(item: dict[str, Any]) -> Record:
    if unknown := item.keys() - {part.name for part in fields(Record)}:
        raise ValueError(f"[records] knows no {sorted(unknown)[0]!r}")
    record = Record(**item)
    if not record.sources:
        raise ValueError("[records] must say where the input, the output or the error of a record is")
    return record


def _when(conditions: dict[str, Any]) -> When:
    return {key: [value] if isinstance(value, str) else list(value) for key, value in conditions.items()}
