"""How a service uses the decorators, with the types it must see; checked by pyright and mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import assert_type

import spanruns
from spanruns.testing import Captured, capture


@spanruns.tool
def look_up(city: str, days: int = 1) -> list[str]:
    """A tool."""
    return [city] * days


@spanruns.tool("search", type="datastore")
async def search(query: str, /, *, limit: int = 3) -> dict[str, int]:
    """A tool with arguments."""
    return {query: limit}


@spanruns.tool
def numbers(to: int) -> Iterator[int]:
    """A generator."""
    yield from range(to)


@spanruns.run("answer", kind="agent", sla=1.5, tags=("a", "b"))
async def answer(question: str) -> str:
    """An agent."""
    run = spanruns.current_run()
    run.progress(1, 2)
    async with run.waiting_for("bob") as waiting:
        assert_type(waiting, spanruns.Waiting)
    return question


@spanruns.run
async def stream(to: int) -> AsyncIterator[str]:
    """An async generator."""
    for number in range(to):
        yield str(number)


class Service:
    """Methods."""

    @spanruns.run
    def work(self, count: int) -> int:
        """A job."""
        return count

    @spanruns.tool
    @staticmethod
    def help_out(text: str) -> str:
        """A static tool."""
        return text


async def use_async() -> None:
    """Coroutines give what they gave before."""
    assert_type(await search("x", limit=1), dict[str, int])
    assert_type(await answer("why"), str)


def use() -> None:
    """Every name with the type it keeps."""
    assert_type(look_up("Bonn", days=2), list[str])
    assert_type(numbers(3), Iterator[int])
    assert_type(stream(2), AsyncIterator[str])
    assert_type(Service().work(1), int)
    assert_type(Service.help_out("x"), str)
    with spanruns.run("block", kind="workflow", parameters={"x": 1}) as run:
        assert_type(run, spanruns.Run)
        assert_type(run.run_id, str)
        token = run.suspend("bob")
        assert_type(token, str)
    with spanruns.resume(token) as resumed, spanruns.tool("t", arguments={"q": 1}) as call:
        assert_type(resumed, spanruns.Run)
        assert_type(call, spanruns.ToolCall)
    with spanruns.received(spanruns.enqueue("later")), spanruns.identity(session_id="s"):
        pass
    bound: Callable[[str], list[str]] = spanruns.bind(look_up)
    bound("x")
    with capture(content="metadata_only") as captured:
        assert_type(captured, Captured)
    spanruns.configure(content="no_tool_content", mask=[lambda key, value: value])
