"""A support desk with LangGraph: one agent answers, the other's tool fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import spanruns.auto  # noqa: F401 - this is all the set-up there is; before or after the framework
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool

from spanruns_receiver.demo.agents.pace import rounds


class ScriptedModel(BaseChatModel):
    """A model for offline use: calls the tool it was given with the order the user named, then reports."""

    model_name: str = "gpt-4.1-mini"
    tool_name: str = ""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Runnable[Any, AIMessage]:
        """The same model, knowing the first of the tools."""
        return self.model_copy(update={"tool_name": tools[0].name})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(0.2)
        last = messages[-1]
        if isinstance(last, ToolMessage):
            said = AIMessage(f"About your order: {last.text}", usage_metadata=_usage(210, 24))
        else:
            call = {"name": self.tool_name, "args": {"order": last.text.split()[-1]}, "id": "call_1"}
            said = AIMessage("", tool_calls=[call], usage_metadata=_usage(140, 16))
        said.response_metadata = {"model_name": self.model_name}
        return ChatResult(generations=[ChatGeneration(message=said)])


def _usage(given: int, said: int) -> Any:
    return {"input_tokens": given, "output_tokens": said, "total_tokens": given + said}


@tool
def look_up_order(order: str) -> str:
    """Where an order is."""
    time.sleep(0.1)
    return f"order {order} left the warehouse this morning"


@tool
def refund(order: str) -> str:
    """Pay an order back; the payment provider refuses."""
    time.sleep(0.1)
    raise PermissionError(f"payment provider: 403 Forbidden, refund of {order} needs an approval")


def desk(name: str, uses: BaseTool) -> Callable[[str], object]:
    """An agent with one tool, as a function of the question."""
    agent = create_agent(ScriptedModel(), tools=[uses], name=name)
    return lambda question: agent.invoke({"messages": [{"role": "user", "content": question}]})


def main() -> None:
    """Customer after customer."""
    support, refunds = desk("support_agent", look_up_order), desk("refund_agent", refund)
    for number in rounds():
        support(f"Where is my order A-{1001 + number}")
        with suppress(PermissionError):
            refunds(f"Please refund A-{2001 + number}")


if __name__ == "__main__":
    main()
