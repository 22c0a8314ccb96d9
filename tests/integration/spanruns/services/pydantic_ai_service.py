"""An agent with one tool, a sub-agent on request: success, failure, stream, cancel."""

import asyncio
from contextlib import suppress

import spanruns.auto  # noqa: F401
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from tests.integration.spanruns.services.scenarios import play

agent = Agent(TestModel(), name="weather_agent")
broken = Agent(TestModel(), name="broken_agent")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


@broken.tool_plain
def explode() -> str:
    """Always fails."""
    raise RuntimeError("tool exploded")


@broken.tool_plain
async def wait() -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


async def main(scenario: str) -> None:
    if scenario == "success":
        await agent.run("hi")
    elif scenario == "failure":
        with suppress(RuntimeError):
            await broken.run("hi", model=TestModel(call_tools=["explode"]))
    elif scenario == "stream":
        async with agent.run_stream("hi") as result:
            async for _ in result.stream_text():
                pass
    elif scenario == "cancel":
        task = asyncio.ensure_future(broken.run("hi", model=TestModel(call_tools=["wait"])))
        await asyncio.sleep(0.3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


play(main)
