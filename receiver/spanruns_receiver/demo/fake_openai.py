"""A small endpoint that speaks OpenAI's HTTP API offline: responses, chat completions and embeddings, streams included.

It needs no key. Point a client at it with `OPENAI_BASE_URL`. What it answers is in `fake_answers`; a model named
`fail-429` (or any other status) is refused with that status.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from spanruns_receiver.demo import fake_wire
from spanruns_receiver.demo.fake_answers import Answer, Conversation, answer, failure
from spanruns_receiver.serve import WebServer, listen


class FakeOpenAI:
    """The application; every answer takes `delay_s`."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._numbers = itertools.count(1)
        self.app = Starlette(
            routes=[
                Route("/v1/responses", self._responses, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
            ]
        )

    async def _responses(self, request: Request) -> Response:
        return await self._answer(request, fake_wire.from_responses, fake_wire.response_body, fake_wire.response_events)

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, fake_wire.from_chat, fake_wire.chat_body, fake_wire.chat_events)

    async def _embeddings(self, request: Request) -> Response:
        return JSONResponse(fake_wire.embeddings_body(await request.json()))

    async def _answer(
        self,
        request: Request,
        read: Callable[[Mapping[str, Any]], Conversation],
        whole: Callable[[Answer, str, int], dict[str, Any]],
        events: Callable[[Answer, str, int], Iterator[str]],
    ) -> Response:
        body = await request.json()
        conversation = read(body)
        await asyncio.sleep(self._delay_s)
        status = failure(conversation.model)
        if status is not None:
            return JSONResponse(fake_wire.error_body(status), status)
        said = (answer(conversation), conversation.model, next(self._numbers))
        if body.get("stream"):
            return StreamingResponse(events(*said), media_type="text/event-stream")
        return JSONResponse(whole(*said))


@contextmanager
def running_fake_openai(delay_s: float = 0.0) -> Iterator[str]:
    """Serve it on a free port of this machine; gives the base URL for clients (`http://127.0.0.1:<port>/v1`)."""
    server = WebServer(FakeOpenAI(delay_s).app, listen("127.0.0.1", 0, "fake_openai_port"), "fake-openai")
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}/v1"
    finally:
        server.stop(1)
