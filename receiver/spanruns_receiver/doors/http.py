"""OTLP over HTTP: a raw ASGI application for the three signals, health and metrics."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from spanruns_schema.errors import NotFound, Overloaded, SpanrunsError, TooLarge

from spanruns_receiver.admit import Admission
from spanruns_receiver.decode.otlp_json import to_protobuf
from spanruns_receiver.doors.auth import BearerTokens
from spanruns_receiver.doors.body import decoder_of, read_body
from spanruns_receiver.doors.status import NotOtlp, message_of, retry_after_s, rpc_status, status_of
from spanruns_receiver.health import CONTENT_TYPE, Health
from spanruns_receiver.memory import MemoryShare
from spanruns_receiver.settings import Settings
from spanruns_receiver.signals import NAMES, ExportResult, Signal, response
from spanruns_receiver.spool import can_be_alone

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

# A request with this header is stored even if it was stored before: how dead letters are sent again. Its value may name the
# only table to store it in.
AGAIN = "spanruns-again"

_SIGNALS: dict[str, Signal] = {names.http_path: signal for signal, names in NAMES.items()}

# Parsing JSON in Python takes about this many times its size in memory.
_JSON_MEMORY_FACTOR = 8
# Requests that wait for a thread; beyond, clients are told to retry.
_WAITING_PER_THREAD = 8
# A refused body is read to its end (up to this many times the limit), or the client would see a broken
# connection instead of the answer.
_DISCARD_FACTOR = 4


class _DisconnectedError(Exception):
    """The client went away."""


class _Body:
    """What is left of a request's body."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True
        self.is_begun = False

    async def chunks(self) -> AsyncIterator[bytes]:
        while self._more:
            self.is_begun = True
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            self._more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    content_type: str
    body: bytes
    headers: Iterable[tuple[str, str]] = ()


class HttpDoor:
    """The ASGI application. Bodies are read in the event loop, requests are handled in `door_threads`
    threads.
    """

    def __init__(self, admission: Admission, health: Health, settings: Settings) -> None:
        self._admission = admission
        self._health = health
        self._tokens = BearerTokens(settings.ingest_tokens)
        self._body_timeout_s = settings.body_timeout_s
        self._pool = ThreadPoolExecutor(settings.door_threads, "http-door")
        self._inside = 0
        self._most_inside = settings.door_threads * (1 + _WAITING_PER_THREAD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        try:
            answer = await self._answer(scope, _Body(receive))
        except _DisconnectedError:
            return
        head = [("content-type", answer.content_type), ("content-length", str(len(answer.body)))]
        headers = [(k.encode(), v.encode("latin-1", "replace")) for k, v in [*head, *answer.headers]]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, scope: Scope, body: _Body) -> Answer:
        path, method = _path(scope["path"]), scope["method"]
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if path in ("/healthz", "/readyz", "/metrics"):
            return self._told(path) if method in ("GET", "HEAD") else _refusal(_not_allowed("GET"), TEXT)
        content_type = _content_type(headers)
        try:
            signal = _SIGNALS.get(path)
            if signal is None:
                raise NotFound(f"there is no {path} here; OTLP goes to {', '.join(_SIGNALS)}")
            if method != "POST":
                raise _not_allowed("POST")
            self._tokens.check(headers.get("authorization"))
            if content_type == TEXT:
                raise NotOtlp(f"send {PROTOBUF} or {JSON}, not {headers.get('content-type')!r}", 415)
            with self._admission.memory.share() as memory:
                payload = await self._read(headers, body, memory)
                result = await self._handled(self._export, signal, payload, content_type, headers.get(AGAIN), memory)
        except _DisconnectedError:
            raise
        except Exception as error:
            self._admission.refused("http", error)
            answer = _refusal(error, content_type)
            if headers.get("expect", "").lower() == "100-continue" and not body.is_begun:
                return replace(
                    answer, headers=[*answer.headers, ("connection", "close")]
                )  # it need not send its body at all
            await self._discard(body)
            return answer
        return Answer(200, content_type, _rendered(response(signal, result), content_type))

    async def _read(self, headers: dict[str, str], body: _Body, memory: MemoryShare) -> bytes:
        limit = self._admission.max_request_bytes
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(f"the body has {length} bytes, the limit is {limit}")
        decoder = decoder_of(headers.get("content-encoding", ""))
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await read_body(body.chunks(), decoder, limit, memory)
        except TimeoutError as error:
            raise NotOtlp(f"the body did not come within {self._body_timeout_s} s", 408) from error

    async def _handled(self, work: Callable[..., ExportResult], *args: object) -> ExportResult:
        if self._inside >= self._most_inside:
            raise Overloaded(f"{self._inside} requests are being handled")
        self._inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, work, *args)
        finally:
            self._inside -= 1

    def _export(
        self, signal: Signal, body: bytes, content_type: str, again: str | None, memory: MemoryShare
    ) -> ExportResult:
        if content_type == JSON:
            parsed_bytes = len(body) * _JSON_MEMORY_FACTOR
            memory.take(parsed_bytes)
            body = to_protobuf(signal, body)
            memory.give(parsed_bytes)
        table = again if again and can_be_alone(signal, again) else ""
        return self._admission.export(signal, body, door="http", again=again is not None, table=table)

    async def _discard(self, body: _Body) -> None:
        left = self._admission.max_request_bytes * _DISCARD_FACTOR
        try:
            async with asyncio.timeout(self._body_timeout_s):
                async for chunk in body.chunks():
                    left -= len(chunk)
                    if left < 0:
                        return
        except TimeoutError:
            return

    def _told(self, path: str) -> Answer:
        if path == "/metrics":
            return Answer(200, CONTENT_TYPE, self._health.prometheus_text())
        if path == "/healthz":
            return Answer(200, JSON, b'{"status":"ok"}')
        refusals = self._health.refusals()
        body = json.dumps({"status": "refusing" if refusals else "ready", "refusals": refusals}).encode()
        return Answer(503 if refusals else 200, JSON, body)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing is to be done when the server starts and stops, but it wants to be answered."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def _path(target: str) -> str:
    """The path of a request's target, which may be a whole URL (RFC 9112, 3.2.2: a server must take it)."""
    if target.startswith("/"):
        return target
    _, is_url, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if is_url else target


def _content_type(headers: dict[str, str]) -> str:
    """The content type of the answer, which is the request's own, or text when that is not OTLP's."""
    match headers.get("content-type", "").partition(";")[0].strip().lower():
        case "application/x-protobuf" | "application/protobuf":
            return PROTOBUF
        case "application/json":
            return JSON
    return TEXT


def _not_allowed(allowed: str) -> NotOtlp:
    return NotOtlp(f"use {allowed} here", 405, [("allow", allowed)])


def _refusal(error: Exception, content_type: str) -> Answer:
    if not isinstance(error, SpanrunsError):
        _log.error("an HTTP request failed", exc_info=error)
    headers = list(error.headers) if isinstance(error, NotOtlp) else []
    delay_s = retry_after_s(error)
    if delay_s is not None:
        headers.append(("retry-after", str(max(1, math.ceil(delay_s)))))
    status = status_of(error).http
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    if content_type == TEXT:
        return Answer(status, TEXT, message_of(error).encode(), headers)
    return Answer(status, content_type, _rendered(rpc_status(error), content_type), headers)


def _rendered(message: Message, content_type: str) -> bytes:
    if content_type == JSON:
        return MessageToJson(message, indent=None).encode()
    return message.SerializeToString()
