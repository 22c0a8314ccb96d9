"""The plain OpenAI client inside a run of ours: success, failure, stream, cancel."""

import asyncio
import sys
from contextlib import suppress
from typing import Any

import openai
import spanruns
import spanruns.auto

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@spanruns.run("asker", kind="agent")
async def ask(scenario: str) -> None:
    client = openai.AsyncOpenAI(api_key="none", max_retries=0)
    if scenario == "success":
        await client.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES)
        openai.OpenAI(api_key="none").responses.create(model="gpt-4.1-mini", input="hi")
    elif scenario == "failure":
        await client.chat.completions.create(model="fail-429", messages=MESSAGES)
    elif scenario == "stream":
        async for _ in await client.chat.completions.create(
            model="gpt-4.1-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            pass
    elif scenario == "cancel":
        await asyncio.wait_for(client.chat.completions.create(model="gpt-4.1-mini", messages=MESSAGES), 0.3)


with suppress(openai.RateLimitError, TimeoutError):
    asyncio.run(ask(sys.argv[1]))
