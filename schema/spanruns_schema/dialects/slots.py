"""Where each attribute key goes: the slot of the field that it feeds, and its rank there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, takewhile

from spanruns_schema.dialects.dialect import BASE, Dialect
from spanruns_schema.dialects.sql import quote

EXTRAS = ("event", "last_event", "prefix", "resource")
"""Sources that are not attributes of the span: `kind:name`."""


class Slots:
    """Slots of all dialects together; `dialects` in the order in which they are tried, the base last.

    A field's keys are tried in the dialects' order. A key that only one field asks for shares that field's slot; one that several
    fields or rules ask for has a slot of its own. A key without a dot (`name`, `input`) is read only on spans of the dialect that lists it.
    """

    RANKS = 64

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._lists = _field_lists(dialects)
        self._uses = _uses(dialects, self._lists)
        self._ranks: dict[str, int] = {}
        self._of: dict[str, int] = {}
        self._sources: dict[str, list[str]] = {}
        self._next = 1
        for name, keys in self._lists.items():
            self._sources[name] = list(self._grouped(keys))
        for key, uses in self._uses.items():
            if uses > 1:
                self.of(key)

    def sources(self, field: str) -> list[str]:
        """The sources of a field in order: slot numbers for attribute keys, anything else as it stands in the data."""
        return self._sources.get(field, [])

    def of(self, key: str) -> int:
        """The slot of a key that has one of its own."""
        if key not in self._of:
            self._of[key] = self._take()
            self._ranks[key] = self._of[key] * self.RANKS
        return self._of[key]

    @property
    def ranks(self) -> Mapping[str, int]:
        """Slot and rank, as one number, of every key that a field or a rule asks for; one without a dot as `dialect|key`."""
        return self._ranks

    def rank(self, key: str) -> str:
        """SQL: slot and rank of the attribute key that the expression `key` gives, as one number; 0 for a key nobody asks for."""
        keys = ", ".join(quote(name) for name in self._ranks)
        ranks = ", ".join(str(rank) for rank in self._ranks.values())
        return f"transform(if(position({key}, '.') = 0, concat(dialect, '|', {key}), {key}), [{keys}], [{ranks}], 0)"

    def _grouped(self, keys: Sequence[str]) -> Iterator[str]:
        slot = rank = 0
        for key in keys:
            if not _is_plain(key):
                slot = 0
                yield key
            elif self._uses[key] > 1:
                slot = 0
                yield str(self.of(key))
            else:
                if not slot or rank == self.RANKS - 1:
                    slot, rank = self._take(), 0
                    yield str(slot)
                self._ranks[key] = slot * self.RANKS + rank
                rank += 1

    def _take(self) -> int:
        self._next += 1
        return self._next - 1


def _field_lists(dialects: Sequence[Dialect]) -> dict[str, list[str]]:
    """Every field's sources over all dialects, each once."""
    names = dict.fromkeys(name for dialect in dialects for name in dialect.fields)
    return {name: _merged(dialects, name) for name in names}


def _merged(dialects: Sequence[Dialect], field: str) -> list[str]:
    """One order of a field's sources that is every dialect's order, `$span_name` last. A dialect that contradicts those
    before it keeps its keys to itself (`dialect|=key`). What it begins with that no other reads anyway stands before everything."""
    lists = [[scoped(dialect, source) for source in dialect.fields.get(field, ())] for dialect in dialects]
    if "$span_name" not in lists[-1]:  # what is no name for all
        lists = [[_own(dialect, key) for key in keys] for dialect, keys in zip(dialects, lists, strict=True)]
    lists = [sorted(keys, key=lambda key: key == "$span_name") for keys in lists]
    base = lists.pop()
    rules = list(pairwise(base))
    order = _ordered(base, rules)
    for dialect, own in zip(dialects, lists, strict=False):
        more = _rules(own, base)
        if not (found := _ordered([*order, *own], [*rules, *more])):
            own = [f"{dialect.name}|={key}" if _is_plain(key) and "|" not in key else key for key in own]
            more = _rules(own, base)
            found = _ordered([*order, *own], [*rules, *more])
        order, rules = found, [*rules, *more]
    first = [key for own in lists for key in takewhile(_is_own, own)]
    return sorted(order, key=lambda key: key not in first)


def _is_own(key: str) -> bool:
    return "|" in key and not key.endswith("$span_name")


def _own(dialect: Dialect, source: str) -> str:
    return f"{dialect.name}|={source}" if source == "$span_name" else source


def _rules(own: Sequence[str], base: Sequence[str]) -> list[tuple[str, str]]:
    """What stands before what: a dialect's keys in its order, and before those of the base's that it does not name."""
    rules = list(pairwise(own))
    after = 0
    for key in own:
        if key in base:
            after = max(after, base.index(key))
        else:
            rules += [(key, other) for other in base[after:] if other not in own]
    return rules


def _ordered(keys: Sequence[str], rules: Sequence[tuple[str, str]]) -> list[str]:
    """The keys in an order that keeps the rules, the first mentioned first; empty where the rules contradict each other."""
    waits: dict[str, set[str]] = {key: set() for key in keys}
    for earlier, later in rules:
        waits[later].add(earlier)
    order: list[str] = []
    while waits:
        ready = sorted((key for key, on in waits.items() if not on), key=lambda key: key == "$span_name")
        if not ready:
            return []
        order.append(ready[0])
        del waits[ready[0]]
        for on in waits.values():
            on.discard(ready[0])
    return order


def _uses(dialects: Sequence[Dialect], lists: dict[str, list[str]]) -> dict[str, int]:
    """How many fields and rules ask for each attribute key."""
    listed = [key for keys in lists.values() for key in keys]
    asked = [key for key in listed if _is_plain(key)]
    # A key inside a rule or a path, or of one dialect alone, needs a slot of its own, so it counts twice.
    asked += [key.partition("#")[0] for key in listed if "#" in key] * 2
    asked += [key.partition("|=")[2] for key in listed if "|=" in key and not key.endswith("$span_name")] * 2
    for dialect in dialects:
        whens = [
            *(role.when for role in dialect.roles),
            *(said.when for said in dialect.implied),
            *dialect.failed,
            *dialect.cancelled,
            *dialect.blamed,
        ]
        if dialect.marker:
            whens.append(dialect.marker.when)
            asked += [dialect.marker.parent] * 2
        asked += [scoped(dialect, key).partition("#")[0] for when in whens for key in when if key[0] != "$"] * 2
    return {key: asked.count(key) for key in asked}


def scoped(dialect: Dialect, source: str) -> str:
    """The source, tied to its dialect (`dialect|source`) where it would mean something else in others."""
    if source.startswith("="):
        return f"{dialect.name}|{source}"
    bare = "." not in source.partition("#")[0]
    if source.startswith("$") or (dialect.name == BASE and not bare):
        return source
    return f"{dialect.name}|{source}" if bare or (not _is_plain(source) and "#" not in source) else source


def _is_plain(source: str) -> bool:
    own = source.partition("|")[2] or source
    return own[0] not in "$=" and "#" not in own and own.partition(":")[0] not in EXTRAS
