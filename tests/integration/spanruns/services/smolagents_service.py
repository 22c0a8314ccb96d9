"""An agent of smolagents: success, failure, stream, cancel."""

from contextlib import suppress
from typing import Any

import spanruns.auto  # noqa: F401
from smolagents import Tool, ToolCallingAgent
from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, Model
from smolagents.monitoring import TokenUsage
from smolagents.utils import AgentError

from tests.integration.spanruns.services.scenarios import play


class GetWeather(Tool):  # type: ignore[misc] # smolagents has no types
    """A tool."""

    name = "get_weather"
    description = "Weather of a city."
    inputs = {"city": {"type": "string", "description": "the city"}}  # noqa: RUF012
    output_type = "string"
    agent: Any = None

    def forward(self, city: str) -> str:
        if city == "Nowhere":
            raise RuntimeError("tool exploded")
        if city == "Interrupted":
            self.agent.interrupt()
        return f"sunny in {city}"


class Scripted(Model):  # type: ignore[misc] # smolagents has no types
    """Calls the tool once, then gives its final answer."""

    def __init__(self, city: str) -> None:
        super().__init__(model_id="fake-1")
        self.city = city
        self.calls = 0

    def generate(self, messages: Any, **kwargs: Any) -> ChatMessage:
        self.calls += 1
        name, arguments = (
            ("get_weather", {"city": self.city}) if self.calls == 1 else ("final_answer", {"answer": "ok"})
        )
        function = ChatMessageToolCallFunction(name=name, arguments=arguments)
        call = ChatMessageToolCall(id=f"c{self.calls}", type="function", function=function)
        return ChatMessage(role="assistant", content="", tool_calls=[call], token_usage=TokenUsage(7, 3))


CITIES = {"failure": "Nowhere", "cancel": "Interrupted"}


def main(scenario: str) -> None:
    tool, model = GetWeather(), Scripted(CITIES.get(scenario, "Bonn"))
    agent = ToolCallingAgent(tools=[tool], model=model, name="weather_agent", verbosity_level=0)
    tool.agent = agent
    if scenario == "stream":
        for _ in agent.run("hi", stream=True):
            pass
    else:
        with suppress(AgentError):  # interrupted
            agent.run("hi")


play(main)
