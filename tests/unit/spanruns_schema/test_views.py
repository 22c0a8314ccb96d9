"""The views that define every number, on rows as the resolver writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from spanruns_schema import migrate
from spanruns_schema.calls import call
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import StoreRejected
from spanruns_schema.store import Parameter, Store, rows

from tests.support.seeds import at, insert, keep_forever, run, span
from tests.support.seeds import call as made_call

EVER: dict[str, Parameter] = {"from": "1970-01-01", "to": "2100-01-01"}
Filter = Mapping[str, Sequence[str]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with runs of every kind."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    migrate.apply(store)
    keep_forever(store)
    insert(
        store,
        "runs_data",
        run("a", 0, 2, trigger="api", session_id="s1", tags=["red", "big"], cost_usd=0.5, input_tokens=100, output_tokens=7),
        run("a.1", 1, 1, parent_run_id="a", root_run_id="a", agent_name="writer", cost_usd=0.2, input_tokens=40),
        run("b", 60, 4, status="failed", error_type="ValueError", error_message="x" * 300, error_class="data", trigger="cli"),
        run("c", 120, 1, status="cancelled", kind="job", service_name="jobs", environment="prod", user_id="u1"),
        run("d", 180, None, trigger="api", workspace="w1", input="Where is my Ärger?"),
        run("e", 86400, 8, agent_name="writer", output="100% done_or not", waiting_ms=3000, agent_version="2"),
        run("f", 86400, None, status="waiting", waiting_for="Ann", waiting_since=at(86401)),
        run("g", 86400, None, status="queued", queued_at=at(86400)),
        run("gone", 30, 1, is_deleted=1, version=2),
    )  # fmt: skip
    insert(store, "runs_data", run("b", 60, 9, status="success"))
    insert(store, "runs_data", run("gone", 30, 1))
    insert(
        store,
        "runs_data",
        run("b", 60, 4, status="failed", error_type="ValueError", error_message="x" * 300, error_class="data",
            error_fingerprint="fp", trigger="cli", version=2),
    )  # fmt: skip
    insert(
        store,
        "tool_calls_data",
        made_call("t2", "a", 1, 0.5, tool_name="search", status="failed", error_type="Timeout"),
        made_call("t1", "a", 0.5, 0.25, tool_name="fetch", arguments="{}"),
        made_call("t3", "b", 61, tool_name="search"),
    )
    insert(
        store,
        "model_calls_data",
        made_call("m1", "a", 0.1, 0.2, model="gpt-x", input_tokens=60, cost_usd=0.3),
        made_call("m2", "a.1", 1.1, 0.2, model="tiny", input_tokens=40, cost_usd=None),
    )
    yield store
    store.close()


def ask(store: Store, view: str, **values: Parameter) -> list[dict[str, Any]]:
    """Every row of a parameterised view."""
    return rows(store, f"SELECT * FROM {call(view)}", values)


def found(store: Store, filter: Filter, **period: str) -> set[str]:
    """The ids of the runs that match."""
    return {row["run_id"] for row in ask(store, "runs_matching", filter=filter, **{**EVER, **period})}


ALL = {"a", "a.1", "b", "c", "d", "e", "f", "g"}


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, ALL),
        ({"agent": []}, ALL),
        ({"agent": ["writer"]}, {"a.1", "e"}),
        ({"agent": ["writer", "planner"]}, ALL),
        ({"not_agent": ["planner"]}, {"a.1", "e"}),
        ({"agent": ["writer"], "not_agent": ["writer"]}, set()),
        ({"agent": ["it's \\ none"]}, set()),
        ({"status": ["failed", "cancelled"]}, {"b", "c"}),
        ({"status": ["lost"]}, {"d"}),
        ({"not_status": ["success", "lost"]}, {"b", "c", "f", "g"}),
        ({"trigger": ["api"]}, {"a", "d"}),
        ({"not_trigger": ["api", ""]}, {"b"}),
        ({"kind": ["job"]}, {"c"}),
        ({"service": ["jobs"]}, {"c"}),
        ({"environment": ["prod"]}, {"c"}),
        ({"user": ["u1"]}, {"c"}),
        ({"session": ["s1"]}, {"a"}),
        ({"not_session": ["s1"]}, ALL - {"a"}),
        ({"workspace": ["w1"]}, {"d"}),
        ({"error_class": ["data"]}, {"b"}),
        ({"fingerprint": ["fp"]}, {"b"}),
        ({"version": ["2"]}, {"e"}),
        ({"parent": ["a"]}, {"a.1"}),
        ({"tag": ["red", "blue"]}, {"a"}),
        ({"not_tag": ["red"]}, ALL - {"a"}),
        ({"tool": ["search"]}, {"a", "b"}),
        ({"tool": ["fetch"]}, {"a"}),
        ({"not_tool": ["search"]}, ALL - {"a", "b"}),
        ({"model": ["tiny"]}, {"a.1"}),
        ({"not_model": ["tiny", "gpt-x"]}, ALL - {"a", "a.1"}),
        ({"min_duration_ms": ["4000"]}, {"b", "e"}),
        ({"max_duration_ms": ["1000"]}, {"a.1", "c"}),
        ({"min_cost_usd": ["0.3"]}, {"a"}),
        ({"max_cost_usd": ["0.3"]}, {"a.1"}),
        ({"has_error": ["true"]}, {"b"}),
        ({"has_error": ["false"]}, ALL - {"b"}),
        ({"was_waiting": ["true"]}, {"e", "f"}),
        ({"root_only": ["true"]}, ALL - {"a.1"}),
        ({"root_only": ["false"]}, ALL),
        ({"search": ["ärger"]}, {"d"}),
        ({"search": ["DONE", "100%"]}, {"e"}),
        ({"search": ["done", "ärger"]}, set()),
        ({"search": ["xxx"]}, {"b"}),
        ({"search": ["%"]}, {"e"}),
        ({"agent": ["planner"], "status": ["success", "failed"], "trigger": ["api"]}, {"a"}),
    ],
)
def test_a_filter_finds_its_runs(filled: Store, filter: Filter, expected: set[str]) -> None:
    """Values of one name are alternatives, names are all required, `not_` excludes."""
    assert found(filled, filter) == expected


def test_a_period_has_its_start_and_not_its_end(filled: Store) -> None:
    """Runs are taken by when they started, from `from` until before `to`."""
    assert found(filled, {}, **{"from": at(60), "to": at(180)}) == {"b", "c"}
    assert found(filled, {}, **{"from": at(60.000001), "to": at(180.000001)}) == {"c", "d"}


@pytest.mark.parametrize(
    "call",
    [
        "runs_per_day(filter = map(), from = '2026-01-01', to = '2026-01-16')",
        "run_stats(filter = map(), from = '2026-01-01', to = '2026-01-16', by = '')",
        "sub_runs(run_id = 'a')",
    ],
)
def test_a_view_can_be_called_from_another_database(filled: Store, call: str) -> None:
    """Views that are made of others find them, whichever database one is in."""
    assert isinstance(filled, EmbeddedStore)
    connection = filled._open()
    try:
        connection.query("USE default")
        assert bytes(connection.query(f"SELECT count() FROM spanruns.{call}", "CSV").bytes()) == b"1\n"
    finally:
        connection.close()


def test_an_unknown_filter_is_an_error(filled: Store) -> None:
    """A name that means nothing is not passed over."""
    with pytest.raises(StoreRejected, match="a name that runs_matching does not know"):
        found(filled, {"agnet": ["planner"]})


def test_a_person_can_call_a_view(filled: Store) -> None:
    """The views take plain literals and constant expressions."""
    sql = (
        "SELECT run_id FROM runs_matching(filter = map('agent', ['writer'], 'status', []),"
        " from = '2026-01-16', to = toDateTime('2026-01-16 00:00:00') + INTERVAL 1 DAY)"
    )
    assert rows(filled, sql) == [{"run_id": "e"}]


def page(store: Store, limit: int, before_at: str = "2100-01-01", before_id: str = "") -> list[str]:
    """The ids of one page."""
    found = ask(
        store, "runs_list", filter={}, **EVER, before_at=before_at, before_id=before_id, limit=limit
    )  # fmt: skip
    return [row["run_id"] for row in found]


def test_a_list_is_newest_first(filled: Store) -> None:
    """Runs come by their start, and by their id where they started together."""
    assert page(filled, 100) == ["g", "f", "e", "d", "c", "b", "a.1", "a"]


def test_pages_follow_each_other(filled: Store) -> None:
    """A page begins after the last row of the one before, also between runs that started together."""
    assert page(filled, 2) == ["g", "f"]
    assert page(filled, 2, at(86400), "f") == ["e", "d"]
    assert page(filled, 3, at(180), "d") == ["c", "b", "a.1"]
    assert page(filled, 9, at(0), "a") == []


def test_a_list_says_what_happened_in_a_line(filled: Store) -> None:
    """The message is the error, or whom a run waits for, and never longer than 200 characters."""
    found = ask(filled, "runs_list", filter={}, **EVER, before_at="2100-01-01", before_id="", limit=100)
    assert {row["run_id"]: row["message"] for row in found if row["message"]} == {
        "b": "x" * 200,
        "f": "waiting for Ann",
    }
    assert not {"input", "output", "parameters", "error_message"} & found[0].keys()


def test_days_are_counted(filled: Store) -> None:
    """Runs a day, for the same filter."""
    assert sorted((row["day"], row["total"]) for row in ask(filled, "runs_per_day", filter={}, **EVER)) == [
        ("2026-01-15", 5),
        ("2026-01-16", 3),
    ]


def test_stats_count_every_run_and_each_cost_once(filled: Store) -> None:
    """Counts are of all runs; what a sub-run used is part of its parent."""
    assert ask(filled, "run_stats", filter={}, **EVER, by="") == [
        {
            "value": "", "total": 8, "success": 3, "failed": 1, "cancelled": 1, "running": 0, "queued": 1, "waiting": 1,
            "lost": 1, "success_rate": 0.6, "cost_usd": 0.5, "input_tokens": 100, "output_tokens": 7,
            "avg_duration_ms": (2000 + 1000 + 4000 + 1000 + 5000) / 5,
        }
    ]  # fmt: skip


def test_stats_of_a_sub_agent_have_its_cost(filled: Store) -> None:
    """Where its parent is not counted, a sub-run's cost is."""
    found = ask(filled, "run_stats", filter={"agent": ["writer"]}, **EVER, by="")
    assert [(row["total"], row["cost_usd"], row["input_tokens"]) for row in found] == [(2, 0.2, 40)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("agent", {"planner": (6, 0.5), "writer": (2, 0.2)}),
        ("trigger", {"": (5, 0.2), "api": (2, 0.5), "cli": (1, None)}),
        ("kind", {"agent": (7, 0.5), "job": (1, None)}),
        (
            "status",
            {
                "success": (3, 0.5),
                "failed": (1, None),
                "cancelled": (1, None),
                "lost": (1, None),
                "waiting": (1, None),
                "queued": (1, None),
            },
        ),
    ],
)
def test_stats_by_a_dimension(filled: Store, by: str, expected: dict[str, tuple[int, float]]) -> None:
    """One row for each value; a run and its parent are told apart only where their values differ."""
    found = ask(filled, "run_stats", filter={}, **EVER, by=by)
    assert {row["value"]: (row["total"], row["cost_usd"]) for row in found} == expected


