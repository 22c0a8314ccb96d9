"""A client of an MCP server in a process of its own: success, failure, stream, cancel."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import spanruns
import spanruns.auto
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.integration.spanruns.services.scenarios import play

SERVER = Path(__file__).with_name("mcp_server_service.py")
TOOLS = {"success": "get_weather", "failure": "explode", "stream": "count", "cancel": "wait"}


@spanruns.run("caller", kind="agent", session_id="s1")
async def call(session: ClientSession, scenario: str) -> None:
    run = spanruns.current_run()
    arguments: dict[str, Any] = {"city": "Bonn"}

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        run.progress(int(progress), int(total or 0))

    asked = session.call_tool(TOOLS[scenario], arguments, progress_callback=follow)
    await asyncio.wait_for(asked, 1 if scenario == "cancel" else 30)


async def main(scenario: str) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=[str(SERVER)], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        with suppress(TimeoutError):
            await call(session, scenario)


play(main)
