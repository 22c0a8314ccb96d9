"""Parameterised views (`views/*.sql`) as a query calls them, with every parameter bound."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_PLACEHOLDER = re.compile(r"\{(\w+):([^{}]+)\}")
_CALLED = re.compile(r"\b((?:FROM|JOIN)\s+)(\w+)\(")
_COMMENT = re.compile(r"--.*")


def text(view: str) -> str:
    """The view's own SQL, comments included."""
    return resources.files("spanruns_schema").joinpath("views", f"{view}.sql").read_text()


def qualified(sql: str, database: str) -> str:
    """`sql` with the views that it calls named as those of `database`. The engine itself does that for tables and plain views
    when a view is made, but looks for a called one in the database of whoever asks.
    """
    return _CALLED.sub(lambda match: f"{match[1]}{database}.{match[2]}(", sql)


@cache
def parameters(view: str) -> dict[str, str]:
    """The parameters of a view and their ClickHouse types, in the order in which they first occur."""
    return dict(_PLACEHOLDER.findall(_COMMENT.sub("", text(view))))


@cache
def call(view: str) -> str:
    """`view(name = {name:Type}, …)`: bind a value for every name in `parameters(view)`."""
    bound = ", ".join(f"{name} = {{{name}:{type_}}}" for name, type_ in parameters(view).items())
    return f"{view}({bound})"
