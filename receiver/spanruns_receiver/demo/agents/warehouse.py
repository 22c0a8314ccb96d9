"""A warehouse clerk that works through an MCP server in another process: one trace over both."""

from __future__ import annotations

import os
import sys

import spanruns
import spanruns.auto  # this is all the set-up there is; before or after the framework
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from spanruns_receiver.demo.agents.pace import rounds, run

SERVER = StdioServerParameters(
    command=sys.executable,
    args=["-m", "spanruns_receiver.demo.agents.stock_server"],
    env={**os.environ, "OTEL_SERVICE_NAME": "stock-server"},
)


async def work() -> None:
    """Item after item; every second order is too large."""
    async with stdio_client(SERVER) as (read, write), ClientSession(read, write) as session:
        await session.initialize()

        @spanruns.run("stock_clerk", kind="agent", trigger="user")
        async def restock(item: str, amount: int) -> str:
            """Count, then reorder; too much is refused by the server, which fails the call and not the run."""
            count = await session.call_tool("count_stock", {"item": item})
            order = await session.call_tool("reorder", {"item": item, "amount": amount})
            return f"{item}: {_text(count)} in stock; {_text(order)}"

        await restock("bolts", 500)
        await restock("nuts", 5000)


def _text(result: object) -> str:
    return " ".join(getattr(part, "text", "") for part in getattr(result, "content", ()))


def main() -> None:
    """Shift after shift."""
    for _ in rounds():
        run(work())


if __name__ == "__main__":
    main()
