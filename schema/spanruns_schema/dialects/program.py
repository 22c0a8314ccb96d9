"""The dialects' data as a program: what a receiver that makes facts itself interprets, row by row.

Tuples, mappings, texts and numbers only, so that readers in Python and compiled ones take the same. `mapping` says the same in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from spanruns_schema.dialects.dialect import BASE, Dialect, When
from spanruns_schema.dialects.rules import (
    CANCELLED,
    CANCELLED_TEXT,
    CONTENT_LIMIT,
    CONTROL_FLOW,
    GENERAL_TYPES,
    INTERNAL_TAG,
    LIFECYCLE,
    MODEL_PLACE,
    NO_CONTENTS,
    NO_MODELS,
    NO_VALUES,
    STACK,
    TEXT_AFTER_TYPE,
    TYPE_IN_MESSAGE,
    content_records,
)
from spanruns_schema.dialects.slots import EXTRAS, Slots, scoped
from spanruns_schema.dialects.sql import inside, is_number

Kind = Literal[
    "slot",
    "inside",
    "resource",
    "prefix",
    "event",
    "last_event",
    "span_name",
    "own_name",
    "scope",
    "scope_version",
    "status",
    "status_message",
]


class Source(NamedTuple):
    """Where a value of a row is.

    `slot`: the value of the slot; `inside`: what stands at `path` inside its JSON, of that what is between the texts `name` and `key`
    if there are any (without a path, of the value as it is); `resource`: the resource's attribute `name`;
    `prefix`: all attributes under `name` as JSON; `event`, `last_event`: the attribute `key` of the first or last event `name` that
    has it; `span_name`: as it came; `own_name`: without what the dialect puts around it; `scope`, `scope_version`: the scope's name and version;
    `status`: `ok`, `error` or `unset`.
    """

    kind: Kind
    slot: int = 0
    name: bytes = b""
    key: bytes = b""
    path: tuple[str | int, ...] = ()


class Patterns(NamedTuple):
    """A value matches that is one of `literals`, or begins or ends so, or (`anything`) is not empty."""

    literals: tuple[bytes, ...]
    anything: bool
    prefixes: tuple[bytes, ...]
    suffixes: tuple[bytes, ...]


class Affix(NamedTuple):
    """What stands in front of a name, or at its end."""

    text: bytes
    at_end: bool


class Condition(NamedTuple):
    """Whether the value of `source` (None: always empty) matches, or with `stripped` is the span's name without these."""

    source: Source | None
    patterns: Patterns
    stripped: tuple[Affix, ...] | None = None


Rule = tuple[Condition, ...]
"""Conditions that must all be met."""


class ImpliedProgram(NamedTuple):
    """What a row that meets the rule does not say itself: fields that its sums leave `apart`; its provider and its operation, if not empty."""

    rule: Rule
    apart: tuple[str, ...]
    provider: bytes
    operation: bytes


class DialectProgram(NamedTuple):
    """How rows of one dialect are read; what the data ties to other dialects is left out.

    `bare`: slot and rank of the keys without a dot; `fields`: the sources of each field, the first that is not empty counts.
    """

    name: bytes
    json_values: bool
    affixes: tuple[Affix, ...]
    bare: Mapping[bytes, int]
    roles: tuple[tuple[bytes, Rule], ...]
    failed: tuple[Rule, ...]
    implied: tuple[ImpliedProgram, ...]
    cancelled: tuple[Rule, ...]
    blamed: tuple[Rule, ...]
    ok_is_default: bool
    markers: tuple[Rule, ...]
    marker_parent: tuple[Source, ...]
    fields: Mapping[str, tuple[Source, ...]]


class RowProgram(NamedTuple):
    """How rows of one table are read.

    `dialects` in the order in which they are tried, the base last; `keys`: slot and rank (`slot * ranks + rank`) of the keys with a
    dot; `no_values`: values that say nothing; `detected_keys`, `detected_scopes`, `detected_names`: what shows the dialect of that number.
    """

    dialects: tuple[DialectProgram, ...]
    ranks: int
    keys: Mapping[bytes, int]
    no_values: tuple[bytes, ...]
    detected_keys: Mapping[bytes, int]
    detected_scopes: tuple[tuple[int, Patterns], ...]
    detected_names: tuple[tuple[int, Patterns], ...]
    operations: Mapping[bytes, bytes]
    providers: Mapping[bytes, bytes]


