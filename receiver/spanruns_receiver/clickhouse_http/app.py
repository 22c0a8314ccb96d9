"""The application: one statement in, one result out."""

from __future__ import annotations

import gzip
import logging
import uuid
import zlib
from typing import TYPE_CHECKING

from spanruns_schema import gate
from spanruns_schema.engine import UNKNOWN_DATABASE, UNKNOWN_TABLE
from spanruns_schema.errors import BadInput, Overloaded, SpanrunsError, StoreError, TooLarge
from spanruns_schema.store import Store
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanruns_receiver.clickhouse_http.asked import Asked, parse
from spanruns_receiver.clickhouse_http.wire import DISPLAY_NAME, hello, is_hello
from spanruns_receiver.turns import Turns

if TYPE_CHECKING:
    from spanruns_receiver.settings import Settings

_log = logging.getLogger(__name__)

# Queries at a time; a dashboard asks with all its panels at once, so the next ones wait for a place.
MAX_QUERIES = 4
MAX_WAIT_S = 30.0
MAX_BODY_BYTES = 4 * 2**20

READONLY, TOO_MANY_QUERIES, LOGICAL_ERROR = 164, 202, 49
STATUS_OF_CODE = {UNKNOWN_TABLE: 404, UNKNOWN_DATABASE: 404, 46: 404, 62: 400, TOO_MANY_QUERIES: 503}


class Refused(Exception):
    """An answer that is an error, as ClickHouse numbers them."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or STATUS_OF_CODE.get(code, 500)


def create_app(store: Store, settings: Settings | None = None) -> Starlette:
    """ClickHouse's HTTP interface on `store`, ready for an ASGI server."""
    endpoint = Endpoint(store)
    return Starlette(
        routes=[
            Route("/ping", _ok, methods=["GET", "HEAD"]),
            Route("/replicas_status", _ok, methods=["GET", "HEAD"]),
            Route("/{path:path}", endpoint.answer, methods=["GET", "HEAD", "POST"]),
        ]
    )


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("Ok.\n")


class Endpoint:
    """Answers statements, a bounded number at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = Turns(MAX_QUERIES, MAX_WAIT_S)
        self._version = ""

    async def answer(self, request: Request) -> Response:
        """The answer to any request that is no ping."""
        asked = None
        try:
            body = await _body(request)
            asked = parse(request.url.query, request.headers, body)
            if not asked.sql:
                return await _ok(request)
            result = await run_in_threadpool(self._result, asked)
        except Refused as error:
            return _refusal(error, asked)
        except BadInput as error:
            return _refusal(_refused(error), asked)
        return _response(result, asked, 200, {})

    def _result(self, asked: Asked) -> bytes:
        if asked.database not in ("", "default", self._store.database):
            raise Refused(UNKNOWN_DATABASE, f"Database {asked.database} does not exist. (UNKNOWN_DATABASE)")
        try:
            with self._turns.take():
                if asked.native_protocol and is_hello(asked.sql):
                    return hello(self._engine_version())
                return gate.answer(
                    self._store,
                    asked.sql,
                    asked.parameters,
                    format=asked.format,
                    limits=gate.narrowed(gate.LIMITS, asked.settings),
                )
        except SpanrunsError as error:
            raise _refused(error) from error

    def _engine_version(self) -> str:
        if not self._version:
            self._version = self._store.query("SELECT version()", format="TSVRaw").decode().strip()
        return self._version


def _refused(error: SpanrunsError) -> Refused:
    """What the gate or the store says, with the engine's own number if it has one."""
    cause = error if isinstance(error, StoreError) else error.__cause__
    if isinstance(cause, StoreError) and cause.code:
        return Refused(cause.code, str(error))
    if isinstance(error, TooLarge):
        return Refused(READONLY, str(error), 413)
    if isinstance(error, BadInput):
        return Refused(READONLY, f"{error}. (READONLY)", 400)
    if isinstance(error, Overloaded):
        return Refused(TOO_MANY_QUERIES, "Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)")
    if isinstance(error, StoreError):
        return Refused(TOO_MANY_QUERIES, f"{error}. (NETWORK_ERROR)", 503)
    _log.error("a query failed", exc_info=error)
    return Refused(LOGICAL_ERROR, "The query failed. (LOGICAL_ERROR)")


def _refusal(error: Refused, asked: Asked | None) -> Response:
    text = str(error)
    if not text.startswith("Code: "):
        text = f"Code: {error.code}. DB::Exception: {text}"
    headers = {"X-ClickHouse-Exception-Code": str(error.code)}
    if error.status == 503:
        headers["Retry-After"] = "1"
    return _response(text.encode() + b"\n", asked, error.status, headers)


def _response(body: bytes, asked: Asked | None, status: int, headers: dict[str, str]) -> Response:
    headers |= {
        "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
        "X-ClickHouse-Query-Id": (asked.query_id if asked else "") or str(uuid.uuid4()),
        "X-ClickHouse-Format": asked.format if asked and status == 200 else "TabSeparated",
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Summary": "{}",
        "Content-Type": "text/plain; charset=UTF-8",
    }
    if asked and asked.compress:
        # A client that asks for ClickHouse's own compressed blocks takes this instead.
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the request is larger than {MAX_BODY_BYTES} bytes")
    if request.headers.get("content-encoding") == "gzip":
        return _decompressed(body)
    return body


def _decompressed(body: bytes) -> bytes:
    try:
        decompressor = zlib.decompressobj(wbits=31)
        data = decompressor.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise BadInput("the body is not gzip") from error
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"the request is larger than {MAX_BODY_BYTES} bytes")
    return data
