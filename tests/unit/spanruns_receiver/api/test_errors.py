"""Every error has a status, and the answer is JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_receiver.api import create_app
from spanruns_receiver.api.errors import BadParameter, answer_to
from spanruns_schema import errors
from spanruns_schema.embedded import EmbeddedStore
from starlette.testclient import TestClient


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


EXPECTED = {
    errors.SpanrunsError: 500,
    errors.ConfigError: 500,
    errors.BadInput: 400,
    errors.Malformed: 400,
    errors.TooLarge: 400,
    BadParameter: 400,
    errors.Overloaded: 503,
    errors.Unauthenticated: 401,
    errors.NotFound: 404,
    errors.StoreError: 500,
    errors.StoreUnavailable: 503,
    errors.StoreRejected: 500,
    errors.SchemaError: 500,
}


def test_every_error_has_a_status() -> None:
    """No error of the tree is without an answer."""
    ours = {
        kind
        for kind in _tree(errors.SpanrunsError)
        if kind.__module__.startswith(("spanruns_schema", "spanruns_receiver.api"))
    }
    assert ours == EXPECTED.keys()
    for kind, status in EXPECTED.items():
        error = BadParameter("limit", "is odd") if kind is BadParameter else kind("it broke")
        assert isinstance(error, errors.SpanrunsError)
        assert answer_to(error).status_code == status, kind


def test_overload_says_when_to_come_back() -> None:
    """Retry-After is in whole seconds, never 0."""
    assert answer_to(errors.Overloaded("busy", retry_after_s=0.2)).headers["retry-after"] == "1"
    assert answer_to(errors.StoreUnavailable("away")).headers["retry-after"] == "1"


@pytest.mark.parametrize("path", ["/api/runs", "/api/runs/a", "/api/runs/a/timeline", "/api/stats"])
def test_a_store_that_is_away(tmp_path: Path, path: str) -> None:
    """503 with Retry-After; the process itself is well."""
    store = EmbeddedStore(tmp_path / "store")
    client = TestClient(create_app(store))
    store.close()
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert client.post("/api/sql", json={"query": "SELECT 1"}).status_code == 503
    assert client.get("/healthz").json() == {"status": "ok"}


def test_an_unknown_path_is_json(client: TestClient) -> None:
    """Errors of the framework look like ours."""
    answer = client.get("/api/nothing")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    answer = client.delete("/api/stats")
    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
