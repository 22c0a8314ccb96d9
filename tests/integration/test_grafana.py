"""Every query of every dashboard, as Grafana sends it, on runs that came in as OTLP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from spanruns_grafana.generate import DIRECTORY
from spanruns_grafana.runs import FILTERS
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import Store, rows

from tests.support.captures import fresh
from tests.support.grafana import Choices, Period, Query, ask, queries
from tests.support.resolving import Bench
from tests.support.spans import (
    START_NS,
    exception,
    logs_request,
    record,
    span,
    spans_request,
    trace_id,
)

START = datetime.fromtimestamp(START_NS / 1e9, UTC)  # 2025-10-09 08:53:20
NOW = datetime.now(UTC)
HOUR = Period(START - timedelta(minutes=10), START + timedelta(minutes=50), interval_s=600)
NEVER = Period(START - timedelta(days=2), START - timedelta(days=1), interval_s=600)
PROD = {"deployment.environment.name": "prod"}

DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in DIRECTORY.glob("*.json")}
RUNS = DASHBOARDS["runs"]
ASKED = {query.place: query for query in queries(RUNS)}

SECOND, TEXT = "DateTime('UTC')", "String"
MOMENT, NUMBER, MAYBE = "DateTime64(6, 'UTC')", "UInt64", "Nullable(Float64)"
OFFERED = {"chosen": TEXT, "shown": TEXT}
COLUMNS: dict[str, dict[str, dict[str, str]]] = {
    "runs": {
        "panel 1A": {
            "total": NUMBER,
            "success_rate": MAYBE,
            "failed": NUMBER,
            "running": NUMBER,
            "waiting": NUMBER,
            "lost": NUMBER,
            "cost_usd": MAYBE,
            "input_tokens": NUMBER,
            "output_tokens": NUMBER,
        },
        "panel 2A": {"time": SECOND, "status": TEXT, "total": NUMBER},
        "panel 3A": {
            "started_at": MOMENT,
            "status": TEXT,
            "agent_name": "LowCardinality(String)",
            "run_id": TEXT,
            "trigger": "LowCardinality(String)",
            "service_name": "LowCardinality(String)",
            "environment": "LowCardinality(String)",
            "duration_ms": MAYBE,
            "tool_call_count": "UInt32",
            "tool_error_count": "UInt32",
            "model_call_count": "UInt32",
            "input_tokens": NUMBER,
            "output_tokens": NUMBER,
            "cost_usd": MAYBE,
            "error_class": "LowCardinality(String)",
            "message": TEXT,
        },
        "panel 4A": {
            "value": TEXT,
            "total": NUMBER,
            "success_rate": MAYBE,
            "failed": NUMBER,
            "lost": NUMBER,
            "avg_duration_ms": MAYBE,
            "cost_usd": MAYBE,
            "input_tokens": NUMBER,
            "output_tokens": NUMBER,
            "chosen": TEXT,
        },
        "panel 5A": {"error_class": TEXT, "failed": NUMBER},
        "variable agent": OFFERED,
        "variable trigger": OFFERED,
        "variable service": OFFERED,
        "variable environment": OFFERED,
        "annotation Lost runs": {"time": MOMENT, "title": TEXT, "text": "LowCardinality(String)"},
    }
}
EVERY = [(name, query) for name, dashboard in DASHBOARDS.items() for query in queries(dashboard)]
every = pytest.mark.parametrize(("name", "query"), EVERY, ids=[f"{name}: {query.place}" for name, query in EVERY])


def run(agent: str, **more: Any) -> dict[str, Any]:
    """The attributes of a run as our instrumentation writes them."""
    return {"spanruns.kind": "run", "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, **more}


def model(tokens_in: int, tokens_out: int, **more: Any) -> dict[str, Any]:
    """The attributes of a model call."""
    usage = {"gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out}
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": "unheard-of", **usage, **more}


def tool(name: str) -> dict[str, Any]:
    """The attributes of a tool call."""
    return {"spanruns.kind": "tool", "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}


def live(event: str, agent: str, at_ms: int, trace: int, **more: Any) -> LogRecord:
    """An event of a run that began at that moment."""
    began = {"spanruns.run.started_at": START_NS + at_ms * 1_000_000}
    return record(event, 1, run(agent, **more, **began), at_ms=at_ms, trace=trace)


def receive(bench: Bench) -> None:
    """A shop's agents and a framework's captured ones; names with quotes and backslashes; one run is live now."""
    api, schedule = {"spanruns.run.trigger": "api"}, {"spanruns.run.trigger": "schedule"}
    shop = [
        span(1, "it's", run("it's", **api), start_ms=60_000, end_ms=64_000, status="ok"),
        span(2, "search", tool("search"), parent=1, start_ms=60_100, end_ms=60_200),
        span(3, "chat", model(20, 7, **{"gen_ai.usage.cost": 0.25}), parent=1, start_ms=60_300, end_ms=60_400),
        span(4, "writer", run("writer"), parent=1, start_ms=61_000, end_ms=63_000),
        span(5, "chat", model(100, 10, **{"gen_ai.usage.cost": 0.5}), parent=4, start_ms=61_100, end_ms=61_200),
        span(
            1, "planner", run("planner", **schedule), trace=2, start_ms=700_000, end_ms=701_500, status="error",
            message="search timed out", events=[exception("TimeoutError", "search timed out")],
        ),
        span(2, "search", tool("search"), parent=1, trace=2, start_ms=700_100, end_ms=701_400, status="error"),
    ]  # fmt: skip
    jobs = [span(1, "b\\n", run("b\\n", **api), trace=3, start_ms=720_000, end_ms=721_000, status="ok")]
    now_ms = round((NOW - START).total_seconds() * 1000)
    beating = {"spanruns.run.heartbeat_interval_ms": 10_000}
    events = [
        live("started", "stray", 1_900_000, trace=4, **api, **beating),
        live("started", "approval", 1_950_000, trace=5),
        live("waiting", "approval", 1_950_000, trace=5, **{"spanruns.run.waiting_for": "Ann"}),
        live("started", "live", now_ms, trace=6),
    ]
    captured, _ = fresh(["pydantic_ai"], "grafana", START_NS + 2_400_000 * 1_000_000)
    bench.receive(spans_request(shop, **PROD), *(request.SerializeToString() for request in captured))
    bench.receive(spans_request(jobs, service="jobs", **{"deployment.environment.name": "staging"}))
    bench.receive(logs_request(events), signal="logs")
    bench.resolve()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that received and resolved them."""
    opened = EmbeddedStore(tmp_path_factory.mktemp("store"))
    receive(Bench(opened))
    yield opened
    opened.close()


