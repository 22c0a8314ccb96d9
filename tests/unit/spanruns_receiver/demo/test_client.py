"""The API's client, against a real HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from spanruns_receiver.demo.client import Api, Unanswered
from spanruns_receiver.serve import WebServer, listen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route


async def _runs(request: Request) -> JSONResponse:
    return JSONResponse({"runs": [dict(request.query_params)]})


async def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers with the parameters it was given."""
    app = Starlette(routes=[Route("/api/runs", _runs), Route("/healthz", _health)])
    server = WebServer(app, listen("127.0.0.1", 0, "api_port"), "api")
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1)


def test_runs_since(url: str) -> None:
    """Runs are asked for from a time on, as many as there may be."""
    since = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert Api(url + "/").runs(since) == [{"from": "2026-03-01T10:00:00+00:00", "limit": "200"}]


def test_is_there(url: str) -> None:
    """Whether something answers."""
    assert Api(url).is_there()
    assert not Api("http://127.0.0.1:1").is_there()


def test_unanswered(url: str) -> None:
    """A refusal is told with its status and what was said."""
    with pytest.raises(Unanswered, match=r"/nothing answered 404: Not Found"):
        Api(url).get("/nothing")
