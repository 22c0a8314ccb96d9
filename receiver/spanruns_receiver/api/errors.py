"""Errors as JSON: `{"error": kind, "message": text}`, and for a bad parameter also `"parameter": name`."""

from __future__ import annotations

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from spanruns_schema.errors import BadInput, NotFound, Overloaded, SpanrunsError, StoreUnavailable, Unauthenticated
from starlette.exceptions import HTTPException

_log = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0


class BadParameter(BadInput):
    """The value of `parameter` cannot work."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


def install(app: FastAPI) -> None:
    """Answer every error of ours, of the framework and of the store as JSON."""
    app.add_exception_handler(SpanrunsError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def answer(status: int, kind: str, message: str, **more: Any) -> JSONResponse:
    """An error as every route answers it."""
    return JSONResponse({"error": kind, "message": message, **more}, status)


def answer_to(error: SpanrunsError) -> JSONResponse:
    """The one place where an error of ours becomes a status."""
    if isinstance(error, BadParameter):
        return answer(400, "bad_parameter", str(error), parameter=error.parameter)
    if isinstance(error, BadInput):
        return answer(400, "bad_request", str(error))
    if isinstance(error, NotFound):
        return answer(404, "not_found", str(error))
    if isinstance(error, Unauthenticated):
        return answer(401, "unauthenticated", str(error))
    if isinstance(error, Overloaded | StoreUnavailable):
        kind = "overloaded" if isinstance(error, Overloaded) else "store_unavailable"
        response = answer(503, kind, str(error))
        response.headers["Retry-After"] = str(math.ceil(getattr(error, "retry_after_s", RETRY_AFTER_S)))
        return response
    _log.error("a query failed", exc_info=error)
    return answer(500, "internal", "the query failed; the log of the server has the reason")


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SpanrunsError)  # noqa: S101 (it is registered for nothing else)
    return answer_to(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (the same)
    first = error.errors()[0]
    # ("query", "status", 0): where it came from, its name, which of its values.
    place = [part for part in first["loc"][1:] if isinstance(part, str)]
    if not place or first["type"] == "json_invalid":
        return answer(400, "bad_request", f"the body cannot be read: {first['msg']}")
    name = place[0]
    message = "unknown parameter" if first["type"] == "extra_forbidden" else str(first["msg"])
    return answer(400, "bad_parameter", f"{name}: {message}", parameter=name)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 (the same)
    kind = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return JSONResponse({"error": kind, "message": str(error.detail)}, error.status_code, error.headers)
