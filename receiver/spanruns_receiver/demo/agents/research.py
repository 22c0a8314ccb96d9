"""Researchers with the OpenAI Agents SDK, over HTTP: one streams its answer, one lives with a failing tool, one is refused."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import spanruns.auto  # noqa: F401 - this is all the set-up there is; before or after the framework
from agents import Agent, RunConfig, Runner, function_tool, set_default_openai_client
from openai import AsyncOpenAI, RateLimitError

from spanruns_receiver.demo.agents.pace import rounds, run

CONFIG = RunConfig(workflow_name="research")
TOPICS = ("tidal power", "heat pumps", "sodium batteries")


@function_tool
async def search_papers(topic: str) -> str:
    """Papers on a topic."""
    await asyncio.sleep(0.1)
    return f"7 papers on {topic}, the newest from this year."


@function_tool
async def read_archive(topic: str) -> str:
    """An old archive, which is down; the SDK tells the model and goes on."""
    raise TimeoutError(f"archive did not answer for {topic}")


researcher = Agent(name="Researcher", instructions="Find papers.", model="gpt-4.1-mini", tools=[search_papers])
archivist = Agent(name="Archivist", instructions="Find old papers.", model="gpt-4.1-mini", tools=[read_archive])
reviewer = Agent(name="Reviewer", instructions="Review papers.", model="fail-429")


async def work(topic: str) -> None:
    """One question to each."""
    streamed = Runner.run_streamed(researcher, f"What is new about '{topic}'?", run_config=CONFIG)
    async for _ in streamed.stream_events():
        pass
    await Runner.run(archivist, f"What was known about '{topic}'?", run_config=CONFIG)
    with suppress(RateLimitError):
        await Runner.run(reviewer, f"Is '{topic}' sound?", run_config=CONFIG)


async def main() -> None:
    """Topic after topic, in one event loop: the SDK keeps its client."""
    client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="offline", max_retries=0)
    set_default_openai_client(client, use_for_tracing=False)
    for number in rounds():
        await work(TOPICS[number % len(TOPICS)])
    await client.close()


if __name__ == "__main__":
    run(main())
