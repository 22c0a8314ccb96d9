"""The documentation that the application makes of itself."""

from __future__ import annotations

import re

from starlette.testclient import TestClient


def test_the_documentation_needs_no_network(client: TestClient) -> None:
    """Everything that the page of the documentation loads comes from here."""
    page = client.get("/docs").text
    loaded = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page)
    assert loaded
    for address in loaded:
        assert address.startswith("/"), address
        assert client.get(address).status_code == 200, address


def test_every_route_is_documented(client: TestClient) -> None:
    """Paths and parameters are in the OpenAPI document, with what they mean."""
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/healthz",
        "/api/runs",
        "/api/runs/{run_id}",
        "/api/runs/{run_id}/tool-calls",
        "/api/runs/{run_id}/model-calls",
        "/api/runs/{run_id}/timeline",
        "/api/agents/{agent_name}/runs",
        "/api/stats",
        "/api/facets",
        "/api/histogram",
        "/api/events",
        "/api/changes",
        "/api/sql",
    }
    names = {parameter["name"] for parameter in document["paths"]["/api/runs"]["get"]["parameters"]}
    assert {"agent", "not_agent", "status", "trigger", "from", "to", "limit", "cursor", "search"} <= names
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["description"], path
