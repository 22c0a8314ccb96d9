"""Classes of errors and the fingerprint that groups the same failure, as SQL expressions made from data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from spanruns_schema.dialects.sql import quote


@dataclass(frozen=True)
class ErrorClass:
    """Errors that want the same reaction: found by patterns (RE2) over `<type> <message>`, the first class that matches wins."""

    name: str
    title: str
    patterns: tuple[str, ...]
    actions: tuple[str, ...]


UNKNOWN = "unknown"


@cache
def error_classes() -> tuple[ErrorClass, ...]:
    """All classes, in the order in which they are tried."""
    return tuple(
        ErrorClass(name, item["title"], tuple(item["patterns"]), tuple(item["actions"]))
        for name, item in _data()["classes"].items()
    )


def classes_version() -> int:
    """The version of the data: it changes with every change of a class."""
    return int(_data()["version"])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files("spanruns_schema").joinpath("data", "error_classes.toml").read_text())


def error_patterns() -> list[tuple[str, str]]:
    """Name and pattern (RE2) of each class that has one, in the order in which they are tried."""
    return [(item.name, "(?i)" + "|".join(item.patterns)) for item in error_classes() if item.patterns]


def error_class_sql(error_type: str, error_message: str) -> str:
    """SQL: the class of an error, `unknown` when no pattern matches."""
    text = f"concat({error_type}, ' ', {error_message})"
    branches = []
    for name, pattern in error_patterns():
        branches += [f"match({text}, {quote(pattern)})", quote(name)]
    return f"multiIf({', '.join(branches)}, {quote(UNKNOWN)})"


def error_fingerprint_sql(error_type: str, error_message: str) -> str:
    """SQL: 16 hex digits, equal for failures that differ only in numbers, ids, paths and quoted values."""
    masked = f"substring({error_message}, 1, 2000)"
    for pattern, mark in MASKS:
        masked = f"replaceRegexpAll({masked}, {quote(pattern)}, {quote(mark)})"
    return f"lower(hex(sipHash64({error_type}, {masked})))"


MASKS = (
    (r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"]+", "<url>"),
    (r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}", "<id>"),
    (r"'[^']*'|\"[^\"]*\"|`[^`]*`", "<value>"),
    (r"(?:[A-Za-z]:)?[/\\][\w./\\-]+", "<path>"),
    (r"\b(?:0x)?[0-9a-fA-F]{8,}\b", "<id>"),
    (r"\d+", "<n>"),
    (r"\s+", " "),
)
"""What is masked before messages are compared, in this order."""
