"""A Pydantic AI agent whose tool is an MCP server's: up to four spans tell of one call."""

from __future__ import annotations

import asyncio
import os
import sys

import spanruns.auto  # noqa: F401
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel

SERVER = StdioTransport(
    sys.executable,
    ["-m", "spanruns_receiver.demo.agents.stock_server"],
    env={**os.environ, "OTEL_SERVICE_NAME": "stock-server"},
)
agent = Agent(TestModel(call_tools=["reorder"]), name="buyer", toolsets=[MCPToolset(SERVER)])


async def main() -> None:
    """One question."""
    async with agent:
        await agent.run("Order one bolt")


if __name__ == "__main__":
    asyncio.run(main())