def test_stats_of_nothing(filled: Store) -> None:
    """Without runs there is no row; an unknown dimension is an error."""
    assert ask(filled, "run_stats", filter={"agent": ["nobody"]}, **EVER, by="agent") == []
    with pytest.raises(StoreRejected, match="does not know this dimension"):
        ask(filled, "run_stats", filter={}, **EVER, by="colour")


def test_runs_over_time(filled: Store) -> None:
    """Starts in each interval, by status."""
    found = ask(filled, "runs_over_time", filter={"not_agent": ["writer"]}, **EVER, step_s=3600)
    assert [(row["time"], row["status"], row["total"]) for row in found] == [
        ("2026-01-15 12:00:00", "cancelled", 1),
        ("2026-01-15 12:00:00", "failed", 1),
        ("2026-01-15 12:00:00", "lost", 1),
        ("2026-01-15 12:00:00", "success", 1),
        ("2026-01-16 12:00:00", "queued", 1),
        ("2026-01-16 12:00:00", "waiting", 1),
    ]


def test_one_run(filled: Store) -> None:
    """A run is found by its id, in its newest version; a tombstone is no run."""
    (detail,) = ask(filled, "run_detail", run_id="b")
    assert (detail["status"], detail["duration_ms"], len(detail["error_message"])) == ("failed", 4000, 300)
    assert ask(filled, "run_detail", run_id="gone") == []
    assert ask(filled, "run_detail", run_id="' OR 1 = 1") == []


