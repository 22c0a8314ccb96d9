"""A small endpoint that speaks Anthropic's messages API, streams included; `fail-<status>` models are refused, `slow-…` ones take their time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S = 2.0
USAGE = {"input_tokens": 11, "output_tokens": 4}


def message(model: str, text: str) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "end_turn" if text else None,
        "stop_sequence": None,
        "usage": USAGE,
    }


def events(model: str, text: str) -> Iterator[dict[str, Any]]:
    """The same answer as a stream."""
    yield {"type": "message_start", "message": message(model, "")}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in text.split(" "):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 4},
    }
    yield {"type": "message_stop"}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body["model"]
        if model.startswith("slow-"):
            time.sleep(SLOW_S)
        if model.startswith("fail-"):
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            self._answer(int(model.removeprefix("fail-")), "application/json", json.dumps(error))
        elif body.get("stream"):
            stream = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(model, "you said hi"))
            self._answer(200, "text/event-stream", stream)
        else:
            self._answer(200, "application/json", json.dumps(message(model, "you said hi")))

    def _answer(self, status: int, content_type: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that did not wait is part of the tests."""


@contextmanager
def running_fake_anthropic() -> Iterator[str]:
    """Serve it on a free port; gives the base URL for clients."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
