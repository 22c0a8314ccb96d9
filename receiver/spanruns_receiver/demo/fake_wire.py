"""The shapes of OpenAI's HTTP API: requests to conversations, answers to bodies and to server-sent events."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spanruns_receiver.demo.fake_answers import Answer, Conversation, Tool

Json = dict[str, Any]


def from_chat(body: Mapping[str, Any]) -> Conversation:
    """A request to /v1/chat/completions."""
    messages = body.get("messages", ())
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    texts = [(message.get("role"), _text(message.get("content"))) for message in messages]
    return Conversation(
        model=body.get("model", ""),
        prompt=_last(text for role, text in texts if role == "user"),
        texts=[text for _, text in texts],
        tools=[
            Tool(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools") or ()
        ],
        called=[call["function"]["name"] for call in calls],
        results=[text for role, text in texts if role == "tool"],
    )


def from_responses(body: Mapping[str, Any]) -> Conversation:
    """A request to /v1/responses."""
    given = body.get("input", "")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said = [(item["role"], _text(item.get("content"))) for item in items if "role" in item]
    results = [_text(item.get("output")) for item in items if item.get("type") == "function_call_output"]
    return Conversation(
        model=body.get("model", ""),
        prompt=_last(text for role, text in said if role == "user"),
        texts=[_text(body.get("instructions")), *(text for _, text in said), *results],
        tools=[
            Tool(tool["name"], tool.get("parameters") or {})
            for tool in body.get("tools") or ()
            if tool.get("type") == "function"
        ],
        called=[item["name"] for item in items if item.get("type") == "function_call"],
        results=results,
    )


def chat_body(answer: Answer, model: str, number: int) -> Json:
    """The answer of /v1/chat/completions."""
    message: Json = {"role": "assistant", "content": answer.text or None}
    if answer.tool:
        message["tool_calls"] = [_chat_call(answer, number)]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if answer.tool else "stop"}],
        "usage": _chat_usage(answer),
    }


def chat_events(answer: Answer, model: str, number: int) -> Iterator[str]:
    """The same as a stream, with the usage in the last chunk."""

    def chunk(**more: Any) -> str:
        head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": model}
        return f"data: {json.dumps({**head, **more})}\n\n"

    deltas: list[Json] = [{"role": "assistant", "content": word} for word in _words(answer.text)]
    if answer.tool:
        deltas = [{"role": "assistant", "tool_calls": [{"index": 0, **_chat_call(answer, number)}]}]
    for delta in deltas:
        yield chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    reason = "tool_calls" if answer.tool else "stop"
    yield chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
    yield chunk(choices=[], usage=_chat_usage(answer))
    yield "data: [DONE]\n\n"


def response_body(answer: Answer, model: str, number: int) -> Json:
    """The answer of /v1/responses."""
    return _response(answer, model, number, "completed", [_item(answer, number)])


def response_events(answer: Answer, model: str, number: int) -> Iterator[str]:
    """The same as a stream."""
    item = _item(answer, number)
    place = {"item_id": item["id"], "output_index": 0}
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": _response(answer, model, number, "in_progress", [])}),
        ("response.output_item.added", {"output_index": 0, "item": _empty(item)}),
        *_item_events(answer, item, place),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": response_body(answer, model, number)}),
    ]
    for sequence, (kind, data) in enumerate(events):
        yield f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': sequence, **data})}\n\n"


def embeddings_body(body: Mapping[str, Any]) -> Json:
    """The answer of /v1/embeddings: a vector that only depends on the text."""
    given = body.get("input", "")
    texts = [given] if isinstance(given, str) else given
    size = int(body.get("dimensions") or 8)
    vectors: list[Any] = [_vector(str(text), size) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() for vector in vectors]
    count = sum(len(str(text).split()) for text in texts)
    return {
        "object": "list",
        "model": body.get("model", ""),
        "data": [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def error_body(status: int) -> Json:
    """The body of a refusal."""
    kind = {429: "rate_limit_exceeded", 401: "invalid_api_key"}.get(status, "server_error")
    return {"error": {"message": f"refused with {status} on purpose", "type": kind, "code": kind, "param": None}}


def _item(answer: Answer, number: int) -> Json:
    if answer.tool:
        return {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{number}",
            "name": answer.tool,
            "arguments": answer.arguments,
        }
    content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
    return {"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant", "content": content}


def _empty(item: Json) -> Json:
    return {**item, "status": "in_progress", **({"arguments": ""} if "arguments" in item else {"content": []})}


def _item_events(answer: Answer, item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    if answer.tool:
        yield "response.function_call_arguments.delta", {**place, "delta": answer.arguments}
        done = {**place, "name": answer.tool, "arguments": answer.arguments}
        yield "response.function_call_arguments.done", done
        return
    part, place = item["content"][0], {**place, "content_index": 0}
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for word in _words(answer.text):
        yield "response.output_text.delta", {**place, "delta": word, "logprobs": []}
    yield "response.output_text.done", {**place, "text": answer.text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}


def _response(answer: Answer, model: str, number: int, status: str, output: list[Json]) -> Json:
    usage = {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "status": status,
        "model": model,
        "output": output,
        "usage": usage if status == "completed" else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
    }


def _chat_call(answer: Answer, number: int) -> Json:
    function = {"name": answer.tool, "arguments": answer.arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _chat_usage(answer: Answer) -> Json:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _text(content: Any) -> str:
    """The text of a content that is a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))


def _last(texts: Iterable[str]) -> str:
    return next(reversed(list(texts)), "")


def _words(text: str) -> list[str]:
    return [word if n == 0 else f" {word}" for n, word in enumerate(text.split(" "))] if text else []


def _vector(text: str, size: int) -> list[float]:
    digest = hashlib.shake_128(text.encode()).digest(size)
    return [byte / 127.5 - 1 for byte in digest]
