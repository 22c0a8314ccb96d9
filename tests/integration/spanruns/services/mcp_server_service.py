"""An MCP server with tools: one makes a run, one fails, one says how far it is, one never comes back."""

import asyncio

import spanruns
import spanruns.auto
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("weather")


@spanruns.run("forecast")
def forecast(city: str) -> str:
    return f"sunny in {city}"


@server.tool()
def get_weather(city: str) -> str:
    """Weather of a city."""
    return forecast(city)


@server.tool()
def explode(city: str) -> str:
    """Always fails."""
    raise RuntimeError("tool exploded")


@server.tool()
async def count(city: str, context: Context) -> str:
    """Says how far it is."""
    for done in (1, 2, 3):
        await context.report_progress(done, 3)
    return "counted"


@server.tool()
async def wait(city: str) -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


server.run("stdio")
