"""Where each attribute key goes: the slot of the field that it feeds, and its rank there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spanruns_schema.dialects.dialect import BASE, Dialect
from spanruns_schema.dialects.sql import quote


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
    """Every field's sources over all dialects, each once, `$span_name` last."""
    lists: dict[str, list[str]] = {}
    for dialect in dialects:
        for name, sources in dialect.fields.items():
            known = lists.setdefault(name, [])
            known += [key for source in sources if (key := scoped(dialect, source)) not in known]
    return {name: sorted(keys, key=lambda key: key == "$span_name") for name, keys in lists.items()}


def _uses(dialects: Sequence[Dialect], lists: dict[str, list[str]]) -> dict[str, int]:
    """How many fields and rules ask for each attribute key."""
    asked: list[str] = [
        key.partition("#")[0] for keys in lists.values() for key in keys if _is_plain(key) or "#" in key
    ]
    # A key inside a rule or a path needs a slot of its own, so it counts twice.
    asked += [key.partition("#")[0] for keys in lists.values() for key in keys if "#" in key]
    for dialect in dialects:
        whens = [role.when for role in dialect.roles] + list(dialect.failed)
        if dialect.marker:
            whens.append(dialect.marker.when)
            asked += [dialect.marker.parent] * 2
        asked += [scoped(dialect, key) for when in whens for key in when if not key.startswith("$")] * 2
    return {key: asked.count(key) for key in asked}


def scoped(dialect: Dialect, source: str) -> str:
    """The source, tied to its dialect (`dialect|source`) where it would mean something else in others."""
    if dialect.name == BASE or source.startswith("$"):
        return source
    bare = "." not in source
    return f"{dialect.name}|{source}" if bare or (not _is_plain(source) and "#" not in source) else source


def _is_plain(source: str) -> bool:
    own = source.partition("|")[2] or source
    return not own.startswith("$") and "#" not in own and own.partition(":")[0] not in ("event", "prefix", "resource")
