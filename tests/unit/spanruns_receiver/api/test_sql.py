"""`POST /api/sql`."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


def test_a_query_is_answered_as_a_table(client: TestClient) -> None:
    """Without a format the result is a table to look at."""
    answer = client.post("/api/sql", json={"query": "SELECT count() AS runs FROM runs"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "runs" in answer.text
    assert "│    5 │" in answer.text


@pytest.mark.parametrize(
    ("format", "expected", "media_type"),
    [
        ("CSV", b"1\n", "text/csv; charset=utf-8"),
        ("JSONEachRow", b'{"a":1}\n', "application/x-ndjson"),
        ("RowBinary", b"\x01", "application/octet-stream"),
        ("TSVWithNames", b"a\n1\n", "text/plain; charset=utf-8"),
    ],
)
def test_formats(client: TestClient, format: str, expected: bytes, media_type: str) -> None:
    """ClickHouse's formats by their names."""
    answer = client.post("/api/sql", json={"query": "SELECT 1 AS a", "format": format})
    assert (answer.content, answer.headers["content-type"]) == (expected, media_type)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": "SELECT 1", "format": "NoSuchFormat"}, "format"),
        ({"query": "SELECT 1", "format": "CSV\nx"}, "format"),
        ({"query": "SELECT 1", "database": "default"}, "database"),
    ],
)
def test_a_bad_body_is_refused_by_name(client: TestClient, body: dict[str, str], parameter: str) -> None:
    """The answer names the field."""
    answer = client.post("/api/sql", json=body)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("DROP TABLE runs_data", "only SELECT"),
        ("SELECT file('/etc/hostname')", "file is not possible here"),
        ("SELECT 1 INTO OUTFILE '/tmp/never'", "INTO OUTFILE is not possible here"),
        ("SELECT nope FROM runs", "nope"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT 1 FROM", "Syntax error"),
        ("SELECT throwIf(1)", "throwIf"),
    ],
)
def test_a_query_that_cannot_work_is_explained(client: TestClient, query: str, reason: str) -> None:
    """Refused by the gate or by the engine: 400 with the reason."""
    answer = client.post("/api/sql", json={"query": query})
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert reason in answer.json()["message"]


def test_only_json_is_taken(client: TestClient) -> None:
    """A page of another site could send text without asking the browser; it gets no answer."""
    answer = client.post("/api/sql", content='{"query": "SELECT 1"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 400
    assert client.get("/api/sql").status_code == 405
