"""Small pieces of a mapping over a raw row; each does what the function of the same name in `spanruns_schema.dialects.sql` says in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from spanruns_schema.dialects.program import Affix, Patterns

from spanruns_receiver.facts import json_text

Pairs = Sequence[tuple[bytes, bytes]]
Text = Callable[[bytes], bytes]
Test = Callable[[bytes], bool]


def match_any(patterns: Patterns) -> Test:
    """Whether a value matches `patterns`."""
    literals, anything, prefixes, suffixes = patterns
    if not (anything or prefixes or suffixes):
        return frozenset(literals).__contains__

    def matches(value: bytes) -> bool:
        if value in literals or (anything and value):
            return True
        return value.startswith(prefixes) or value.endswith(suffixes)

    return matches


def stripped(around: Iterable[Affix]) -> Text:
    """A value without what stands around it."""
    parts = (re.escape(text) + rb"\Z" if at_end else rb"\A" + re.escape(text) for text, at_end in around)
    expression = re.compile(b"|".join(parts))
    if not expression.pattern:
        return bytes
    return lambda value: expression.sub(b"", value)


def between(value: bytes, before: bytes, after: bytes) -> bytes:
    """What stands in `value` behind the first `before`, up to the next `after`, or to the end; all of it where they are empty."""
    if not before:
        return value
    _, _, rest = value.partition(before)
    if not after:
        return rest
    found, is_there, _ = rest.partition(after)
    return found if is_there else b""


def under_prefix(attributes: Pairs, prefix: bytes) -> bytes:
    """All attributes under `prefix`, as one JSON object without it, in the order of their numbers and names; empty when there is none."""
    found = [(key[len(prefix) :], value) for key, value in attributes if key.startswith(prefix)]
    found.sort(key=lambda pair: (_digits(pair[0]), pair[0]))
    return json_text.pairs(found) if found else b""


def _digits(key: bytes) -> int:
    """How many a key begins with: the second comes before the tenth."""
    return len(key) - len(key.lstrip(b"0123456789"))
