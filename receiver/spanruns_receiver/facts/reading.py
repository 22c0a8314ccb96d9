"""What the dialects' data says about one raw row: `spanruns_schema.dialects.mapping.RowMapping` in Python.

A `Reading` is the data compiled for the rows of one dialect: what the data ties to other dialects is left out.
A change of the rules belongs into both; a test compares their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from spanruns_schema.dialects.dialect import BASE, Dialect, When
from spanruns_schema.dialects.mapping import CONTENT_LIMIT
from spanruns_schema.dialects.slots import EXTRAS, Slots, scoped

from spanruns_receiver.decode.values import Pairs
from spanruns_receiver.facts import json_text
from spanruns_receiver.facts.conditions import (
    Test,
    Text,
    affixes,
    json_path,
    match_any,
    stripped,
    translated,
    under_prefix,
)

_NO_VALUES = (b"", b"<REDACTED>")


class Raw:
    """One span, or one log record; what a record does not have is empty."""

    __slots__ = (
        "attributes",
        "documents",
        "event_attributes",
        "event_names",
        "resource",
        "scope_name",
        "span_name",
        "status_message",
        "values",
    )

    def __init__(
        self,
        attributes: Pairs,
        resource: Mapping[bytes, bytes],
        *,
        span_name: bytes = b"",
        scope_name: bytes = b"",
        status_message: bytes = b"",
        event_names: Sequence[bytes] = (),
        event_attributes: Sequence[Pairs] = (),
    ) -> None:
        self.attributes = attributes
        self.resource = resource
        self.span_name = span_name
        self.scope_name = scope_name
        self.status_message = status_message
        self.event_names = event_names
        self.event_attributes = event_attributes
        self.values: dict[int, bytes] = {}
        self.documents: dict[bytes, json_text.Document] = {}

    def document(self, value: bytes) -> json_text.Document:
        """`value` parsed, once a row."""
        if value not in self.documents:
            self.documents[value] = json_text.parse(value)
        return self.documents[value]

    def of_event(self, name: bytes, key: bytes, *, last: bool) -> bytes:
        """An attribute of the first (or last) span event of that name that has it."""
        events = [held for named, held in zip(self.event_names, self.event_attributes, strict=True) if named == name]
        for held in reversed(events) if last else events:
            for named, value in held:
                if named == key and value:
                    return value
        return b""


Source = Callable[[Raw], bytes]
Condition = Callable[[Raw], bool]
Rules = Sequence[tuple[bytes, Sequence[Condition]]]


class Mappings:
    """The readings of all dialects, and which of them a row is read with."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        base = next(dialect for dialect in dialects if dialect.name == BASE)
        others = [dialect for dialect in dialects if dialect.name != BASE]
        slots = Slots([*others, base])
        self.readings = [Reading(dialect, others, base, slots) for dialect in [*others, base]]
        self._by_key = {key.encode(): n for n, d in reversed([*enumerate(others)]) for key in d.attributes}
        self._by_scope = [(n, match_any(d.scopes)) for n, d in enumerate(others) if d.scopes]
        self._by_span_name = [(n, match_any(d.span_names)) for n, d in enumerate(others) if d.span_names]

    def reading(self, raw: Raw) -> Reading:
        """That of the first dialect that recognises the row; the base's when none does."""
        by_key = self._by_key
        found = min((by_key[key] for key, _ in raw.attributes if key in by_key), default=len(self.readings) - 1)
        for value, tests in ((raw.scope_name, self._by_scope), (raw.span_name, self._by_span_name)):
            for n, test in tests:
                if n >= found:
                    break
                if test(value):
                    found = n
                    break
        return self.readings[found]

    def named(self, name: str) -> Reading:
        """The reading of the dialect of that name."""
        return next(reading for reading in self.readings if reading.name == name.encode())


