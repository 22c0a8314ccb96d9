"""What the fake endpoint answers: rules instead of a model, so that the same conversation always gets the same answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_QUOTED = re.compile(r"'([^']+)'")
_NUMBER = re.compile(r"\b\d+\b")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FAILING = re.compile(r"fail-(\d{3})")


@dataclass(frozen=True)
class Tool:
    """A function the model may call; `parameters` is its JSON schema."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Conversation:
    """What a request says, whichever API it came by."""

    model: str
    prompt: str
    """The last thing the user said."""
    texts: Sequence[str] = ()
    """Every text in it: instructions, what user and assistant said, what tools returned."""
    tools: Sequence[Tool] = ()
    called: Sequence[str] = ()
    """Names of the tools that have been called so far."""
    results: Sequence[str] = ()
    """What they returned."""


@dataclass(frozen=True)
class Answer:
    """A text, or a call of `tool` with `arguments` (JSON)."""

    text: str
    tool: str
    arguments: str
    input_tokens: int
    output_tokens: int


def answer(conversation: Conversation) -> Answer:
    """Call each tool once, in the order offered; then say what they returned."""
    for tool in conversation.tools:
        if tool.name not in conversation.called:
            arguments = json.dumps(fill(tool.parameters, conversation.prompt))
            return Answer("", tool.name, arguments, _read(conversation), tokens(arguments) + 4)
    text = " ".join(conversation.results) or f"You said: {conversation.prompt}"
    return Answer(text, "", "", _read(conversation), tokens(text))


def failure(model: str) -> int | None:
    """The status a model named `fail-<status>` always answers with."""
    found = _FAILING.fullmatch(model)
    return int(found[1]) if found else None


def tokens(text: str) -> int:
    """Words and punctuation marks."""
    return len(_TOKEN.findall(text))


def fill(schema: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """Arguments for a tool: the prompt's 'quoted' phrases for its strings, the prompt's numbers for its numbers, in order."""
    phrases, numbers = iter(_QUOTED.findall(prompt)), iter(_NUMBER.findall(_QUOTED.sub("", prompt)))
    found: dict[str, Any] = {}
    for name, wanted in schema.get("properties", {}).items():
        match wanted:
            case {"enum": [first, *_]}:
                found[name] = first
            case {"type": "string"}:
                found[name] = next(phrases, prompt)
            case {"type": "integer" | "number"}:
                found[name] = int(next(numbers, "1"))
            case {"type": "boolean"}:
                found[name] = True
    return found


def _read(conversation: Conversation) -> int:
    return sum(map(tokens, conversation.texts)) + 8 * len(conversation.tools)
