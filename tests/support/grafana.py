"""What Grafana and its ClickHouse plugin do with a query before ClickHouse sees it, and what a dashboard asks.

Variables as Grafana 13 formats them (`${name:singlequote}`), macros as plugin 4.20 expands them in its backend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from spanruns_schema import gate
from spanruns_schema.store import Settings, Store

ALL = "$__all"
Choices = Mapping[str, Sequence[str]]
"""Chosen values by variable; a variable that is not named is at All."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_MACRO = re.compile(r"\$__(\w+)")


@dataclass(frozen=True)
class Period:
    """What the time picker says, and the interval that follows from it and the width of a panel."""

    start: datetime
    end: datetime
    interval_s: int = 60

    @property
    def start_ms(self) -> int:
        """Unix milliseconds."""
        return round(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """Unix milliseconds."""
        return round(self.end.timestamp() * 1000)


@dataclass(frozen=True)
class Query:
    """A query of a dashboard and where it is: `panel 3`, `variable agent`, `annotation …`."""

    place: str
    target: dict[str, Any]

    @property
    def sql(self) -> str:
        """As written, with variables and macros."""
        return str(self.target["rawSql"])


@dataclass(frozen=True)
class Result:
    """Column names with their types, and rows."""

    columns: dict[str, str]
    rows: list[list[Any]] = field(default_factory=list)


def queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Every query that a dashboard makes."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield Query(f"panel {panel['id']}{target['refId']}", target)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Query(f"variable {variable['name']}", variable["query"])
    for annotation in dashboard["annotations"]["list"]:
        if "target" in annotation:
            yield Query(f"annotation {annotation['name']}", annotation["target"])


def ask(
    store: Store,
    dashboard: Mapping[str, Any],
    query: Query,
    period: Period,
    choices: Choices | None = None,
    *,
    settings: Settings | None = None,
) -> Result:
    """What the query gives to a reader who may do no more than read."""
    sql = expand(interpolate(query.sql, dashboard, choices or {}), period)
    answer = gate.answer(store, sql, format="JSONCompactEachRowWithNamesAndTypes", limits=settings or {})
    lines = [json.loads(line) for line in answer.splitlines()]
    if not lines:
        return Result({})
    return Result(dict(zip(lines[0], lines[1], strict=True)), lines[2:])


def interpolate(sql: str, dashboard: Mapping[str, Any], choices: Choices) -> str:
    """`sql` with the dashboard's variables in it. Fails for a variable or a format that is not there."""
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    if unknown := choices.keys() - variables.keys():
        raise AssertionError(f"no variable {unknown}")

    def value(match: re.Match[str]) -> str:
        name, style, bare = match.groups()
        variable = variables[name or bare]
        if style != "singlequote":
            raise AssertionError(f"{match[0]} is not quoted")
        chosen = choices.get(name, [ALL])
        if list(chosen) != [ALL]:
            return singlequote(chosen)
        if not variable["includeAll"] or not variable["allValue"]:
            raise AssertionError(f"{name} at All would list what it offers, or nothing")
        return str(variable["allValue"])  # as it is, whatever the format

    return _VARIABLE.sub(value, sql)


def singlequote(values: Sequence[str]) -> str:
    """Grafana's format `singlequote`: it escapes quotes, and nothing else."""
    return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)


def expand(sql: str, period: Period) -> str:
    """`sql` with the plugin's macros in it. Fails for one that is not known here."""
    start_s, end_s = period.start_ms // 1000, period.end_ms // 1000
    seconds = max(period.interval_s, 1)
    start, end = f"toDateTime({start_s})", f"toDateTime({end_s})"
    start_64, end_64 = f"fromUnixTimestamp64Milli({period.start_ms})", f"fromUnixTimestamp64Milli({period.end_ms})"
    days = [f"toDate('{datetime.fromtimestamp(s, UTC):%Y-%m-%d}')" for s in (start_s, end_s)]
    plain = {
        "fromTime": start,
        "toTime": end,
        "fromTime_ms": start_64,
        "toTime_ms": end_64,
        "interval_s": str(seconds),
    }
    called = {
        "timeFilter": lambda c: f"{c} >= {start} AND {c} <= {end}",
        "timeFilter_ms": lambda c: f"{c} >= {start_64} AND {c} <= {end_64}",
        "dateFilter": lambda c: f"{c} >= {days[0]} AND {c} <= {days[1]}",
        "timeFrom": lambda c: f"{c} >= {start}",
        "timeTo": lambda c: f"{c} <= {end}",
        "timeInterval": lambda c: f"toStartOfInterval(toDateTime({c}), INTERVAL {seconds} second)",
        "timeInterval_ms": lambda c: f"toStartOfInterval(toDateTime64({c}, 3), INTERVAL {seconds * 1000} millisecond)",
    }
    while match := _MACRO.search(sql):
        name, rest = match[1], sql[match.end() :]
        if name in plain:
            sql = sql[: match.start()] + plain[name] + rest
        elif name in called and rest.startswith("("):
            inside, after = _parenthesis(rest)
            sql = sql[: match.start()] + called[name](inside) + after
        else:
            raise AssertionError(f"the plugin knows no {match[0]} like this")
    return sql


def _parenthesis(text: str) -> tuple[str, str]:
    """What is in the parenthesis with which `text` begins, and what follows it."""
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[1:position].strip(), text[position + 1 :]
    raise AssertionError(f"no end of {text}")