def test_calls_and_runs_of_a_run(filled: Store) -> None:
    """Calls and sub-runs of one run alone, in the order of their start."""
    assert [row["span_id"] for row in ask(filled, "run_tool_calls", run_id="a")] == ["t1", "t2"]
    assert [row["model"] for row in ask(filled, "run_model_calls", run_id="a")] == ["gpt-x"]
    assert [row["run_id"] for row in ask(filled, "sub_runs", run_id="a")] == ["a.1"]
    assert ask(filled, "sub_runs", run_id="b") == []


def test_a_timeline_has_each_span_once(filled: Store) -> None:
    """Spans of the run's trace, from the raw table, with what they are to us."""
    insert(filled, "runs_data", run("r", 200, 9))
    insert(filled, "tool_calls_data", made_call("tool", "r", 202, tool_name="search"))
    insert(filled, "model_calls_data", made_call("model", "r", 203, model="gpt-x"))
    spans = [
        span("span-r", "", 200, 9, StatusCode="Ok"),
        span("tool", "span-r", 202, 0.0015, StatusCode="Error", StatusMessage="boom"),
        span("model", "span-r", 203),
        span("other", "tool", 204),
        span("elsewhere", trace="trace-x", started=204),
    ]
    insert(filled, "otel_traces", *spans)
    insert(filled, "otel_traces", spans[1], span("late", "other", 400))
    found = ask(filled, "run_timeline", run_id="r", limit=100)
    assert [(row["span_id"], row["parent_span_id"], row["type"], row["label"], row["status"]) for row in found] == [
        ("span-r", "", "run", "planner", "ok"),
        ("tool", "span-r", "tool", "search", "error"),
        ("model", "span-r", "model", "gpt-x", "unset"),
        ("other", "tool", "", "", "unset"),
        ("late", "other", "", "", "unset"),
    ]
    tool = found[1]
    assert (tool["started_at"], tool["ended_at"], tool["duration_ms"], tool["status_message"]) == (
        "2026-01-15 12:03:22.000000",
        "2026-01-15 12:03:22.001500",
        1.5,
        "boom",
    )
    assert [row["span_id"] for row in ask(filled, "run_timeline", run_id="r", limit=2)] == ["span-r", "tool"]
    assert ask(filled, "run_timeline", run_id="nobody", limit=100) == []


