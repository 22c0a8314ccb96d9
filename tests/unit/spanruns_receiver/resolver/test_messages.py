"""Messages that came one by one, as one conversation, and what they say of tool calls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from spanruns_receiver.resolver.messages import NONE, Content, Message, joined, tool_contents
from spanruns_schema.dialects.rules import CONTENT_LIMIT

CALL = {"id": "c1", "type": "function", "function": {"name": "get", "arguments": '{"a":1}'}}


def body(value: Any, speaker: str = "user") -> Message:
    """A message whose body is this value, as a raw row has it."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Message(speaker.encode(), text.encode(), len(text.encode()))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (body({"content": "hi"}), {"role": "user", "content": "hi"}),
        (body({"content": "hi", "role": "critic"}), {"role": "critic", "content": "hi"}),
        (body({"content": "ß", "id": "c1"}, "tool"), {"role": "tool", "content": "ß", "id": "c1"}),
        (body({"tool_calls": [CALL]}, "assistant"), {"role": "assistant", "tool_calls": [CALL]}),
        (
            body({"index": 0, "finish_reason": "stop", "message": {"content": "yes"}}, "assistant"),
            {"role": "assistant", "content": "yes", "finish_reason": "stop"},
        ),
        (
            body({"index": 1, "message": {"content": None}, "tool_calls": [CALL]}, "assistant"),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ),
        (body({"message": "plain", "index": 0}, "assistant"), {"role": "assistant", "message": "plain"}),
        (body("in words"), {"role": "user", "content": "in words"}),
        (body('"quoted"'), {"role": "user", "content": "quoted"}),
        (body('[{"text":"hi"}]'), {"role": "user", "content": [{"text": "hi"}]}),
        (body("42"), {"role": "user", "content": "42"}),
        (body("[" * 100_000), {"role": "user", "content": "[" * 100_000}),
    ],
)
def test_one_message(said: Message, expected: dict[str, Any]) -> None:
    """Whatever the body is, the message has a role and the content, and the size is that of the whole."""
    whole = json.dumps([expected], ensure_ascii=False, separators=(",", ":"))
    assert joined([said]) == Content(whole[:CONTENT_LIMIT].encode(), len(whole.encode()))


@pytest.mark.parametrize(
    "said",
    [
        {"content": ""},
        {"content": "<elided>"},
        {"content": None, "id": "c1"},
        {"finish_reason": "stop", "index": 0, "message": {"role": "assistant"}},
    ],
)
def test_a_message_without_content_says_nothing(said: dict[str, Any]) -> None:
    """Emitters that are told not to say contents say who spoke all the same."""
    assert joined([body(said)]) == NONE
    assert json.loads(joined([body(said), body("hi")]).text) == [{"role": "user", "content": "hi"}]


def test_messages_past_the_limit() -> None:
    """A text that the facts have cut makes the same beginning as the whole would, and the size is the whole's."""
    long = "é" * CONTENT_LIMIT
    for said in ({"content": long}, long):
        whole = body(said)
        cut = Message(whole.speaker, whole.text.decode()[:CONTENT_LIMIT].encode(), whole.size)
        expected = joined([body("first"), whole, body("last")])
        assert joined([body("first"), cut, body("last")]) == expected
        assert len(expected.text.decode()) == CONTENT_LIMIT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"tool_calls": [CALL]}, [(b"c1", "input", b'{"a":1}')]),
        ({"message": {"tool_calls": [CALL]}, "index": 0}, [(b"c1", "input", b'{"a":1}')]),
        ({"content": "sunny", "id": "c1"}, [(b"c1", "output", b"sunny")]),
        ({"content": "sunny", "tool_call_id": "c1", "role": "tool"}, [(b"c1", "output", b"sunny")]),
        (
            [
                {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "arguments": {"a": 1}}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": [1]}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c2", "result": "old"}]},
            ],
            [(b"c1", "input", b'{"a":1}'), (b"c1", "output", b"[1]"), (b"c2", "output", b"old")],
        ),
        (
            {"content": {"parts": [{"function_call": {"id": "c1", "args": {}}}], "role": "model"}},
            [(b"c1", "input", b"{}")],
        ),
        (
            {"content": {"parts": [{"function_response": {"id": "c1", "response": {"r": 1}}}]}},
            [(b"c1", "output", b'{"r":1}')],
        ),
        ({"content": "<elided>", "id": "c1"}, []),
        ({"parts": "x", "tool_calls": {"id": "c1"}, "content": "y"}, []),
        (["words", None, {"parts": [None, 1]}], []),
        ("words", []),
    ],
)
def test_what_messages_say_of_tool_calls(said: Any, expected: list[tuple[bytes, str, bytes]]) -> None:
    """Arguments and results by the call's id, in every shape that emitters have."""
    found = list(tool_contents(json.dumps(said).encode()))
    assert found == [(id_, column, Content(text, len(text))) for id_, column, text in expected]


def test_a_conversation_that_was_cut_says_what_comes_before() -> None:
    """Message by message; a message alone says nothing where it ends early."""
    calls = [{"tool_calls": [{"id": f"c{n}", "function": {"arguments": "é"}}]} for n in range(3)]
    text = json.dumps(calls, ensure_ascii=False).encode()
    for cut, ids in ((text, 3), (text[:-1], 3), (text[:-2], 2), (text[: len(text) // 2], 1), (b"[", 0), (b"[x", 0)):
        assert [id_ for id_, _, _ in tool_contents(cut)] == [f"c{n}".encode() for n in range(ids)]
    assert list(tool_contents(json.dumps(calls[0]).encode()[:-1])) == []
    assert list(tool_contents(b"[" * 100_000)) == []
