"""`docs/api.md` and `docs/sql.md` tell of what there is, all of it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from spanruns_receiver.api import create_app
from spanruns_receiver.api.filters import Filter
from spanruns_schema import calls, gate
from spanruns_schema.store import Store
from starlette.testclient import TestClient

DOCS = Path(__file__).parents[4] / "docs"
API = (DOCS / "api.md").read_text()
SQL = (DOCS / "sql.md").read_text()


def _examples() -> list[str]:
    """Queries of docs/sql.md: indented, comments left out, as many lines as belong together."""
    blocks = re.findall(r"(?:^    .*\n)+", SQL, re.MULTILINE)
    plain = [re.sub(r"^ *(--.*)?", "", block, flags=re.MULTILINE) for block in blocks]
    quoted = re.findall(r"\"(SELECT[^\"]*)\"", SQL)
    return [text.strip() for text in plain if text.strip().startswith("SELECT")] + quoted


def test_every_route_is_told(client: TestClient) -> None:
    """A route that the page does not mention, or mentions without being there, is a mistake."""
    document = client.get("/openapi.json").json()
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    told = set(re.findall(r"^\| `((?:GET|POST) /\S*)`", API, re.MULTILINE))
    assert told == there


def test_every_filter_is_told() -> None:
    """Each filter is in the table, and nothing else is."""
    table = API.split("## Filters")[1].split("Statuses:")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    names = {name.removesuffix("_") for name in Filter.model_fields if not name.startswith("not_")}
    assert told == names


def test_every_view_with_parameters_is_told() -> None:
    """Each view with its parameters is in the table."""
    views = [file.name.removesuffix(".sql") for file in resources.files("spanruns_schema").joinpath("views").iterdir()]
    told = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in SQL.splitlines() if line.startswith("| `")))
    )
    assert told == {view for view in views if view.isidentifier()}
    for line in SQL.splitlines():
        if line.startswith("| `runs_matching`"):
            assert set(re.findall(r"\w+", line.split("|")[3])) == calls.parameters("runs_matching").keys()


def test_limits_are_told() -> None:
    """The numbers of docs/sql.md are those of the gate."""
    assert gate.LIMITS["max_execution_time"] == 30
    assert gate.LIMITS["max_memory_usage"] == 2_000_000_000
    assert f"{gate.LIMITS['max_result_rows']:,} rows" in SQL
    assert "30 seconds, 2 GB of memory" in SQL


@pytest.mark.parametrize("query", _examples())
def test_every_query_of_the_page_works(store: Store, query: str) -> None:
    """What the page shows can be copied."""
    answer = TestClient(create_app(store)).post("/api/sql", json={"query": query})
    assert answer.status_code == 200, answer.text
