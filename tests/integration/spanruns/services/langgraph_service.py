"""An agent of LangChain on LangGraph: success, failure, stream, cancel."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool

from tests.integration.spanruns.services.scenarios import play

import spanruns.auto  # noqa: F401  # isort: skip - after the framework, this time

USAGE: Any = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


class Scripted(BaseChatModel):
    """Calls its tool once, then says that it is done."""

    model_name: str = "fake-1"
    tool_name: str = ""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        return self.model_copy(update={"tool_name": tools[0].name})

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = AIMessage("done", usage_metadata=USAGE)
        if self.tool_name and not isinstance(messages[-1], ToolMessage):
            call: Any = {"name": self.tool_name, "args": {"city": "Bonn"}, "id": "c1"}
            said = AIMessage("", tool_calls=[call], usage_metadata=USAGE)
        said.response_metadata = {"model_name": "fake-1"}
        return ChatResult(generations=[ChatGeneration(message=said)])

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for generation in self._generate(messages).generations:
            chunk = AIMessageChunk(**generation.message.model_dump(exclude={"type"}))
            yield ChatGenerationChunk(message=chunk)


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


@tool
def explode(city: str) -> str:
    """Always fails."""
    raise RuntimeError("tool exploded")


@tool
async def wait(city: str) -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


async def main(scenario: str) -> None:
    tools = {"failure": explode, "cancel": wait}
    agent = create_agent(Scripted(), tools=[tools.get(scenario, get_weather)], name="weather_agent")
    asked: Any = {"messages": [{"role": "user", "content": "hi"}]}
    if scenario == "success":
        agent.invoke(asked)
    elif scenario == "failure":
        with suppress(RuntimeError):
            await agent.ainvoke(asked)
    elif scenario == "stream":
        async for _ in agent.astream(asked, stream_mode="messages"):
            pass
    elif scenario == "cancel":
        task = asyncio.ensure_future(agent.ainvoke(asked))
        await asyncio.sleep(0.3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


play(main)
