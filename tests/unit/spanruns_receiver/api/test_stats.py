"""`/api/stats`."""

from __future__ import annotations

from starlette.testclient import TestClient


def test_stats_of_everything(client: TestClient) -> None:
    """Counts, rates and cost of all, and for each trigger and agent, most runs first."""
    answer = client.get("/api/stats").json()
    triggers, agents = answer.pop("by_trigger"), answer.pop("by_agent")
    assert answer == {
        "total": 5, "success": 2, "failed": 1, "cancelled": 1, "running": 0, "queued": 0, "waiting": 1, "lost": 0,
        "success_rate": 2 / 3, "cost_usd": 0.5, "input_tokens": 0, "output_tokens": 0,
        "avg_duration_ms": (2000 + 1000 + 4000 + 1000) / 4, "filters_applied": {},
    }  # fmt: skip
    assert [(row["trigger"], row["total"]) for row in triggers] == [("", 2), ("agent", 1), ("api", 1), ("cli", 1)]
    assert [(row["agent_name"], row["total"], row["success_rate"], row["cost_usd"]) for row in agents] == [
        ("planner", 3, 0.5, 0.5),
        ("na/me", 1, None, None),
        ("writer", 1, 1.0, 0.2),
    ]


def test_stats_of_nothing_are_zero(client: TestClient) -> None:
    """Without runs every count is 0 and what cannot be known is null."""
    answer = client.get("/api/stats", params={"agent": "nobody"}).json()
    assert (answer["total"], answer["success_rate"], answer["cost_usd"], answer["by_agent"]) == (0, None, None, [])
    assert answer["filters_applied"] == {"agent": ["nobody"]}
