"""The offline endpoint, asked by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from spanruns_receiver.demo.fake_openai import running_fake_openai

LOOK_UP = {"type": "object", "properties": {"city": {"type": "string"}}}
PROMPT = "What is the weather in 'Oslo'?"


@pytest.fixture
def client() -> Iterator[Any]:
    """A client of a fresh endpoint."""
    with running_fake_openai() as url, OpenAI(base_url=url, api_key="offline", max_retries=0) as client:
        yield client


def test_chat_text(client: Any) -> None:
    """A chat completion without tools is a text with its usage."""
    found = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert (found.id, found.model, found.choices[0].message.content, found.choices[0].finish_reason) == (
        "chatcmpl-1",
        "m",
        "You said: hi",
        "stop",
    )
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (1, 4, 5)


def test_chat_tool_round_trip(client: Any) -> None:
    """The tool is called with what the prompt quotes; its result is the answer."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": LOOK_UP}}
    asked = [{"role": "user", "content": PROMPT}]
    first = client.chat.completions.create(model="m", messages=asked, tools=[tool])
    (call,) = first.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look_up", {"city": "Oslo"})
    assert first.choices[0].finish_reason == "tool_calls"
    answered = [
        *asked,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"},
    ]
    second = client.chat.completions.create(model="m", messages=answered, tools=[tool])
    assert second.choices[0].message.content == "12 degrees"


def test_chat_stream(client: Any) -> None:
    """A streamed chat completion has the text in pieces and the usage at the end."""
    chunks = list(
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "one two"}], stream=True)
    )
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert texts == ["You", " said:", " one", " two"]
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 5)


def test_chat_stream_of_a_call(client: Any) -> None:
    """A streamed tool call can be put together again."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": LOOK_UP}}
    with client.chat.completions.stream(
        model="m",
        messages=[{"role": "user", "content": PROMPT}],
        tools=[tool],
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("look_up", '{"city": "Oslo"}')
    ]


def test_responses_tool_round_trip(client: Any) -> None:
    """The same over the Responses API."""
    tool = {"type": "function", "name": "look_up", "parameters": LOOK_UP, "strict": False}
    first = client.responses.create(model="m", input=PROMPT, tools=[tool])
    (call,) = first.output
    assert (call.type, call.name, call.arguments) == ("function_call", "look_up", '{"city": "Oslo"}')
    given = [
        {"role": "user", "content": PROMPT},
        call.model_dump(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"},
    ]
    second = client.responses.create(model="m", input=given, tools=[tool])
    assert (second.output_text, second.status) == ("12 degrees", "completed")
    assert (second.usage.input_tokens, second.usage.output_tokens) == (9 + 2 + 8, 2)


def test_responses_stream(client: Any) -> None:
    """A streamed response ends with the whole one."""
    with client.responses.stream(model="m", input="one two") as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_response()
    assert (whole.output_text, whole.status) == ("You said: one two", "completed")
    assert kinds == [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 4,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_responses_stream_of_a_call(client: Any) -> None:
    """A streamed function call arrives whole."""
    tool = {"type": "function", "name": "look_up", "parameters": LOOK_UP, "strict": False}
    with client.responses.stream(model="m", input=PROMPT, tools=[tool]) as stream:
        (call,) = stream.get_final_response().output
    assert (call.name, call.arguments) == ("look_up", '{"city": "Oslo"}')


def test_embeddings(client: Any) -> None:
    """A text always has the same vector, whichever encoding was asked for."""
    packed = client.embeddings.create(model="e", input=["red", "blue"])
    plain = client.embeddings.create(model="e", input=["red", "blue"], encoding_format="float")
    assert [len(one.embedding) for one in plain.data] == [8, 8]
    assert plain.data[0].embedding != plain.data[1].embedding
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == 2


def test_refusals(client: Any) -> None:
    """A model named for a status is refused with it, as OpenAI words it."""
    with pytest.raises(openai.RateLimitError, match="refused with 429 on purpose"):
        client.responses.create(model="fail-429", input="hi")
    with pytest.raises(openai.InternalServerError, match="refused with 503 on purpose"):
        client.chat.completions.create(model="fail-503", messages=[{"role": "user", "content": "hi"}])
