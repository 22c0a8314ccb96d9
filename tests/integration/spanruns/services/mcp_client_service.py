"""A client of an MCP server in a process of its own: success, failure."""

import asyncio
import os
import sys
from pathlib import Path

import spanruns
import spanruns.auto
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

SERVER = Path(__file__).with_name("mcp_server_service.py")


@spanruns.run("caller", kind="agent", session_id="s1")
async def call(tool: str) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=[str(SERVER)], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        await session.call_tool(tool, {"city": "Bonn"})


asyncio.run(call("get_weather" if sys.argv[1] == "success" else "explode"))
