"""The plain OpenAI client inside a run of ours: success, failure, tool failure, stream, cancel."""

import asyncio
import os
from contextlib import suppress
from typing import Any

import openai
import spanruns
import spanruns.auto

from tests.integration.spanruns.services.scenarios import play

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@spanruns.tool
def explode(said: str | None) -> None:
    """Always fails."""
    raise RuntimeError("tool exploded")


@spanruns.run("asker", kind="agent")
async def ask(scenario: str) -> None:
    client = openai.AsyncOpenAI(api_key="none", max_retries=0)
    if scenario == "success":
        await client.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES)
        openai.OpenAI(api_key="none").responses.create(model="gpt-4.1-mini", input="hi")
    elif scenario == "failure":
        await client.chat.completions.create(model="fail-429", messages=MESSAGES)
    elif scenario == "tool failure":
        answer = await client.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES)
        explode(answer.choices[0].message.content)
    elif scenario == "stream":
        async for _ in await client.chat.completions.create(
            model="gpt-4.1-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            pass
    elif scenario == "cancel":
        slow = client.with_options(base_url=os.environ["SLOW_URL"])
        await asyncio.wait_for(slow.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES), 0.3)


async def main(scenario: str) -> None:
    """Ask once; what leaves the run is for the store, not for us."""
    with suppress(openai.RateLimitError, TimeoutError, RuntimeError):
        await ask(scenario)


play(main)
