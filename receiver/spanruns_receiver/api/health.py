"""`/healthz`: this process answers."""

from __future__ import annotations

from fastapi import APIRouter


def router() -> APIRouter:
    """The route. It does not ask the store: a process is not ill because ClickHouse is away."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    def healthz() -> dict[str, str]:
        """This process answers; whether the store does, `/api/stats` tells."""
        return {"status": "ok"}

    return routes