class Reading:
    """How rows of `dialect` are read; see `RowMapping`, whose parts have the same names."""

    def __init__(self, dialect: Dialect, others: Sequence[Dialect], base: Dialect, slots: Slots) -> None:
        self._dialect, self._others, self._base, self._slots = dialect, others, base, slots
        self.name = dialect.name.encode()
        self._decodes = dialect.json_values
        self.excludes_cache = dialect.input_excludes_cache
        self._strip = stripped(affixes(dialect) + (affixes(base) if dialect is not base else []))
        own = [dialect] if dialect is base else [dialect, base]
        self._roles: Rules = [
            (b"shadow" if role.shadow else role.role.encode(), self._when(of, role.when))
            for of in own
            for role in of.roles
        ]
        self._failed = [self._when(of, when) for of in own for when in of.failed]
        markers = [(of, of.marker) for of in others if of.marker]
        self._markers = [self._when(of, marker.when) for of, marker in markers]
        self._marker_parent = first([self._source(marker.parent) for _, marker in markers])
        self._fields: dict[str, Source] = {}
        self._operations = translated([of.operations for of in [*others, base]])
        self._providers = translated([{"": base.frameworks}, *(of.providers for of in [*others, base])])
        self._ranks = self._reachable(slots)

    def _reachable(self, slots: Slots) -> dict[bytes, int]:
        """Slot and rank of the keys that rows of this dialect can have: keys with a dot, and the dialect's own without."""
        found = {}
        for key, rank in slots.ranks.items():
            tied, bar, bare = key.partition("|")
            if "." in key:
                found[key.encode()] = rank
            elif bar and tied == self._dialect.name:
                found[bare.encode()] = rank
        return found

    def read(self, raw: Raw) -> None:
        """Fill `raw.values`: the first value of every slot."""
        ranks = self._ranks
        known = [(rank, value) for key, value in raw.attributes if (rank := ranks.get(key)) and value not in _NO_VALUES]
        known.sort(reverse=True)
        if self._decodes:
            known = [(rank, json_text.string(value)) for rank, value in known]
        raw.values = {rank // Slots.RANKS: value for rank, value in known}

    def role(self, raw: Raw) -> bytes:
        """What the span is; `shadow` for a tool call that repeats the one around it."""
        for role, conditions in self._roles:
            if all(condition(raw) for condition in conditions):
                return role
        return b""

    def field(self, name: str) -> Source:
        """A field's value: the first non-empty of the dialects' own keys, then of the base's."""
        if name not in self._fields:
            self._fields[name] = first([self._source(source) for source in self._slots.sources(name)])
        return self._fields[name]

    def failed(self, raw: Raw) -> bool:
        """Whether the dialect's own word says that the span failed."""
        return any(all(condition(raw) for condition in rule) for rule in self._failed)

    def marker(self, raw: Raw) -> bool:
        """Whether the span is only a sign that another has begun."""
        return any(all(condition(raw) for condition in rule) for rule in self._markers)

    def marker_parent(self, raw: Raw) -> bytes:
        """The parent of the span that has begun."""
        return self._marker_parent(raw)

    def provider(self, raw: Raw) -> bytes:
        """The provider of the model; empty where the value names a framework."""
        value = json_text.string(self.field("provider")(raw)).lower()
        return self._providers.get(value, value)

    def operation(self, raw: Raw) -> bytes:
        """What the model was asked for, in the convention's words; `chat` where nobody says."""
        said = self.field("operation")(raw) or b"chat"
        return self._operations.get(said, said)

    def span_name(self, raw: Raw) -> bytes:
        """The span's name without what the dialect puts around it."""
        return self._strip(raw.span_name)

    def _when(self, dialect: Dialect, when: When) -> list[Condition]:
        special: dict[str, Source] = {"$span_name": lambda raw: raw.span_name, "$scope": lambda raw: raw.scope_name}
        conditions: list[Condition] = []
        for key, values in when.items():
            value = special.get(key) or self._source(scoped(dialect, key)) or _nothing
            if "$span_name" in values:
                conditions.append(_is_span_name(value, stripped(affixes(dialect) + affixes(self._base))))
            else:
                conditions.append(_matches(value, match_any(values)))
        return conditions

    def _source(self, source: str) -> Source | None:
        """What gives the source's value; None where rows of this dialect never have one."""
        if source.isdigit():
            return _slot(int(source))
        if source == "$span_name":
            return self.span_name
        if source == "$status_message":
            return lambda raw: raw.status_message
        tied, _, own = source.rpartition("|")
        kind, _, rest = own.partition(":")
        if tied and (kind in EXTRAS or own.startswith("=")):
            return self._source(own.removeprefix("=")) if tied == self._dialect.name else None
        name = rest.encode()
        if kind == "resource":
            return lambda raw: raw.resource.get(name, b"")
        if kind == "prefix":
            return lambda raw: under_prefix(raw.attributes, name)
        if kind in ("event", "last_event"):
            return _event(name, last=kind == "last_event")
        key, hash_, path = source.partition("#")
        value = _slot(self._slots.of(key))
        return _inside(value, json_path(path)) if hash_ else value


def first(sources: Sequence[Source | None]) -> Source:
    """The first value that is not empty."""
    found = [source for source in sources if source]
    if len(found) < 2:
        return found[0] if found else _nothing

    def value(raw: Raw) -> bytes:
        for source in found:
            if text := source(raw):
                return text
        return b""

    return value


def cut(text: bytes) -> bytes:
    """The first `CONTENT_LIMIT` characters."""
    if len(text) <= CONTENT_LIMIT:
        return text
    # No character has more than four bytes; one that is cut here is beyond the limit.
    return text[: 4 * CONTENT_LIMIT].decode(errors="ignore")[:CONTENT_LIMIT].encode()


def _nothing(raw: Raw) -> bytes:
    return b""


def _slot(slot: int) -> Source:
    return lambda raw: raw.values.get(slot, b"")


def _event(source: bytes, *, last: bool) -> Source:
    name, _, key = source.partition(b"/")
    return lambda raw: raw.of_event(name, key, last=last) if raw.event_names else b""


def _inside(value: Source, path: json_text.Path) -> Source:
    def found(raw: Raw) -> bytes:
        text = value(raw)
        return json_text.at(raw.document(text), path) if text else b""

    return found


def _matches(value: Source, test: Test) -> Condition:
    return lambda raw: test(value(raw))


def _is_span_name(value: Source, strip: Text) -> Condition:
    return lambda raw: value(raw) == strip(raw.span_name)
