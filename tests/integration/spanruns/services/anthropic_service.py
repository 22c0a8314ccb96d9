"""The plain Anthropic client inside a run of ours: success, failure, tool failure, stream, cancel."""

import asyncio
from contextlib import suppress
from typing import Any

import spanruns
import spanruns.auto

from tests.integration.spanruns.services.scenarios import play

import anthropic  # isort: skip - the import comes after ours

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@spanruns.tool
def explode(said: str) -> None:
    """Always fails."""
    raise RuntimeError("tool exploded")


@spanruns.run("asker", kind="agent")
async def ask(scenario: str) -> None:
    client = anthropic.Anthropic(max_retries=0)
    if scenario == "success":
        client.messages.create(model="claude-fake", max_tokens=10, messages=MESSAGES)
    elif scenario == "failure":
        client.messages.create(model="fail-429", max_tokens=10, messages=MESSAGES)
    elif scenario == "tool failure":
        explode(client.messages.create(model="claude-fake", max_tokens=10, messages=MESSAGES).id)
    elif scenario == "stream":
        for _ in client.messages.create(model="claude-fake", max_tokens=10, messages=MESSAGES, stream=True):
            pass
    elif scenario == "cancel":
        slow = anthropic.AsyncAnthropic(max_retries=0)
        await asyncio.wait_for(slow.messages.create(model="slow-fake", max_tokens=10, messages=MESSAGES), 0.3)


async def main(scenario: str) -> None:
    """Ask once; what leaves the run is for the store, not for us."""
    with suppress(anthropic.RateLimitError, TimeoutError, RuntimeError):
        await ask(scenario)


play(main)
