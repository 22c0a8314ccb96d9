"""Class and fingerprint of errors, asked once for every error that was not seen lately."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spanruns_schema.classes import UNKNOWN, error_patterns
from spanruns_schema.resolving import sql
from spanruns_schema.store import Store

from spanruns_receiver.resolver import native
from spanruns_receiver.resolver.table import compiled_module, string, unpacked

Error = tuple[bytes, bytes]

REMEMBERED = 10_000
"""Errors that are remembered; beyond, all are forgotten and asked for again."""

AT_ONCE = 2_000
AT_ONCE_BYTES = 4 << 20
"""Errors in one statement."""


class ErrorBook:
    """What a store says of errors. Strings come and go as they are written in columns, their length before them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._classifier = _Classifier() if compiled_module() else None
        self._known: dict[str, dict[Error, bytes]] = {"error_classes": {}, "error_fingerprints": {}}

    def classes(self, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        """The class of every error."""
        return self._told("error_classes", types, messages)

    def fingerprints(self, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        """The fingerprint of every error."""
        return self._told("error_fingerprints", types, messages)

    def _told(self, statement: str, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        errors = list(zip(types, messages, strict=True))
        known = self._known[statement]
        new = [error for error in dict.fromkeys(errors) if error not in known]
        if len(known) + len(new) > REMEMBERED:
            known = self._known[statement] = {}
            new = list(dict.fromkeys(errors))
        while new:
            some, new = _some(new)
            if self._classifier and statement == "error_classes":
                found = self._classifier.classes(some)
            else:
                kinds, texts = ([unpacked(error[part]).decode(errors="replace") for error in some] for part in (0, 1))
                asked = self._store.query(sql(statement), {"types": kinds, "messages": texts})
                found = native.read(asked)["said"].packed(range(len(some)))
            known.update(zip(some, found, strict=True))
        return [known[error] for error in errors]


# The compiled patterns are of bytes.
_DOT = re.compile(r"(?<!\\)\.")
_CHARACTER = r"(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*)"


class _Classifier:
    """The store's rules, without the store."""

    def __init__(self) -> None:
        patterns = error_patterns()
        self._names = [string(name.encode()) for name in (*(name for name, _ in patterns), UNKNOWN)]
        self._compiled = compiled_module().ErrorClasses([_DOT.sub(_CHARACTER, pattern) for _, pattern in patterns])

    def classes(self, errors: Sequence[Error]) -> list[bytes]:
        """The class of every error."""
        numbers = self._compiled.classify([(unpacked(kind), unpacked(message)) for kind, message in errors])
        return [self._names[number] for number in numbers]


def _some(errors: list[Error]) -> tuple[list[Error], list[Error]]:
    """The first of them, as many as one statement takes, and the others."""
    size = 0
    for place, (_, message) in enumerate(errors):
        size += len(message)
        if place == AT_ONCE or (place and size > AT_ONCE_BYTES):
            return errors[:place], errors[place:]
    return errors, []
