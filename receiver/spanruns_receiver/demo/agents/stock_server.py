"""An MCP server with the warehouse's tools, over stdio; it continues the traces of its callers."""

from __future__ import annotations

import spanruns.auto  # noqa: F401 - this is all the set-up there is; before or after the framework
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("stock", log_level="ERROR")
STOCK = {"bolts": 1200, "nuts": 950}


@server.tool()
def count_stock(item: str) -> int:
    """How many there are."""
    return STOCK[item]


@server.tool()
def reorder(item: str, amount: int) -> str:
    """Order more; there is a limit."""
    if amount > 1000:
        raise ToolError(f"{amount} {item} are over the limit of 1000")
    return f"{amount} {item} ordered"


if __name__ == "__main__":
    server.run("stdio")
