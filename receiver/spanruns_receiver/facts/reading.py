"""What the dialects' program says about one raw row: `spanruns_schema.dialects.mapping.RowMapping` in Python.

A change of the rules belongs into both, and into the compiled reader (`receiver/native/src/facts`); tests compare their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from spanruns_schema.dialects import program
from spanruns_schema.dialects.program import DialectProgram, ImpliedProgram, RowProgram, Rule
from spanruns_schema.dialects.rules import CONTENT_LIMIT

from spanruns_receiver.facts import json_text
from spanruns_receiver.facts.conditions import Pairs, Test, Text, between, match_any, stripped, under_prefix


class Raw:
    """One span, or one log record; what a record does not have is empty."""

    __slots__ = (
        "attributes",
        "documents",
        "event_attributes",
        "event_names",
        "resource",
        "scope_name",
        "scope_version",
        "span_name",
        "status",
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
        scope_version: bytes = b"",
        status: bytes = b"",
        status_message: bytes = b"",
        event_names: Sequence[bytes] = (),
        event_attributes: Sequence[Pairs] = (),
    ) -> None:
        self.attributes = attributes
        self.resource = resource
        self.span_name = span_name
        self.scope_name = scope_name
        self.scope_version = scope_version
        self.status = status
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
        """An attribute of the first (or last) span event of that name (`*`: of any) that has it."""
        pairs = zip(self.event_names, self.event_attributes, strict=True)
        events = [held for named, held in pairs if name in (named, b"*")]
        for held in reversed(events) if last else events:
            for named, value in held:
                if named == key and value:
                    return value
        return b""


Source = Callable[[Raw], bytes]
Condition = Callable[[Raw], bool]
Conditions = Sequence[Condition]


class Mappings:
    """The readings of all dialects, and which of them a row is read with."""

    def __init__(self, rows: RowProgram) -> None:
        self.readings = [Reading(dialect, rows) for dialect in rows.dialects]
        self._by_key = rows.detected_keys
        self._by_scope = [(n, match_any(patterns)) for n, patterns in rows.detected_scopes]
        self._by_span_name = [(n, match_any(patterns)) for n, patterns in rows.detected_names]

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


class Reading:
    """How rows of one dialect are read; see `RowMapping`, whose parts have the same names."""

    def __init__(self, dialect: DialectProgram, rows: RowProgram) -> None:
        self.name = dialect.name
        self._decodes = dialect.json_values
        self._strip = stripped(dialect.affixes)
        self._no_values = frozenset(rows.no_values)
        self._ranks = {**rows.keys, **dialect.bare}
        self._in_slot = rows.ranks
        self._roles = [(role, self._all(rule)) for role, rule in dialect.roles]
        self.ok_is_default = dialect.ok_is_default
        self._failed = [self._all(rule) for rule in dialect.failed]
        self._implied = [(self._all(said.rule), said) for said in dialect.implied]
        self._blamed = [self._all(rule) for rule in dialect.blamed]
        self._cancelled = [self._all(rule) for rule in dialect.cancelled]
        self._markers = [self._all(rule) for rule in dialect.markers]
        self._marker_parent = self._first(dialect.marker_parent)
        self._fields = {name: self._first(sources) for name, sources in dialect.fields.items()}
        self._operations, self._providers = rows.operations, rows.providers

    def read(self, raw: Raw) -> None:
        """Fill `raw.values`: the first value of every slot."""
        ranks = self._ranks
        known = [
            (rank, value) for key, value in raw.attributes if (rank := ranks.get(key)) and value not in self._no_values
        ]
        known.sort(reverse=True)
        if self._decodes:
            known = [(rank, json_text.string(value)) for rank, value in known]
        raw.values = {rank // self._in_slot: value for rank, value in known}

    def role(self, raw: Raw) -> bytes:
        """What the span is; `shadow` for a tool call that repeats the one around it."""
        for role, conditions in self._roles:
            if _meets(raw, conditions):
                return role
        return b""

    def field(self, name: str) -> Source:
        """A field's value: the first non-empty of the dialects' own keys, then of the base's."""
        return self._fields.get(name, _nothing)

    def failed(self, raw: Raw) -> bool:
        """Whether the dialect's own word says that the span failed."""
        return any(_meets(raw, rule) for rule in self._failed)

    def apart(self, raw: Raw) -> set[str]:
        """The fields whose tokens the span's sums leave out."""
        return {field for rule, said in self._implied if said.apart and _meets(raw, rule) for field in said.apart}

    def cancelled(self, raw: Raw) -> bool:
        """Whether the dialect's own word says that the span, unless its status is an error, was cancelled."""
        return any(_meets(raw, rule) for rule in self._cancelled)

    def blamed(self, raw: Raw) -> bool:
        """Whether the span's status, where it is an error, is only that of others."""
        return any(_meets(raw, rule) for rule in self._blamed)

    def marker(self, raw: Raw) -> bool:
        """Whether the span is only a sign that another has begun."""
        return any(_meets(raw, rule) for rule in self._markers)

    def marker_parent(self, raw: Raw) -> bytes:
        """The parent of the span that has begun."""
        return self._marker_parent(raw)

    def provider(self, raw: Raw) -> bytes:
        """The provider of the model; empty where the value names a framework."""
        if implied := self._word(raw, attrgetter("provider")):
            return implied
        value = json_text.string(self.field("provider")(raw)).lower()
        return self._providers.get(value, value)

    def operation(self, raw: Raw) -> bytes:
        """What the model was asked for, in the convention's words; `chat` where nobody says."""
        if implied := self._word(raw, attrgetter("operation")):
            return implied
        said = self.field("operation")(raw)
        return self._operations.get(said, said) if said else b"chat"

    def _word(self, raw: Raw, word: Callable[[ImpliedProgram], bytes]) -> bytes:
        """The word that the span's dialect implies, if any."""
        return next((word(said) for rule, said in self._implied if word(said) and _meets(raw, rule)), b"")

    def span_name(self, raw: Raw) -> bytes:
        """The span's name without what the dialect puts around it."""
        return self._strip(raw.span_name)

    def _all(self, rule: Rule) -> Conditions:
        return [
            _matches(self._source(source), match_any(patterns))
            if around is None
            else _is_span_name(self._source(source), stripped(around))
            for source, patterns, around in rule
        ]

    def _first(self, sources: Sequence[program.Source]) -> Source:
        return first([self._source(source) for source in sources])

    def _source(self, source: program.Source | None) -> Source:
        """What gives the source's value."""
        if source is None:
            return _nothing
        kind, slot, name, key, path = source
        match kind:
            case "slot":
                return _slot(slot)
            case "inside":
                return _inside(_slot(slot), path, name, key)
            case "resource":
                return lambda raw: raw.resource.get(name, b"")
            case "prefix":
                return lambda raw: under_prefix(raw.attributes, name)
            case "event" | "last_event":
                last = kind == "last_event"
                return lambda raw: raw.of_event(name, key, last=last) if raw.event_names else b""
            case "span_name":
                return lambda raw: raw.span_name
            case "own_name":
                return self.span_name
            case "scope":
                return lambda raw: raw.scope_name
            case "scope_version":
                return lambda raw: raw.scope_version
            case "status":
                return lambda raw: raw.status
            case "status_message":
                return lambda raw: raw.status_message


def first(sources: Sequence[Source]) -> Source:
    """The first value that is not empty."""
    if len(sources) < 2:
        return sources[0] if sources else _nothing

    def value(raw: Raw) -> bytes:
        for source in sources:
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


def _inside(value: Source, path: json_text.Path, before: bytes, after: bytes) -> Source:
    def found(raw: Raw) -> bytes:
        text = value(raw)
        if text and path:
            text = json_text.at(raw.document(text), path)
        return between(text, before, after)

    return found


def _meets(raw: Raw, conditions: Conditions) -> bool:
    return all(condition(raw) for condition in conditions)


def _matches(value: Source, test: Test) -> Condition:
    return lambda raw: test(value(raw))


def _is_span_name(value: Source, strip: Text) -> Condition:
    return lambda raw: value(raw) == strip(raw.span_name)
