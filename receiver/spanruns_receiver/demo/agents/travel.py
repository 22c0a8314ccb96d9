"""A travel desk with Pydantic AI: a tool, a tool that fails, and an agent that asks another agent."""

from __future__ import annotations

import time
from contextlib import suppress

import spanruns.auto  # noqa: F401 - this is all the set-up there is; before or after the framework
from pydantic_ai import Agent, ModelMessage, ModelResponse, RunContext, TextPart, ToolCallPart
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from spanruns_receiver.demo.agents.pace import rounds, run

CITIES = ("Lisbon", "Oslo", "Kyoto", "Quito")


def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """A model for offline use: calls the agent's first tool with the user's city, then reports what it returned."""
    time.sleep(0.2)
    last = messages[-1].parts[-1]
    if info.function_tools and not isinstance(last, ToolReturnPart):
        city = str(last.content).split()[-1]  # type: ignore[union-attr]
        call = ToolCallPart(info.function_tools[0].name, {"city": city})
        return ModelResponse([call], usage=RequestUsage(input_tokens=120, output_tokens=18))
    said = TextPart(f"Here is what I found: {last.content}")  # type: ignore[union-attr]
    return ModelResponse([said], usage=RequestUsage(input_tokens=180, output_tokens=32, cache_read_tokens=96))


MODEL = FunctionModel(scripted, model_name="gpt-4.1-mini")

trip_planner = Agent(MODEL, name="trip_planner", instructions="Plan trips.")
booking = Agent(MODEL, name="booking", instructions="Book hotels.")
weather = Agent(MODEL, name="weather", instructions="Forecast the weather.")
concierge = Agent(MODEL, name="concierge", instructions="Answer with the help of others.")


@trip_planner.tool_plain
def search_flights(city: str) -> str:
    """Flights to a city."""
    time.sleep(0.1)
    return f"3 flights to {city}, from 129 EUR"


@booking.tool_plain
def reserve_room(city: str) -> str:
    """Reserve a room; the hotel's system is broken."""
    time.sleep(0.1)
    raise ConnectionError(f"no answer from the booking system of {city}")


@concierge.tool
async def ask_weather(ctx: RunContext[object], city: str) -> str:
    """Ask the weather agent."""
    result = await weather.run(f"What is the weather in {city}", usage=ctx.usage)
    return result.output


async def work(city: str) -> None:
    """One question to each."""
    await trip_planner.run(f"Plan a weekend in {city}")
    with suppress(ConnectionError):
        await booking.run(f"Book two nights in {city}")
    await concierge.run(f"Should I take an umbrella to {city}")


def main() -> None:
    """Question after question."""
    for number in rounds():
        run(work(CITIES[number % len(CITIES)]))


if __name__ == "__main__":
    main()
