"""Class and fingerprint of errors, asked once for every error that was not seen lately."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

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
        self._classes = _Remembered(_Classifier() if compiled_module() else _Asked(store, "error_classes"))
        self._fingerprints = _Remembered(_Asked(store, "error_fingerprints"))

    def classes(self, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        """The class of every error."""
        return self._classes.told(list(zip(types, messages, strict=True)))

    def fingerprints(self, types: Sequence[bytes], messages: Sequence[bytes]) -> list[bytes]:
        """The fingerprint of every error."""
        return self._fingerprints.told(list(zip(types, messages, strict=True)))


class _Remembered:
    """What was said of errors, asked for when they are new."""

    def __init__(self, ask: Callable[[list[Error]], list[bytes]]) -> None:
        self._ask = ask
        self._known: dict[Error, bytes] = {}

    def told(self, errors: list[Error]) -> list[bytes]:
        new = [error for error in dict.fromkeys(errors) if error not in self._known]
        if len(self._known) + len(new) > REMEMBERED:
            self._known, new = {}, list(dict.fromkeys(errors))
        if new:
            self._known.update(zip(new, self._ask(new), strict=True))
        return [self._known[error] for error in errors]


class _Asked:
    """A statement over errors."""

    def __init__(self, store: Store, statement: str) -> None:
        self._store = store
        self._statement = statement

    def __call__(self, errors: list[Error]) -> list[bytes]:
        found: list[bytes] = []
        while errors:
            some, errors = _some(errors)
            kinds, texts = ([unpacked(error[part]).decode(errors="replace") for error in some] for part in (0, 1))
            said = native.read(self._store.query(sql(self._statement), {"types": kinds, "messages": texts}))["said"]
            found += said.packed(range(len(some)))
        return found


# The compiled patterns are of bytes.
_DOT = re.compile(r"(?<!\\)\.")
_CHARACTER = r"(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*)"


class _Classifier:
    """The store's rules, without the store."""

    def __init__(self) -> None:
        patterns = error_patterns()
        self._names = [string(name.encode()) for name in (*(name for name, _ in patterns), UNKNOWN)]
        self._compiled = compiled_module().ErrorClasses([_DOT.sub(_CHARACTER, pattern) for _, pattern in patterns])

    def __call__(self, errors: list[Error]) -> list[bytes]:
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
