"""`/api/facets` and `/api/histogram`."""

from __future__ import annotations

import pytest
from spanruns_receiver.api.facets import _step
from starlette.testclient import TestClient


def counts(client: TestClient, facet: str, **query: str) -> dict[str, int]:
    """Values of one facet and their counts, in the order given."""
    answer = client.get("/api/facets", params=query).json()
    return {row["value"]: row["count"] for row in answer["facets"][facet]}


@pytest.mark.parametrize(
    ("facet", "expected"),
    [
        ("status", {"success": 2, "cancelled": 1, "failed": 1, "waiting": 1}),
        ("trigger", {"": 2, "agent": 1, "api": 1, "cli": 1}),
        ("agent", {"planner": 3, "na/me": 1, "writer": 1}),
        ("service", {"shop": 5}),
        ("environment", {"": 5}),
        ("waiting", {"false": 4, "true": 1}),
        ("tool", {"search": 1}),
        ("model", {"gpt-x": 1}),
    ],
)
def test_facets_of_everything(client: TestClient, facet: str, expected: dict[str, int]) -> None:
    """Each value with its number of runs, most first."""
    found = counts(client, facet)
    assert list(found.items()) == list(expected.items())


def test_facets_follow_the_filter(client: TestClient) -> None:
    """Counts are of the runs that the filter finds."""
    assert counts(client, "status", agent="planner") == {"failed": 1, "success": 1, "waiting": 1}
    assert counts(client, "tool", agent="writer") == {}


def test_a_facet_is_not_narrowed_by_itself(client: TestClient) -> None:
    """What is chosen in a facet leaves its other values to choose, and narrows the other facets."""
    assert counts(client, "agent", agent="writer", status="success") == {"planner": 1, "writer": 1}
    assert counts(client, "trigger", agent="writer", status="success") == {"agent": 1}
    assert counts(client, "waiting", was_waiting="true") == {"false": 4, "true": 1}


def test_a_histogram(client: TestClient) -> None:
    """Starts in each interval by status, intervals without any left out."""
    query: dict[str, str | int] = {"from": "2026-01-15T12:00:00Z", "to": "2026-01-15T13:00:00Z", "buckets": 60}
    nothing = {"success": 0, "failed": 0, "cancelled": 0, "running": 0, "queued": 0, "waiting": 0, "lost": 0}
    assert client.get("/api/histogram", params=query).json() == {
        "from": "2026-01-15T12:00:00Z",
        "to": "2026-01-15T13:00:00Z",
        "step_s": 60,
        "buckets": [
            {"time": "2026-01-15T12:00:00Z", **nothing, "success": 2},
            {"time": "2026-01-15T12:01:00Z", **nothing, "failed": 1},
            {"time": "2026-01-15T12:02:00Z", **nothing, "cancelled": 1},
        ],
        "filters_applied": {"from": "2026-01-15T12:00:00Z", "to": "2026-01-15T13:00:00Z"},
    }


def test_a_histogram_without_a_period_covers_the_days_with_runs(client: TestClient) -> None:
    """From the first day to the end of the last one that the filter finds anything on."""
    answer = client.get("/api/histogram", params={"status": ["waiting", "failed"]}).json()
    assert (answer["from"], answer["to"], answer["step_s"]) == ("2026-01-15T00:00:00Z", "2026-01-17T00:00:00Z", 3600)
    assert [bucket["time"] for bucket in answer["buckets"]] == ["2026-01-15T12:00:00Z", "2026-01-16T12:00:00Z"]
    assert client.get("/api/histogram", params={"agent": "nobody"}).json()["buckets"] == []


@pytest.mark.parametrize(
    ("seconds", "buckets", "expected"),
    [(0, 60, 1), (60, 60, 1), (61, 60, 5), (86400, 60, 1800), (86400, 1, 86400), (1e9, 1, 365 * 86400)],
)
def test_steps_are_readable(seconds: float, buckets: int, expected: int) -> None:
    """The finest interval of those people read easily that gives few enough of them."""
    assert _step(seconds, buckets) == expected


@pytest.mark.parametrize(("path", "parameter"), [("facets?limit=3", "limit"), ("histogram?buckets=0", "buckets")])
def test_bad_parameters(client: TestClient, path: str, parameter: str) -> None:
    """As everywhere: refused by name."""
    answer = client.get(f"/api/{path}")
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