class ContentRecord(NamedTuple):
    """A log record that tells of its span: the first source that has something counts, an attribute's key or `$body`."""

    dialect: bytes
    message: bytes
    input: tuple[bytes, ...]
    output: tuple[bytes, ...]
    error_type: tuple[bytes, ...]
    error_message: tuple[bytes, ...]


class Program(NamedTuple):
    """How spans are read, and log records of the life cycle, all of which are of the dialect number `record_dialect`.

    `lifecycle`: the event by event name; `contents`: what a record of that name holds, `no_contents` what stands where nothing is; the
    rest are the regular expressions and the limit of `mapping`.
    """

    spans: RowProgram
    records: RowProgram
    record_dialect: int
    lifecycle: Mapping[bytes, bytes]
    contents: Mapping[bytes, ContentRecord]
    no_contents: tuple[bytes, ...]
    content_limit: int
    cancelled: str
    cancelled_text: str
    control_flow: str
    internal_tag: str
    general_types: tuple[bytes, ...]
    no_models: tuple[bytes, ...]
    model_place: str
    stack: str
    type_in_message: str
    text_after_type: str


def compile_program(dialects: Sequence[Dialect]) -> Program:
    """The program that does what the mapping's views of these dialects do."""
    records = row_program([dialect for dialect in dialects if dialect.name in (BASE, "spanruns")])
    names = [dialect.name for dialect in records.dialects]
    return Program(
        spans=row_program(dialects),
        records=records,
        record_dialect=names.index(b"spanruns"),
        lifecycle={f"spanruns.run.{event}".encode(): event.encode() for event in LIFECYCLE},
        contents={
            event.encode(): ContentRecord(
                dialect.encode(),
                record.message.encode(),
                *(
                    tuple(source.encode() for source in sources)
                    for sources in (record.input, record.output, record.error_type, record.error_message)
                ),
            )
            for event, (dialect, record) in content_records(dialects).items()
        },
        no_contents=tuple(value.encode() for value in NO_CONTENTS),
        content_limit=CONTENT_LIMIT,
        cancelled=CANCELLED,
        cancelled_text=CANCELLED_TEXT,
        control_flow=CONTROL_FLOW,
        internal_tag=INTERNAL_TAG,
        general_types=tuple(kind.encode() for kind in GENERAL_TYPES),
        no_models=tuple(name.encode() for name in NO_MODELS),
        model_place=MODEL_PLACE,
        stack=STACK,
        type_in_message=TYPE_IN_MESSAGE,
        text_after_type=TEXT_AFTER_TYPE,
    )


def row_program(dialects: Sequence[Dialect]) -> RowProgram:
    """The program of one table's rows."""
    base = next(dialect for dialect in dialects if dialect.name == BASE)
    others = [dialect for dialect in dialects if dialect.name != BASE]
    every = [*others, base]
    slots = Slots(every)
    programs = tuple(_Compiler(dialect, others, base, slots).program() for dialect in every)
    return RowProgram(
        dialects=programs,
        ranks=Slots.RANKS,
        keys={key.encode(): rank for key, rank in slots.ranks.items() if "." in key},
        no_values=tuple(value.encode() for value in NO_VALUES),
        detected_keys={key.encode(): n for n, d in reversed([*enumerate(others)]) for key in d.attributes},
        detected_scopes=tuple((n, patterns(d.scopes)) for n, d in enumerate(others) if d.scopes),
        detected_names=tuple((n, patterns(d.span_names)) for n, d in enumerate(others) if d.span_names),
        operations=_translated([dialect.operations for dialect in every]),
        providers=_translated([{"": base.frameworks}, *(dialect.providers for dialect in every)]),
    )


def patterns(said: Sequence[str]) -> Patterns:
    """What a value may be: a literal, empty, `*` (anything but empty), `prefix*`, `*suffix`."""
    starred = [pattern.encode() for pattern in said if "*" in pattern and pattern != "*"]
    return Patterns(
        literals=tuple(pattern.encode() for pattern in said if "*" not in pattern),
        anything="*" in said,
        prefixes=tuple(pattern[:-1] for pattern in starred if pattern.endswith(b"*")),
        suffixes=tuple(pattern[1:] for pattern in starred if pattern[0] == ord("*") and not pattern.endswith(b"*")),
    )