def answer(store: Store, place: str, choices: Choices | None = None, period: Period = HOUR) -> list[dict[str, Any]]:
    """The rows that a query of "Runs" gives, by column."""
    result = ask(store, RUNS, ASKED[place], period, choices)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def ids_of(store: Store, where: str, values: list[str]) -> list[str]:
    """The runs for which `where` holds, asked without Grafana and without any view but `runs`."""
    found = rows(
        store,
        f"SELECT run_id FROM runs WHERE {where} AND started_at < {{end:DateTime64(6, 'UTC')}}"
        " ORDER BY started_at DESC, run_id DESC",
        {"values": values, "end": HOUR.end},
    )
    return [row["run_id"] for row in found]


def test_every_query_has_an_expectation() -> None:
    """A query that is added needs its columns below."""
    found = {name: [query.place for query in queries(dashboard)] for name, dashboard in DASHBOARDS.items()}
    assert found == {name: list(places) for name, places in COLUMNS.items()}


@every
def test_every_query_answers(store: Store, name: str, query: Query) -> None:
    """Columns by name and type, and rows in them."""
    result = ask(store, DASHBOARDS[name], query, HOUR)
    assert result.columns == COLUMNS[name][query.place]
    assert result.rows


@every
def test_a_server_in_another_time_zone_answers_the_same(store: Store, name: str, query: Query) -> None:
    """A period is the same moments wherever the server is."""
    there = ask(store, DASHBOARDS[name], query, HOUR, settings={"session_timezone": "Asia/Kolkata"})
    assert there == ask(store, DASHBOARDS[name], query, HOUR)


