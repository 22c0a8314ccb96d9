"""What the demo starts, what each needs to be installed, and which runs come of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Expected:
    """A run that one round of a service makes."""

    service_name: str
    agent_name: str
    status: str


@dataclass(frozen=True)
class Scenario:
    """One service: a program in a process of its own."""

    service_name: str
    framework: str
    module: str
    runs: tuple[tuple[str, str], ...]
    """(agent name, status) of every run of one round."""
    needs: tuple[str, ...] = ()
    """Modules that must be installed."""
    pause_s: float = 20.0
    """About how long it rests between two rounds."""

    def expected(self) -> list[Expected]:
        """The runs of one round."""
        return [Expected(self.service_name, agent_name, status) for agent_name, status in self.runs]

    def missing(self) -> list[str]:
        """Needed modules that are not installed."""
        return [name for name in self.needs if not _installed(name)]


_PACKAGE = "spanruns_receiver.demo.agents"
_GENAI = "opentelemetry.instrumentation.genai"

SCENARIOS: Sequence[Scenario] = (
    Scenario(
        "batch-jobs",
        "no framework",
        f"{_PACKAGE}.batch",
        (("import_orders", "success"), ("rebuild_search_index", "success"), ("sync_invoices", "failed")),
    ),
    Scenario(
        "travel-desk",
        "Pydantic AI",
        f"{_PACKAGE}.travel",
        (("trip_planner", "success"), ("booking", "failed"), ("concierge", "success"), ("weather", "success")),
        needs=("pydantic_ai",),
    ),
    Scenario(
        "support-desk",
        "LangGraph",
        f"{_PACKAGE}.support",
        (("support_agent", "success"), ("refund_agent", "failed")),
        needs=("langgraph", "langchain", f"{_GENAI}.langchain"),
    ),
    Scenario(
        "research",
        "OpenAI Agents SDK",
        f"{_PACKAGE}.research",
        (("Researcher", "success"), ("Archivist", "success"), ("Reviewer", "failed")),
        needs=("agents", "openai", f"{_GENAI}.openai_agents", f"{_GENAI}.openai"),
    ),
    Scenario(
        "warehouse",
        "MCP client and server",
        f"{_PACKAGE}.warehouse",
        (("stock_clerk", "success"), ("stock_clerk", "success")),
        needs=("mcp",),
    ),
)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent package
        return False
