"""Small pieces of a mapping over a raw row; each does what the function of the same name in `spanruns_schema.dialects.sql` says in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from spanruns_schema.dialects.dialect import Dialect

from spanruns_receiver.decode.values import Pairs
from spanruns_receiver.facts import json_text

Text = Callable[[bytes], bytes]
Test = Callable[[bytes], bool]


def match_any(patterns: Sequence[str]) -> Test:
    """Whether a value is one of `patterns`: a literal, empty, `*` (anything but empty), `prefix*`, `*suffix`."""
    literals = frozenset(pattern.encode() for pattern in patterns if "*" not in pattern)
    anything = "*" in patterns
    starred = [pattern.encode() for pattern in patterns if "*" in pattern and pattern != "*"]
    prefixes = tuple(pattern[:-1] for pattern in starred if pattern.endswith(b"*"))
    suffixes = tuple(pattern[1:] for pattern in starred if not pattern.endswith(b"*"))
    if not starred and not anything:
        return literals.__contains__

    def matches(value: bytes) -> bool:
        if value in literals or (anything and value):
            return True
        return value.startswith(prefixes) or value.endswith(suffixes)

    return matches


def affixes(dialect: Dialect) -> list[bytes]:
    """What the dialect puts around a name, as regular expressions."""
    prefixes = [rb"\A" + re.escape(prefix.encode()) for prefix in dialect.strip_prefix]
    return prefixes + [re.escape(suffix.encode()) + rb"\Z" for suffix in dialect.strip_suffix]


def stripped(around: Iterable[bytes]) -> Text:
    """A value without what matches one of `around`."""
    expression = re.compile(b"|".join(around))
    if not expression.pattern:
        return bytes
    return lambda value: expression.sub(b"", value)


def translated(names: Sequence[Mapping[str, Sequence[str]]]) -> dict[bytes, bytes]:
    """The name behind which a word stands, by word."""
    return {word.encode(): name.encode() for group in names for name, said in group.items() for word in said}


def under_prefix(attributes: Pairs, prefix: bytes) -> bytes:
    """All attributes under `prefix`, as one JSON object without it; empty when there is none."""
    found = [(key[len(prefix) :], value) for key, value in attributes if key.startswith(prefix)]
    return json_text.pairs(found).replace(b"{}", b"", 1) if found else b""


def json_path(path: str) -> json_text.Path:
    """The steps of a dotted path."""
    return [int(step) if step.isdigit() else step for step in path.split(".")]
