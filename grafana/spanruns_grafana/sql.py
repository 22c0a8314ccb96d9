"""SQL of panels: views of `spanruns_schema`, called with what the dashboard's filters and time picker say."""

from __future__ import annotations

from collections.abc import Mapping

from spanruns_schema import calls

# In UTC, because a view takes its times as UTC and the engine hands them over as text in the time zone of the server.
PERIOD = {"from": "toTimeZone($__fromTime_ms, 'UTC')", "to": "toTimeZone($__toTime_ms, 'UTC')"}
UNFILTERED = "map('agent', [])"


def call(view: str, filter: str, **arguments: str) -> str:
    """`view(filter = …, from = …, to = …, …)` for the dashboard's period; arguments are SQL.

    Raises `ValueError` when these are not exactly the parameters of the view.
    """
    given: Mapping[str, str] = {"filter": filter, **PERIOD, **arguments}
    if given.keys() != calls.parameters(view).keys():
        raise ValueError(f"{view} takes {', '.join(sorted(calls.parameters(view)))}, not {', '.join(sorted(given))}")
    return f"{view}(\n  " + ",\n  ".join(f"{name} = {value}" for name, value in given.items()) + ")"


def chosen(*names: str, **fixed: str) -> str:
    """The filter (see the view `runs_matching`) of what is chosen in the variables `names`, and of `fixed` values.

    A variable at All puts a comment between its brackets (`variables.ALL`): an empty list, which filters nothing.
    """
    values = {name: f"${{{name}:singlequote}}" for name in names} | {
        name: f"'{value}'" for name, value in fixed.items()
    }
    return "map(\n    " + ",\n    ".join(f"'{name}', [{value}]" for name, value in values.items()) + ")"


def select(columns: str, source: str, *clauses: str) -> str:
    """`SELECT … FROM …` and further clauses, each on a line of its own."""
    return "\n".join((f"SELECT {columns}", f"FROM {source}", *clauses))


def quoted(value: str) -> str:
    """A literal of a text without quotes and backslashes."""
    return f"'{value}'"