@pytest.mark.parametrize("view", ["runs_matching", "runs_per_day", "runs_over_time"])
def test_a_period_reads_only_its_partitions(filled: Store, view: str) -> None:
    """A time range is answered from the days it covers, through every layer of views."""
    values: dict[str, Parameter] = {"filter": {}, "from": "2026-01-16", "to": "2026-01-17", "step_s": 60}
    plan = rows(filled, f"EXPLAIN indexes = 1 SELECT count() FROM {call(view)}", values)
    text = "\n".join(row["explain"] for row in plan)
    total = rows(filled, "SELECT uniq(partition) AS n FROM system.parts WHERE active AND table = 'runs_data'")
    assert total == [{"n": 2}]
    assert "Parts: 1/" in text, text


def test_a_filter_reads_only_its_columns(filled: Store) -> None:
    """Conditions that were not asked for are gone before anything is read."""
    values: dict[str, Parameter] = {"filter": {"agent": ["writer"]}, **EVER}
    plan = rows(filled, f"EXPLAIN header = 1 SELECT sum(total) FROM {call('runs_per_day')}", values)
    text = "\n".join(row["explain"] for row in plan)
    assert "agent_name" in text
    for column in ("trigger", "session_id", "input", "tags", "cost_usd", "ended_at"):
        assert column not in text, text