class _Compiler:
    """Compiles the data for rows of `dialect`; see `RowMapping`, whose parts have the same names."""

    def __init__(self, dialect: Dialect, others: Sequence[Dialect], base: Dialect, slots: Slots) -> None:
        self._dialect, self._others, self._base, self._slots = dialect, others, base, slots

    def program(self) -> DialectProgram:
        dialect, base, slots = self._dialect, self._base, self._slots
        own = [dialect] if dialect is base else [dialect, base]
        markers = [(of, of.marker) for of in self._others if of.marker]
        names = dict.fromkeys(name for of in [*self._others, base] for name in of.fields)
        tied = f"{dialect.name}|"
        return DialectProgram(
            name=dialect.name.encode(),
            json_values=dialect.json_values,
            affixes=tuple(affix for of in own for affix in _affixes(of)),
            bare={
                key.removeprefix(tied).encode(): rank
                for key, rank in slots.ranks.items()
                if "." not in key and key.startswith(tied)
            },
            roles=tuple(
                (b"shadow" if role.shadow else role.role.encode(), self._when(of, role.when))
                for of in own
                for role in of.roles
            ),
            failed=tuple(self._when(of, when) for of in own for when in of.failed),
            implied=tuple(
                ImpliedProgram(
                    self._when(of, said.when), tuple(said.apart), said.provider.encode(), said.operation.encode()
                )
                for of in own
                for said in of.implied
            ),
            cancelled=tuple(self._when(of, when) for of in own for when in of.cancelled),
            blamed=tuple(self._when(of, when) for of in own for when in of.blamed),
            ok_is_default=dialect.ok_is_default,
            markers=tuple(self._when(of, marker.when) for of, marker in markers),
            marker_parent=self._sources([marker.parent for _, marker in markers]),
            fields={name: self._sources(slots.sources(name)) for name in names},
        )

    def _when(self, dialect: Dialect, when: When) -> Rule:
        special: dict[str, Source] = {
            "$span_name": Source("span_name"),
            "$scope": Source("scope"),
            "$scope_version": Source("scope_version"),
        }
        around = tuple(affix for of in (dialect, self._base) for affix in _affixes(of))
        return tuple(
            Condition(
                special.get(key) or self._source(scoped(dialect, key)),
                patterns(values),
                around if "$span_name" in values else None,
            )
            for key, values in when.items()
        )

    def _sources(self, sources: Sequence[str]) -> tuple[Source, ...]:
        found = (self._source(source) for source in sources)
        return tuple(source for source in found if source)

    def _source(self, source: str) -> Source | None:
        """Where the source's value is; None where rows of this dialect never have one."""
        if source.isdigit():
            return Source("slot", int(source))
        if source == "$span_name":
            return Source("own_name")
        if source == "$status":
            return Source("status")
        if source == "$status_message":
            return Source("status_message")
        tied, _, own = source.rpartition("|")
        kind, _, rest = own.partition(":")
        if tied and (kind in EXTRAS or own.startswith("=")):
            return self._source(own.removeprefix("=")) if tied == self._dialect.name else None
        if kind == "resource":
            return Source("resource", name=rest.encode())
        if kind == "prefix":
            return Source("prefix", name=rest.encode())
        if kind in ("event", "last_event"):
            name, _, key = rest.partition("/")
            return Source("last_event" if kind == "last_event" else "event", name=name.encode(), key=key.encode())
        key, hash_, path = source.partition("#")
        slot = self._slots.of(key)
        if not hash_:
            return Source("slot", slot)
        path, before, after = inside(path)
        return Source("inside", slot, before.encode(), after.encode(), _json_path(path))


def _affixes(dialect: Dialect) -> list[Affix]:
    prefixes = [Affix(prefix.encode(), False) for prefix in dialect.strip_prefix if prefix]
    return prefixes + [Affix(suffix.encode(), True) for suffix in dialect.strip_suffix if suffix]


def _translated(names: Sequence[Mapping[str, Sequence[str]]]) -> dict[bytes, bytes]:
    """The name behind which a word stands, by word."""
    return {word.encode(): name.encode() for group in names for name, said in group.items() for word in said}


def _json_path(path: str) -> tuple[str | int, ...]:
    if not path:
        return ()
    return tuple(int(step) if is_number(step) else step for step in path.split("."))
