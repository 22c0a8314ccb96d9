"""An MCP server with two tools, one of which makes a run."""

import spanruns
import spanruns.auto
from mcp.server.mcpserver import MCPServer

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


server.run("stdio")
