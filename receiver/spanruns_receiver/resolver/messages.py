"""Messages of a conversation, as log records hold them: put together, and what they say of tool calls. Pure; bytes in, bytes out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from spanruns_receiver.facts.reading import cut

_ABOUT = frozenset(("role", "id", "index", "finish_reason"))
"""What a message says beside its content."""

_ELIDED = "<elided>"
"""What Google's libraries put where content is not to be told."""


_ENCODER, _DECODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")), json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")


class Content(NamedTuple):
    """An input or an output, cut to the limit, and how many bytes the whole has."""

    text: bytes
    size: int


NONE = Content(b"", 0)


class Message(NamedTuple):
    """One message as its record has it, cut to the limit; `size` of the whole."""

    speaker: bytes
    text: bytes
    size: int


def joined(messages: Iterable[Message]) -> Content:
    """Messages as one JSON array."""
    told = [content for message in messages if (content := _with_speaker(message)).size]
    if not told:
        return NONE
    size = sum(content.size for content in told) + len(told) + 1
    return Content(cut(b"[" + b",".join(content.text for content in told) + b"]"), size)


def tool_contents(text: bytes) -> Iterator[tuple[bytes, str, Content]]:
    """What a text says of tool calls: a call's id, `input` or `output`, and its arguments or result. Of one that was cut what comes
    before the message in which it ends."""
    for message in _objects(_members(text) if text.startswith(b"[") else [_parsed(text)]):
        for id_, column, value in _of_tools(message):
            if isinstance(id_, str) and id_ and value not in (None, "", _ELIDED):
                whole = value.encode(errors="replace") if isinstance(value, str) else _json(value)
                yield id_.encode(errors="replace"), column, Content(cut(whole), len(whole))


def _of_tools(message: Mapping[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Current conventions have parts of these types, older ones what OpenAI's API has, or Google's."""
    for part in _objects(message.get("parts")):
        if part.get("type") == "tool_call":
            yield part.get("id"), "input", part.get("arguments")
        elif part.get("type") == "tool_call_response":
            yield part.get("id"), "output", part.get("response", part.get("result"))
        for call in _objects([part.get("function_call")]):
            yield call.get("id"), "input", call.get("args")
        for answer in _objects([part.get("function_response")]):
            yield answer.get("id"), "output", answer.get("response")
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        held = function if isinstance(function, dict) else call
        yield call.get("id"), "input", held.get("arguments")
    inner = _objects([message.get("message"), message.get("content")])
    for held in inner:
        yield from _of_tools(held)
    if not inner and "tool_calls" not in message:
        yield message.get("tool_call_id", message.get("id")), "output", message.get("content")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _with_speaker(message: Message) -> Content:
    """A message as the older conventions have it, with its speaker in front; nothing where it has no content.

    A choice holds the message that was chosen. A text that was cut is past the limit: nothing comes behind it.
    """
    speaker, text, size = message
    said = _parsed(text) if size == len(text) else None
    if said is None and text.startswith(b"{"):
        start = b'{"role":"%b",' % speaker
        return Content(start + text[1:], size + len(start) - 1)
    role = {"role": speaker.decode()}
    if not isinstance(said, dict):
        made = _json(role | {"content": said if isinstance(said, list | str) else text.decode(errors="replace")})
        return Content(made, len(made) + size - len(text))
    chosen = said["message"] if isinstance(said.get("message"), dict) else {}
    around = {key: value for key, value in said.items() if key != "index" and not (key == "message" and chosen)}
    told = role | chosen | around
    if not any(value for key, value in told.items() if key not in _ABOUT and value != _ELIDED):
        return NONE
    made = _json(told)
    return Content(made, len(made))


def _members(text: bytes) -> list[Any]:
    """The members of a JSON array that may be cut."""
    array, at = text.decode(errors="replace"), 1
    members: list[Any] = []
    while True:
        try:
            member, at = _DECODER.raw_decode(array, _BETWEEN.match(array, at).end())  # type: ignore[union-attr]
        except (ValueError, RecursionError):
            return members
        members.append(member)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> bytes:
    return _ENCODER.encode(value).encode(errors="replace")
