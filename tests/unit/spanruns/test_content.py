"""What leaves the process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from spanruns import _guard
from spanruns._content import REMOVED, UNCLEAN, Cleaner
from spanruns._secrets import MASK
from spanruns._settings import ContentMode, Settings

KEY = "sk-abcdefghijklmnopqrstuvwx"

MESSAGES = [
    {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "1", "name": "get", "arguments": {"city": "B"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "sunny"}]},
]
SPAN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.input.messages": json.dumps(MESSAGES),
    "somebody.elses.text": "words",
    "spanruns.run.tags": ["a"],
}


def cleaner(content: ContentMode = "full", **settings: Any) -> Cleaner:
    """One with these settings."""
    return Cleaner(Settings(content=content, **settings))


def test_full_keeps_everything() -> None:
    """The default mode keeps what is there."""
    assert cleaner().attributes(SPAN) == SPAN


def test_metadata_only_keeps_names_and_numbers() -> None:
    """Only attributes known to be no content stay; an unknown text is content."""
    assert cleaner("metadata_only").attributes(SPAN) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 7,
        "spanruns.run.tags": ["a"],
    }


def test_no_tool_content_empties_tool_messages() -> None:
    """What tools were given and answered is removed from messages, the rest of them stays."""
    clean = cleaner("no_tool_content").attributes(SPAN)
    assert json.loads(clean["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "get", "arguments": REMOVED}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": REMOVED}]},
    ]
    assert clean["somebody.elses.text"] == "words"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "tool_call_id": "1", "content": "SECRETWORD"},
        {"type": "function_call_output", "call_id": "1", "output": "SECRETWORD"},
        {"type": "function_call", "name": "f", "arguments": "SECRETWORD"},
        {"type": "tool_use", "name": "f", "input": {"x": "SECRETWORD"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "SECRETWORD"}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "SECRETWORD"}}]},
        {"parts": [{"part_kind": "tool-return", "content": "SECRETWORD"}]},
    ],
)
def test_no_tool_content_knows_every_message_format(message: dict[str, Any]) -> None:
    """Each vendor's way of writing a tool call down is recognised."""
    clean = cleaner("no_tool_content").attributes({"input.value": json.dumps([message])})
    assert "SECRETWORD" not in clean["input.value"]


def test_no_tool_content_removes_json_it_cannot_read() -> None:
    """A cut JSON may end inside a tool's answer, so it is not sent."""
    text = json.dumps(MESSAGES)[:-5]
    assert cleaner("no_tool_content").attributes({"gen_ai.input.messages": text}) == {"gen_ai.input.messages": REMOVED}


def test_tool_span_keeps_only_metadata_without_tool_content() -> None:
    """On a span that is a tool call every text that is not known to be metadata is the tool's content."""
    span = {
        "gen_ai.tool.name": "get",
        "gen_ai.tool.call.arguments": "{}",
        "input.value": "x",
        "my.text": "y",
        "n": 1,
    }
    assert cleaner("no_tool_content").attributes(span, "tool") == {"gen_ai.tool.name": "get", "n": 1}


def test_value_over_the_limit_is_cut_and_its_size_kept() -> None:
    """The size is in bytes, of the whole value."""
    one = cleaner(max_value_bytes=100)
    text = "ä" * 80
    assert one.attributes({"a": text}) == {"a": "ä" * 50, "a.size": 160}
    assert one.truncated == 1


def test_cut_never_leaves_half_a_character() -> None:
    """A cut inside a character leaves that character out."""
    assert cleaner(max_value_bytes=99).attributes({"a": "ä" * 80})["a"] == "ä" * 49


def test_secret_is_masked_before_it_is_cut() -> None:
    """Half a secret could no longer be recognised."""
    one = cleaner(max_value_bytes=64)
    assert one.attributes({"a": "x" * 55 + " " + KEY})["a"] == "x" * 55 + " " + MASK


def test_value_under_a_secret_key_is_masked() -> None:
    """An attribute named like a secret is one."""
    assert cleaner().attributes({"db.password": "x"}) == {"db.password": MASK}


def test_structured_values_are_cleaned() -> None:
    """Newer SDKs take lists and maps as attribute values: every text in them is cleaned."""
    value = {"headers": {"authorization": "abc", "n": 1}, "list": [f"key {KEY}", 2]}
    assert cleaner().attributes({"a": value}) == {
        "a": {"headers": {"authorization": MASK, "n": 1}, "list": [f"key {MASK}", 2]}
    }


def test_masking_can_be_switched_off() -> None:
    """Whoever does not want masking gets none."""
    assert cleaner(mask_secrets=False).attributes({"a": KEY, "password": "x"}) == {"a": KEY, "password": "x"}


def test_emails_are_masked_on_request() -> None:
    """E-mail addresses are masked only if asked for."""
    assert cleaner().attributes({"a": "a@b.org"}) == {"a": "a@b.org"}
    assert cleaner(mask_emails=True).attributes({"a": "a@b.org"}) == {"a": MASK}


def test_own_callback_sees_key_and_value() -> None:
    """A service may mask what only it knows to be secret."""
    one = cleaner(mask=(lambda key, value: value.replace("Smith", "S.") if key == "name" else value,))
    assert one.attributes({"name": "Smith", "other": "Smith"}) == {"name": "S.", "other": "Smith"}


def test_failing_callback_removes_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masking fails closed: what could not be masked is not sent, and nothing is raised."""
    monkeypatch.setattr(_guard, "_raise", False)

    def broken(key: str, value: str) -> str:
        raise RuntimeError("no")

    assert cleaner(mask=(broken,)).attributes({"a": "x", "n": 1}) == {"a": UNCLEAN, "n": 1}
    assert cleaner(mask=(broken,)).text("name", "x") == UNCLEAN
    assert _guard.errors["masking"] == 2


def test_callback_that_gives_no_text_removes_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that forgets to return is a failing one."""
    monkeypatch.setattr(_guard, "_raise", False)
    assert cleaner(mask=(lambda key, value: None,)).attributes({"a": "x"}) == {"a": UNCLEAN}
