"""`/api/runs` and what is below it."""

from __future__ import annotations

from typing import Any

import pytest
from spanruns_schema.dialects.rules import MODALITIES
from starlette.testclient import TestClient


def ids(answer: dict[str, Any]) -> list[str]:
    """The run ids of a page."""
    return [run["run_id"] for run in answer["runs"]]


def test_a_page_of_runs(client: TestClient) -> None:
    """Newest first, with the whole count and no further page."""
    answer = client.get("/api/runs").json()
    assert ids(answer) == ["d", "c", "b/c d?", "a.1", "a"]
    assert {name: value for name, value in answer.items() if name != "runs"} == {
        "total_count": 5,
        "has_more": False,
        "next_cursor": None,
        "filters_applied": {},
    }


def test_a_run_of_a_page(client: TestClient) -> None:
    """Every column under its own name, times in UTC, no contents."""
    (run,) = client.get("/api/runs", params={"agent": "na/me"}).json()["runs"]
    assert run == {
        "run_id": "c", "parent_run_id": "", "root_run_id": "c", "trace_id": "trace-c", "span_id": "span-c", "kind": "job",
        "agent_name": "na/me", "agent_id": "", "agent_version": "", "service_name": "shop", "environment": "",
        "workspace": "", "trigger": "", "trigger_detail": "", "status": "cancelled", "queued_at": None,
        "started_at": "2026-01-15T12:02:00.250000Z", "ended_at": "2026-01-15T12:02:01.250000Z", "queue_ms": None,
        "waiting_ms": 0.0, "duration_ms": 1000.0, "total_ms": 1000.0, "session_id": "", "user_id": "", "tags": [],
        "error_type": "", "error_class": "", "error_fingerprint": "", "tool_call_count": 0, "tool_error_count": 0,
        "model_call_count": 0, "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
        "reasoning_tokens": 0, "cost_usd": None, "rows_processed": None, "progress_done": None, "progress_total": None,
        "dry_run": False, "sla_ms": None, "last_heartbeat_at": None, "waiting_since": None, "waiting_for": "",
        "message": "",
    }  # fmt: skip


def test_messages_are_cut(client: TestClient) -> None:
    """A list has at most 200 characters of an error."""
    runs = client.get("/api/runs", params={"status": ["failed", "waiting"]}).json()["runs"]
    assert [run["message"] for run in runs] == ["waiting for Ann", "x" * 200]


def test_pages_follow_their_cursor(client: TestClient) -> None:
    """Each page says where the next begins, until there is none."""
    found: list[str] = []
    parameters: dict[str, str | int] = {"limit": 2}
    for _ in range(3):
        answer = client.get("/api/runs", params=parameters).json()
        found += ids(answer)
        assert answer["total_count"] == 5
        assert answer["has_more"] == (answer["next_cursor"] is not None)
        parameters["cursor"] = answer["next_cursor"] or ""
    assert found == ["d", "c", "b/c d?", "a.1", "a"]
    assert answer["has_more"] is False


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("started", "asc", ["a", "a.1", "b/c d?", "c", "d"]),
        ("duration", "desc", ["b/c d?", "a", "a.1", "c", "d"]),
        ("duration", "asc", ["d", "a.1", "c", "a", "b/c d?"]),
        ("cost", "desc", ["a", "a.1", "b/c d?", "c", "d"]),
        ("tokens", "asc", ["a", "a.1", "b/c d?", "c", "d"]),
    ],
)
def test_other_orders(client: TestClient, sort: str, order: str, expected: list[str]) -> None:
    """Every order, both ways, page by page; runs that are equal come by their id."""
    found: list[str] = []
    parameters: dict[str, str | int] = {"sort": sort, "order": order, "limit": 2}
    while True:
        answer = client.get("/api/runs", params=parameters).json()
        assert answer["total_count"] == 5
        found += ids(answer)
        if not answer["has_more"]:
            break
        parameters["cursor"] = answer["next_cursor"]
    assert found == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("agent=planner&agent=writer&status=success", ["a.1", "a"]),
        ("not_agent=planner", ["c", "a.1"]),
        ("trigger=cli&trigger=api", ["b/c d?", "a"]),
        ("from=2026-01-15T12:00:01Z&to=2026-01-15T12:02:00.25Z", ["b/c d?", "a.1"]),
        ("from=2026-01-15T13:00:01+01:00&to=2026-01-16", ["c", "b/c d?", "a.1"]),
        ("tool=search&has_error=false&root_only=true&tag=red", ["a"]),
        ("min_duration_ms=2000&max_duration_ms=4000", ["b/c d?", "a"]),
        ("agent=%27%20OR%201=1--", []),
    ],
)
def test_filters(client: TestClient, query: str, expected: list[str]) -> None:
    """Filters are repeatable and negatable."""
    answer = client.get(f"/api/runs?{query}").json()
    assert (ids(answer), answer["total_count"]) == (expected, len(expected))


