"""An agent of the OpenAI Agents SDK against a local endpoint: success, failure, stream, cancel."""

import asyncio
from contextlib import suppress

import spanruns.auto  # noqa: F401
from agents import Agent, Runner, flush_traces, function_tool, set_default_openai_client
from agents.exceptions import UserError
from openai import AsyncOpenAI

from tests.integration.spanruns.services.scenarios import play


@function_tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


@function_tool(failure_error_function=None)
def explode(city: str) -> str:
    """Always fails."""
    raise RuntimeError("tool exploded")


@function_tool
async def wait(city: str) -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


async def main(scenario: str) -> None:
    set_default_openai_client(AsyncOpenAI(api_key="none"), use_for_tracing=False)
    tools = {"failure": explode, "cancel": wait}
    agent = Agent(name="weather_agent", model="gpt-4.1-mini", tools=[tools.get(scenario, get_weather)])
    if scenario == "success":
        await Runner.run(agent, "Weather in 'Bonn'?")
    elif scenario == "failure":
        with suppress(RuntimeError, UserError):
            await Runner.run(agent, "Weather in 'Bonn'?")
    elif scenario == "stream":
        async for _ in Runner.run_streamed(agent, "Weather in 'Bonn'?").stream_events():
            pass
    elif scenario == "cancel":
        task = asyncio.ensure_future(Runner.run(agent, "Weather in 'Bonn'?"))
        await asyncio.sleep(1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    flush_traces()


play(main)