def test_facets(filled: Store) -> None:
    """Values of every field that runs are chosen by, with their numbers."""
    found: dict[str, dict[str, int]] = {}
    for row in ask(filled, "runs_facets", filter={"not_status": ["queued"]}, **EVER):
        found.setdefault(row["facet"], {})[row["value"]] = row["total"]
    assert found.keys() == {"status", "trigger", "agent", "service", "environment", "waiting"}
    assert found["agent"]["writer"] == 2
    assert found["waiting"]["true"] == 2
    assert found["environment"]["prod"] == 1
    assert found["trigger"]["cli"] == 1


def test_tools_and_models_of_runs(filled: Store) -> None:
    """A run counts once for a tool, however often it called it."""
    insert(filled, "tool_calls_data", made_call("t4", "a", 1.5, tool_name="search"))
    tools = ask(filled, "runs_tools", filter={"trigger": ["api", "cli"]}, **EVER)
    assert [(row["value"], row["total"]) for row in tools] == [("search", 2), ("fetch", 1)]
    models = ask(filled, "runs_models", filter={"agent": ["writer"]}, **EVER)
    assert [(row["value"], row["total"]) for row in models] == [("tiny", 1)]


@pytest.mark.parametrize("sort", ["started", "duration", "cost", "tokens"])
@pytest.mark.parametrize("direction", [1, -1])
def test_sorted_pages_are_one_list(filled: Store, sort: str, direction: int) -> None:
    """In every order, pages of one are the same as one page of all."""

    def page(limit: int, after: float, after_id: str) -> list[dict[str, Any]]:
        return ask(
            filled, "runs_sorted", filter={"parent": [""]}, **EVER, sort=sort, direction=direction,
            after_position=after, after_id=after_id, limit=limit,
        )  # fmt: skip

    whole = page(100, float("-inf"), "")
    assert [row["position"] for row in whole] == sorted(row["position"] for row in whole)
    single: list[dict[str, Any]] = []
    while True:
        last = (single[-1]["position"], single[-1]["run_id"]) if single else (float("-inf"), "")
        found = page(1, *last)
        if not found:
            break
        single += found
    assert single == whole


def test_an_unknown_order_is_an_error(filled: Store) -> None:
    """A name that means nothing is not passed over."""
    with pytest.raises(StoreRejected, match="does not know this order"):
        ask(
            filled, "runs_sorted", filter={}, **EVER, sort="colour", direction=1,
            after_position=float("-inf"), after_id="", limit=1,
        )  # fmt: skip


def test_changes_come_in_their_order(filled: Store) -> None:
    """By when a run changed; a run whose heartbeats stopped changed when it was lost."""
    insert(
        filled,
        "runs_data",
        run("n1", 300, version=5_000_000_000_000_002),
        run("n2", 300, version=5_000_000_000_000_002),
    )

    def changed(after_us: int, after_id: str, limit: int = 10) -> list[str]:
        found = ask(filled, "runs_changed", **{"from": "1970-01-01"}, after_us=after_us, after_id=after_id, limit=limit)
        return [row["run_id"] for row in found]

    assert changed(5_000_000_000_000_000, "") == ["n1", "n2"]
    assert changed(5_000_000_000_000_000, "", limit=1) == ["n1"]
    assert changed(5_000_000_000_000_002, "n1") == ["n2"]
    assert changed(5_000_000_000_000_002, "n2") == []
    heartbeat_us = 1_768_478_400_000_000  # noon
    insert(filled, "runs_data", run("n4", 0, None, version=7, heartbeat_interval_ms=1000, last_heartbeat_at=at(10)))
    (lost,) = rows(filled, "SELECT * FROM runs WHERE run_id = 'n4'")
    assert lost["status"] == "lost"
    found = ask(filled, "runs_changed", **{"from": "1970-01-01"}, after_us=8, after_id="", limit=100)
    assert {row["run_id"]: row["changed_us"] for row in found}["n4"] == heartbeat_us + 13_000_000