def test_an_answer_says_which_filters_it_has(client: TestClient) -> None:
    """Filters come back as they were understood."""
    query = {
        "agent": "planner",
        "not_status": ["lost", "queued"],
        "from": "2026-01-15T13:00:00+01:00",
        "has_error": "no",
    }
    assert client.get("/api/runs", params=query).json()["filters_applied"] == {
        "agent": ["planner"],
        "not_status": ["lost", "queued"],
        "has_error": False,
        "from": "2026-01-15T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("sort=cost&cursor=nonsense", "cursor"),
        ("sort=colour", "sort"),
        ("order=up", "order"),
        ("status=done", "status"),
        ("status=success&status=", "status"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from_=2026-01-02", "from_"),
        ("min_duration_ms=-1", "min_duration_ms"),
        ("max_cost_usd=nan", "max_cost_usd"),
        ("max_cost_usd=inf", "max_cost_usd"),
        ("has_error=maybe", "has_error"),
        ("agnet=planner", "agnet"),
        ("search=" + "x" * 1001, "search"),
        ("&".join(f"tag={n}" for n in range(101)), "tag"),
    ],
)
def test_a_bad_parameter_is_named(client: TestClient, query: str, parameter: str) -> None:
    """What is unknown or cannot work is refused with its name."""
    answer = client.get(f"/api/runs?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    body = answer.json()
    assert (body["error"], body["parameter"]) == ("bad_parameter", parameter)
    assert body["message"].startswith(f"{parameter}: ")


def test_one_run(client: TestClient) -> None:
    """Contents, and the runs that it started."""
    run = client.get("/api/runs/a").json()
    assert {name: run[name] for name in ("status", "parameters", "input", "input_size", "cost_usd", "tags")} == {
        "status": "success",
        "parameters": '{"n":1}',
        "input": "What?",
        "input_size": 5,
        "cost_usd": 0.5,
        "tags": ["red"],
    }
    assert [(sub["run_id"], sub["agent_name"], sub["started_at"]) for sub in run["sub_runs"]] == [
        ("a.1", "writer", "2026-01-15T12:00:01Z")
    ]
    claims = ("reported_cost_usd", "usage_mismatch", "unpriced_call_count")
    assert [run[name] for name in claims] == [0.9, True, 2]
    other = client.get("/api/runs/c").json()
    assert [other[name] for name in claims] == [None, False, 0]


def test_a_run_id_can_have_any_characters(client: TestClient) -> None:
    """Escaped as a URL needs it, an id with slashes, spaces and question marks is found."""
    assert client.get("/api/runs/b%2Fc%20d%3F").json()["error_message"] == "x" * 300
    assert client.get("/api/runs/b%2Fc%20d%3F/tool-calls").json()["tool_calls"] == []


@pytest.mark.parametrize("below", ["", "/tool-calls", "/model-calls", "/timeline"])
def test_a_run_that_is_not_there(client: TestClient, below: str) -> None:
    """404 as JSON, naming the run."""
    answer = client.get(f"/api/runs/nobody{below}")
    assert answer.status_code == 404
    assert answer.json() == {"error": "not_found", "message": "there is no run 'nobody'"}


def test_tool_calls_of_a_run(client: TestClient) -> None:
    """In the order of their start, a part of them at a time if wanted."""
    whole = client.get("/api/runs/a/tool-calls").json()
    assert ([call["span_id"] for call in whole["tool_calls"]], whole["total_count"], whole["has_more"]) == (
        ["t0", "t1", "t2", "t3", "t4"],
        5,
        False,
    )
    assert whole["tool_calls"][1]["started_at"] == "2026-01-15T12:00:00.100000Z"
    part = client.get("/api/runs/a/tool-calls", params={"limit": 2, "offset": 1}).json()
    assert ([call["span_id"] for call in part["tool_calls"]], part["total_count"], part["has_more"]) == (
        ["t1", "t2"],
        5,
        True,
    )


def test_model_calls_of_a_run(client: TestClient) -> None:
    """The same for models."""
    answer = client.get("/api/runs/a/model-calls").json()
    (call,) = answer["model_calls"]
    assert [call[name] for name in ("model", "input_tokens", "cost_usd", "cost_source")] == ["gpt-x", 60, 0.3, "prices"]
    modalities = {name: call[name] for name in call if name.startswith(("audio_", "image_"))}
    assert modalities == dict.fromkeys(MODALITIES, 0) | {"audio_input_tokens": 40}
    assert client.get("/api/runs/c/model-calls").json() == {"model_calls": [], "total_count": 0, "has_more": False}


def test_a_timeline_is_a_tree(client: TestClient) -> None:
    """Spans of the run's trace, nested, with what they are; a span whose parent never came is a root."""
    answer = client.get("/api/runs/a/timeline").json()
    assert {name: answer[name] for name in ("run_id", "trace_id", "span_id", "span_count", "truncated")} == {
        "run_id": "a",
        "trace_id": "trace-a",
        "span_id": "span-a",
        "span_count": 4,
        "truncated": False,
    }
    root, orphan = answer["spans"]
    (tool,) = root["children"]
    (deeper,) = tool["children"]
    assert [(s["span_id"], s["type"], s["label"], s["depth"]) for s in (root, tool, deeper, orphan)] == [
        ("span-a", "run", "planner", 0),
        ("t0", "tool", "search", 1),
        ("deeper", "", "", 2),
        ("orphan", "", "", 0),
    ]
    assert (tool["started_at"], tool["duration_ms"], root["status"]) == ("2026-01-15T12:00:00.100000Z", 1000.0, "ok")


def test_a_long_timeline_is_cut(client: TestClient) -> None:
    """A trace with more spans than asked for says so."""
    answer = client.get("/api/runs/a/timeline", params={"limit": 2}).json()
    assert (answer["span_count"], answer["truncated"]) == (2, True)


def test_runs_of_an_agent(client: TestClient) -> None:
    """The last runs of one agent, whatever its name is made of."""
    answer = client.get("/api/agents/planner/runs", params={"limit": 2}).json()
    assert (ids(answer), answer["total_count"], answer["has_more"]) == (["d", "b/c d?"], 3, True)
    assert ids(client.get("/api/agents/na%2Fme/runs").json()) == ["c"]
    assert ids(client.get("/api/agents/nobody/runs").json()) == []


@pytest.mark.parametrize("path", ["/api/runs/a", "/api/runs/a/timeline", "/api/agents/planner/runs", "/api/stats"])
def test_an_unknown_parameter_is_refused_everywhere(client: TestClient, path: str) -> None:
    """A misspelt parameter is not passed over by any route."""
    answer = client.get(path, params={"limti": 5})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "limti")
