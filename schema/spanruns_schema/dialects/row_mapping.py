"""SQL expressions over one raw row, made from the dialects' data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spanruns_schema.dialects.dialect import BASE, Dialect, Implied, When
from spanruns_schema.dialects.rules import NO_VALUES
from spanruns_schema.dialects.slots import EXTRAS, Slots, scoped
from spanruns_schema.dialects.sql import (
    affixes,
    between,
    decoded,
    detect_by_name,
    every,
    first,
    inside,
    listed,
    match_any,
    of_event,
    quote,
    raw_at,
    stripped,
    translated,
    under_prefix,
    unquoted,
)

_OF_SPANS = {"$status": "lower(replaceOne(StatusCode, 'STATUS_CODE_', ''))", "$status_message": "StatusMessage"}
"""Sources that log records do not have."""


class RowMapping:
    """SQL expressions over one raw row, made from the dialects' data.

    The attributes are looked at once: every key that any dialect names has a slot (a field's, or its own where more than one
    rule asks for it) and a rank in it; the values are sorted by both, and the first of a slot is its value (`v_`, by slot): a short name, as it
    is written a thousand times, and ClickHouse keeps no view of more than 262,144 characters (`max_query_size`). So the cost
    of a row does not grow with the number of dialects, and neither does the statement's, which is analysed at every insert.
    """

    def __init__(self, dialects: Sequence[Dialect], attributes: str) -> None:
        self._base = next(dialect for dialect in dialects if dialect.name == BASE)
        self._dialects = [dialect for dialect in dialects if dialect.name != BASE]
        self._attributes = attributes
        self._slots = Slots([*self._dialects, self._base])
        self._fields: dict[str, str] = {}
        self._derived: dict[str, str] = {}
        self._paths: dict[tuple[int, str], int] = {}

    def stages(self) -> list[dict[str, str]]:
        """What has to be computed before roles and fields: the dialect, then the values in slot order."""
        told = f"rank > 0 AND v NOT IN ({listed(NO_VALUES)})"
        values = f"arrayFilter((v, rank) -> {told}, mapValues({self._attributes}), every_rank_)"
        in_json = [dialect for dialect in self._dialects if dialect.json_values]
        if in_json:
            value = unquoted("v")
            values = f"if({_among(in_json)}, arrayMap(v -> {value}, {values}), {values})"
        return [
            {"dialect": self._dialect()},
            {"every_rank_": f"arrayMap(k -> {self._slots.rank('k')}, mapKeys({self._attributes}))"},
            {
                "ranks_": f"arrayFilter((rank, v) -> {told}, every_rank_, mapValues({self._attributes}))",
                "unsorted_": values,
            },
            {
                "v_": f"mapFromArrays(arrayMap(rank -> intDiv(rank, {Slots.RANKS}), arraySort(ranks_)), "
                "arraySort((v, rank) -> rank, unsorted_, ranks_))"
            },
        ]

    def inside(self) -> list[dict[str, str]]:
        """What has to be computed after the stages: what stands at the paths that anything asked for so far, each once."""
        asked = [(slot, *inside(path)) for slot, path in self._paths]
        raw = {f"raw_{n}": raw_at(f"v_[{slot}]", path) for n, (slot, path, *_) in enumerate(asked)}
        found = {
            f"inside_{n}": between(decoded(f"raw_{n}") if path else f"raw_{n}", *around)
            for n, (_, path, *around) in enumerate(asked)
        }
        return [raw, found] if raw else []

    def role(self) -> str:
        """What the span is; `shadow` for a tool call that repeats the one around it."""
        branches = []
        for dialect in [*self._dialects, self._base]:
            for role in dialect.roles:
                branches += [
                    self._rule(dialect, role.when),
                    quote("shadow" if role.shadow else role.role),
                ]
        return f"multiIf({', '.join(branches)}, '')"

    def field(self, name: str) -> str:
        """The alias of a field's value: the first non-empty of the dialects' own keys, then of the base's."""
        self._fields.setdefault(f"f_{name}", first([self._source(source) for source in self._slots.sources(name)]))
        return f"f_{name}"

    def alias(self, name: str, expression: str) -> str:
        """`name`, standing for an expression over fields from here on."""
        self._derived[name] = expression
        return name

    def fields(self) -> dict[str, str]:
        """Alias and expression of every field asked for so far."""
        return self._fields

    def derived(self) -> dict[str, str]:
        """Alias and expression of what was derived from fields."""
        return self._derived

    def says(self, of: Callable[[Dialect], Sequence[When]]) -> str:
        """Whether the span meets one of these conditions of its dialect, or of the base."""
        return self._any([(dialect, when) for dialect in [*self._dialects, self._base] for when in of(dialect)])

    def apart(self, field: str) -> str:
        """Whether the span's sums leave out the tokens of this field."""
        return self.says(lambda dialect: [said.when for said in dialect.implied if field in said.apart])

    def provider(self) -> str:
        """The provider of the model; empty where the value names a framework."""
        value = self.alias("provider_", f"lower({unquoted(self.field('provider'))})")
        no_provider = {"": self._base.frameworks}
        said = translated(value, [no_provider, *(d.providers for d in [*self._dialects, self._base])])
        return self._implied(lambda implied: implied.provider, said)

    def operation(self) -> str:
        """What the model was asked for, in the convention's words."""
        said = translated(self.field("operation"), [d.operations for d in [*self._dialects, self._base]])
        return self._implied(lambda implied: implied.operation, f"if({self.field('operation')} = '', 'chat', {said})")

    def _implied(self, word: Callable[[Implied], str], said: str) -> str:
        """What a span's dialect implies, if anything, else what is said."""
        branches = [
            part
            for dialect in [*self._dialects, self._base]
            for implied in dialect.implied
            if word(implied)
            for part in (self._rule(dialect, implied.when), quote(word(implied)))
        ]
        return f"multiIf({', '.join([*branches, said])})" if branches else said

    def marker(self) -> tuple[str, str]:
        """Whether the span is only a sign that another has begun, and that one's parent."""
        markers = [(dialect, dialect.marker) for dialect in self._dialects if dialect.marker]
        conditions = [every(self._when(dialect, marker.when)) for dialect, marker in markers]
        return " OR ".join(conditions) or "false", first([self._source(marker.parent) for _, marker in markers])

    def span_name(self) -> str:
        """The span's name without what the dialect puts around it."""
        base = affixes(self._base)
        branches = [
            part
            for dialect in self._dialects
            if affixes(dialect)
            for part in (f"dialect = {quote(dialect.name)}", stripped("SpanName", affixes(dialect) + base))
        ]
        otherwise = stripped("SpanName", base)
        return f"multiIf({', '.join([*branches, otherwise])})" if branches else otherwise

    def _dialect(self) -> str:
        """The name of the first dialect that recognises the row; the base when none does."""
        by_key = {key: n for n, d in reversed([*enumerate(self._dialects, 1)]) for key in d.attributes}
        none = len(self._dialects) + 1
        keys, orders = ", ".join(map(quote, by_key)), ", ".join(map(str, by_key.values()))
        found = f"arrayMap(k -> transform(k, [{keys}], [{orders}], {none}), mapKeys({self._attributes}))"
        branches = [
            part for n, d in enumerate(self._dialects, 1) if (scope := detect_by_name(d)) for part in (scope, str(n))
        ]
        scope = f"multiIf({', '.join(branches)}, {none})" if branches else str(none)
        names = ", ".join(quote(dialect.name) for dialect in [*self._dialects, self._base])
        return f"[{names}][least(arrayMin(arrayPushBack({found}, {none})), {scope})]"

    def _any(self, rules: Sequence[tuple[Dialect, When]]) -> str:
        return f"({' OR '.join(self._rule(of, when) for of, when in rules)})" if rules else "false"

    def _rule(self, dialect: Dialect, when: When) -> str:
        """Whether the row is of the dialect and meets every condition."""
        return every([*self._mine(dialect), *self._when(dialect, when)])

    def _mine(self, dialect: Dialect) -> list[str]:
        """The condition that a row is of the dialect; the base's rules are for all."""
        return [] if dialect is self._base else [f"dialect = {quote(dialect.name)}"]

    def _when(self, dialect: Dialect, when: When) -> list[str]:
        special = {"$span_name": "SpanName", "$scope": "ScopeName", "$scope_version": "ScopeVersion"}
        conditions = []
        for key, values in when.items():
            value = special.get(key) or self._source(scoped(dialect, key))
            if "$span_name" in values:
                conditions.append(f"{value} = {stripped('SpanName', affixes(dialect) + affixes(self._base))}")
            else:
                conditions.append(match_any(value, values))
        return conditions

    def _source(self, source: str) -> str:
        if source.isdigit():  # a slot
            return f"v_[{source}]"
        if source == "$span_name":
            return self.span_name()
        if source in _OF_SPANS:
            return _OF_SPANS[source] if self._attributes == "SpanAttributes" else "''"
        tied, _, own = source.rpartition("|")
        kind, _, rest = own.partition(":")
        if tied and (kind in EXTRAS or own.startswith("=")):
            return f"if(dialect = {quote(tied)}, {self._source(own.removeprefix('='))}, '')"
        if kind == "resource":
            return f"ResourceAttributes[{quote(rest)}]"
        if kind == "prefix":
            return under_prefix(self._attributes, rest)
        if kind in ("event", "last_event"):
            return of_event(rest, last=kind == "last_event") if self._attributes == "SpanAttributes" else "''"
        key, hash_, path = source.partition("#")
        if not hash_:
            return f"v_[{self._slots.of(key)}]"
        place = self._paths.setdefault((self._slots.of(key), path), len(self._paths))
        return f"inside_{place}"


def _among(dialects: Sequence[Dialect]) -> str:
    if not dialects:
        return ""
    return match_any("dialect", [dialect.name for dialect in dialects])
