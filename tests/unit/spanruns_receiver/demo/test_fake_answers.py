"""The rules that stand for a model."""

from __future__ import annotations

import pytest
from spanruns_receiver.demo.fake_answers import Answer, Conversation, Tool, answer, failure, fill, tokens

SEARCH = Tool("search", {"properties": {"topic": {"type": "string"}}})
STORE = Tool("store", {"properties": {"amount": {"type": "integer"}}})


def test_text_without_tools() -> None:
    """Without tools the answer repeats the prompt, and tokens are the words and punctuation marks of both sides."""
    assert answer(Conversation("m", "hi there!", texts=["Be kind.", "hi there!"])) == Answer(
        text="You said: hi there!", tool="", arguments="", input_tokens=6, output_tokens=6
    )


def test_tools_are_called_one_after_another() -> None:
    """Each tool is called once in the order offered, then the results are reported."""
    prompt = "find 'tides' and store 12"
    first = answer(Conversation("m", prompt, [prompt], [SEARCH, STORE]))
    second = answer(Conversation("m", prompt, [prompt], [SEARCH, STORE], called=["search"], results=["7 papers"]))
    third = answer(
        Conversation("m", prompt, [prompt], [SEARCH, STORE], called=["search", "store"], results=["7 papers", "done"])
    )
    assert [(one.tool, one.arguments, one.text) for one in (first, second, third)] == [
        ("search", '{"topic": "tides"}', ""),
        ("store", '{"amount": 12}', ""),
        ("", "", "7 papers done"),
    ]
    assert (first.input_tokens, first.output_tokens, third.output_tokens) == (7 + 16, 9 + 4, 3)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {}),
        ({"properties": {"a": {"enum": ["x", "y"]}}}, {"a": "x"}),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}, {"a": "red", "b": "use 'red' 3 and 4"}),
        (
            {"properties": {"n": {"type": "integer"}, "m": {"type": "number"}, "k": {"type": "integer"}}},
            {"n": 3, "m": 4, "k": 1},
        ),
        ({"properties": {"a": {"type": "boolean"}, "b": {"type": "array"}}}, {"a": True}),
    ],
)
def test_arguments_come_from_the_prompt(schema: dict[str, object], expected: dict[str, object]) -> None:
    """Strings are the quoted phrases, numbers the numbers, in order; what the prompt lacks gets a default."""
    assert fill(schema, "use 'red' 3 and 4") == expected


def test_failing_models() -> None:
    """Only a model named for a status fails."""
    assert [failure(model) for model in ("fail-429", "fail-500", "gpt-4.1-mini", "fail-x", "no-fail-429")] == [
        429,
        500,
        None,
        None,
        None,
    ]


def test_tokens() -> None:
    """A word and a punctuation mark are a token each."""
    assert tokens("Where is A-1001?") == 6