@every
def test_a_period_without_runs_is_no_error(store: Store, name: str, query: Query) -> None:
    """Only the chart has rows: its intervals, with nothing in them."""
    result = ask(store, DASHBOARDS[name], query, NEVER)
    assert all(row[-1] == 0 for row in result.rows)
    assert bool(result.rows) == (query.place == "panel 2A")


@pytest.mark.parametrize(
    ("name", "panel"), [(name, panel) for name in DASHBOARDS for panel in DASHBOARDS[name]["panels"]]
)
def test_every_column_is_titled(name: str, panel: dict[str, Any]) -> None:
    """Overrides and links are about columns that are there, and in tables and cards no column goes without a title."""
    for target in panel["targets"]:
        columns = COLUMNS[name][f"panel {panel['id']}{target['refId']}"].keys()
        by_name = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        if panel["type"] in ("table", "stat"):
            assert by_name == list(columns)
        linked = set(_linked_columns(json.dumps(panel)))
        assert linked <= columns


def _linked_columns(text: str) -> Iterator[str]:
    for piece in text.split("${__data.fields.")[1:]:
        yield piece.partition("}")[0].partition(":")[0]


def test_the_cards(store: Store) -> None:
    """Eleven runs; a sub-run's tokens and cost once, with its parent; the cancelled and the open ones in no rate."""
    assert answer(store, "panel 1A") == [
        {
            "total": 11,
            "success_rate": 7 / 10,
            "failed": 2,
            "running": 0,
            "waiting": 1,
            "lost": 1,
            "cost_usd": 0.75,
            "input_tokens": 20 + 100 + 115 + 51 + 158 + 51,
            "output_tokens": 7 + 10 + 16 + 4 + 19 + 5,
        }
    ]


def test_the_chart(store: Store) -> None:
    """Starts in each interval by status, and intervals without any: ten minutes from the first to the last of the hour."""
    found = [(row["time"][11:16], row["status"], row["total"]) for row in answer(store, "panel 2A")]
    assert sorted(found) == [
        ("08:40", "success", 0),
        ("08:50", "success", 2),
        ("09:00", "failed", 1),
        ("09:00", "success", 1),
        ("09:10", "success", 0),
        ("09:20", "lost", 1),
        ("09:20", "waiting", 1),
        ("09:30", "failed", 1),
        ("09:30", "success", 4),
        ("09:40", "success", 0),
    ]
    assert [row[0] for row in found] == sorted(row[0] for row in found)


def test_the_list(store: Store) -> None:
    """Newest first, with what each run did and why it failed."""
    found = answer(store, "panel 3A")
    assert [(row["agent_name"], row["status"]) for row in found[5:]] == [
        ("approval", "waiting"),
        ("stray", "lost"),
        ("b\\n", "success"),
        ("planner", "failed"),
        ("writer", "success"),
        ("it's", "success"),
    ]
    assert found[5]["message"] == "waiting for Ann"
    assert found[8] == {
        "started_at": "2025-10-09 09:05:00.000000",
        "status": "failed",
        "agent_name": "planner",
        "run_id": f"{trace_id(2)}-{1:016x}",
        "trigger": "schedule",
        "service_name": "shop",
        "environment": "prod",
        "duration_ms": 1500,
        "tool_call_count": 1,
        "tool_error_count": 1,
        "model_call_count": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": None,
        "error_class": "timeout",
        "message": "search timed out",
    }
    assert [(row["duration_ms"], row["input_tokens"], row["cost_usd"]) for row in found[9:]] == [
        (2000, 100, 0.5),
        (4000, 120, 0.75),
    ]


def test_agents_and_failures(store: Store) -> None:
    """Agents by how often they ran; failures by class."""
    found = answer(store, "panel 4A")
    assert [row["value"] for row in found] == sorted(row["value"] for row in found)
    assert {row["value"]: (row["total"], row["failed"], row["lost"], row["avg_duration_ms"]) for row in found[:4]} == {
        "approval": (1, 0, 0, None),
        "b\\n": (1, 0, 0, 1000),
        "failing_agent": (1, 1, 0, found[2]["avg_duration_ms"]),
        "it's": (1, 0, 0, 4000),
    }
    assert {row["error_class"]: row["failed"] for row in answer(store, "panel 5A")} == {"timeout": 1, "unknown": 1}


