"""The application: every route, error answers, documentation."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from spanruns_schema.store import Store

from spanruns_receiver.api import errors, events, facets, health, page, runs, sql, stats
from spanruns_receiver.api.reader import Reader

if TYPE_CHECKING:
    from spanruns_receiver.settings import Settings

DESCRIPTION = """
Runs of agents and jobs, their tool calls and model calls.

Times are ISO 8601 in UTC. Filters can be given more than once (any of the values); `not_…` excludes. A parameter that is
unknown or cannot work is refused with 400, naming it. While the store does not answer, every request is answered with 503
and `Retry-After`.
"""


def create_app(store: Store, settings: Settings | None = None) -> FastAPI:
    """The query API on `store`, ready for an ASGI server."""
    app = FastAPIOffline(
        redoc_url=None,
        title="spanruns",
        version=version("spanruns"),
        description=DESCRIPTION,
        static_url="/docs/assets",
    )
    app.state.settings = settings
    app.state.reader = Reader(store)
    errors.install(app)
    for part in (health, runs, stats, facets, events, sql):
        app.include_router(part.router())
    page.install(app)
    return app