def test_lost_runs_are_marked(store: Store) -> None:
    """Where they were heard of last."""
    assert answer(store, "annotation Lost runs") == [
        {"time": "2025-10-09 09:25:00.000000", "title": "Run lost", "text": "stray"}
    ]


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("trigger", ["api", "schedule"]),
        ("service", ["jobs", "shop"]),
        ("environment", ["prod", "staging"]),
    ],
)
def test_filters_offer_what_there_is(store: Store, name: str, offered: list[str]) -> None:
    """Each value once, in order, none for runs without."""
    assert [value for value in _offered(store, name) if value in offered] == offered
    assert "" not in _offered(store, name)


def _offered(store: Store, name: str) -> list[str]:
    return [row["shown"] for row in answer(store, f"variable {name}")]


COLUMN_OF = {
    "agent": "agent_name",
    "status": "status",
    "trigger": "trigger",
    "service": "service_name",
    "environment": "environment",
}
CHOICES = [
    ("agent", ["planner"]),
    ("agent", ["planner", "writer"]),
    ("agent", ["it's"]),
    ("agent", ["b\\n", "it's"]),
    ("agent", ["'); SELECT 1 --", "\\", "planner"]),
    ("status", ["failed"]),
    ("status", ["failed", "lost"]),
    ("status", ["it's"]),
    ("trigger", ["api"]),
    ("trigger", ["api", "schedule"]),
    ("trigger", ["it's"]),
    ("service", ["jobs"]),
    ("service", ["jobs", "shop"]),
    ("service", ["it's"]),
    ("environment", ["staging"]),
    ("environment", ["staging", "prod"]),
    ("environment", ["it's"]),
]


def as_chosen(values: list[str]) -> list[str]:
    """Values as a variable holds them: the query that offers them escapes their backslashes."""
    return [value.replace("\\", "\\\\") for value in values]


@pytest.mark.parametrize(("name", "values"), CHOICES)
def test_a_filter_means_these_runs(store: Store, name: str, values: list[str]) -> None:
    """One value, several, values with quotes: the list has exactly the runs that have one of them, and so have the cards."""
    expected = ids_of(store, f"has({{values:Array(String)}}, {COLUMN_OF[name]})", values)
    choices = {name: as_chosen(values)}
    assert [row["run_id"] for row in answer(store, "panel 3A", choices)] == expected
    assert [row["total"] for row in answer(store, "panel 1A", choices)] == [len(expected)] * bool(expected)


@every
@pytest.mark.parametrize("values", [["$__all"], ["api"], ["api", "planner"], ["it's"], ["' OR 1 = 1 --", "\\"]])
def test_every_query_takes_every_choice(store: Store, name: str, query: Query, values: list[str]) -> None:
    """Every filter at All, at one value, at two, at values that would break out of a literal that is quoted badly."""
    choices = {variable: as_chosen(values) for variable in FILTERS}
    result = ask(store, DASHBOARDS[name], query, HOUR, choices)
    assert result.columns == COLUMNS[name][query.place]
    if values == ["$__all"]:
        assert result == ask(store, DASHBOARDS[name], query, HOUR)


def test_what_a_filter_offers_is_what_it_finds(store: Store) -> None:
    """From the list of agents into the query and back, whatever is in a name."""
    for offer in answer(store, "variable agent"):
        found = answer(store, "panel 3A", {"agent": [offer["chosen"]]})
        assert {row["agent_name"] for row in found} == {offer["shown"]}
    linked = {row["value"]: row["chosen"] for row in answer(store, "panel 4A")}
    assert linked == {offer["shown"]: offer["chosen"] for offer in answer(store, "variable agent")}


def test_filters_are_combined(store: Store) -> None:
    """Runs that pass all of them."""
    choices = {"trigger": ["api"], "environment": ["prod"], "status": ["success", "lost"]}
    assert [row["agent_name"] for row in answer(store, "panel 3A", choices)] == ["it's"]


def test_a_running_run_is_on_the_card(store: Store) -> None:
    """As soon as it has started."""
    period = Period(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    (cards,) = answer(store, "panel 1A", period=period)
    assert (cards["total"], cards["running"], cards["success_rate"]) == (1, 1, None)
    assert [row["agent_name"] for row in answer(store, "panel 3A", {"status": ["running"]}, period)] == ["live"]
