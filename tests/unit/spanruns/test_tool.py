"""Tool calls: whole spans."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
import spanruns
from spanruns.testing import START_NS, Captured, SpanRecord

TRACE = "00000000000000000000000000000001"


def span(name: str, **attributes: object) -> SpanRecord:
    """A root tool span as it must look like, the first one of a test."""
    return SpanRecord(
        name=f"execute_tool {name}",
        trace_id=TRACE,
        span_id="0000000000000001",
        parent_id=None,
        start_ns=START_NS,
        end_ns=START_NS + 1_000_000_000,
        status="UNSET",
        message=None,
        attributes={
            "spanruns.kind": "tool",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.name": name,
            **attributes,
        },
    )


CALLED = {"gen_ai.tool.call.arguments": '{"a":1,"b":2}', "gen_ai.tool.call.result": "3"}


def test_function(captured: Captured) -> None:
    """A plain decorated function gives one span with arguments, defaults included, and result."""

    @spanruns.tool
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3
    assert captured.spans == [span("add", **CALLED)]


def test_coroutine(captured: Captured) -> None:
    """A coroutine function stays one, and its span covers the awaiting."""

    @spanruns.tool("adder", type="extension", call_id="c1")
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert inspect.iscoroutinefunction(add)
    assert asyncio.run(add(1, b=2)) == 3
    assert captured.spans == [span("adder", **{**CALLED, "gen_ai.tool.type": "extension", "gen_ai.tool.call.id": "c1"})]


def test_generator(captured: Captured) -> None:
    """A generator function stays one, and its span covers the iteration."""

    @spanruns.tool
    def count(to: int) -> Iterator[int]:
        yield from range(to)

    assert inspect.isgeneratorfunction(count)
    items = count(3)
    assert captured.spans == []
    assert list(items) == [0, 1, 2]
    assert captured.spans == [
        span("count", **{"gen_ai.tool.call.arguments": '{"to":3}', "gen_ai.tool.call.result": "[0,1,2]"})
    ]


def test_async_generator(captured: Captured) -> None:
    """An async generator function stays one, and its span covers the iteration."""

    @spanruns.tool
    async def count(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    async def collect() -> list[int]:
        return [number async for number in count(3)]

    assert inspect.isasyncgenfunction(count)
    assert asyncio.run(collect()) == [0, 1, 2]
    assert captured.spans == [
        span("count", **{"gen_ai.tool.call.arguments": '{"to":3}', "gen_ai.tool.call.result": "[0,1,2]"})
    ]


def test_methods(captured: Captured) -> None:
    """Methods of every kind work, their own object is no argument."""

    class Calculator:
        @spanruns.tool
        def add(self, a: int, b: int) -> int:
            return a + b

        @spanruns.tool
        @classmethod
        def add_class(cls, a: int, b: int) -> int:
            return a + b

        @staticmethod
        @spanruns.tool
        def add_static(a: int, b: int) -> int:
            return a + b

        @spanruns.tool
        def __call__(self, a: int, b: int) -> int:
            return a + b

    one = Calculator()
    assert (one.add(1, 2), one.add_class(1, 2), one.add_static(1, 2), one(1, 2)) == (3, 3, 3, 3)
    names = [
        (call.attributes["gen_ai.tool.name"], call.attributes["gen_ai.tool.call.arguments"]) for call in captured.tools
    ]
    expected = CALLED["gen_ai.tool.call.arguments"]
    assert names == [("add", expected), ("add_class", expected), ("add_static", expected), ("__call__", expected)]


def test_callable_object(captured: Captured) -> None:
    """An object with `__call__` is a tool named after its class."""

    class Adder:
        async def __call__(self, a: int, b: int) -> int:
            return a + b

    assert asyncio.run(spanruns.tool(Adder())(1, b=2)) == 3
    assert captured.spans == [span("Adder", **CALLED)]


def test_block(captured: Captured) -> None:
    """A block is one call; what it does is said by hand."""
    with spanruns.tool("search", arguments={"q": "x"}) as call:
        call.set_result(["y"])
        call.set_call_id("c1")
    assert captured.spans == [
        span(
            "search",
            **{
                "gen_ai.tool.call.arguments": '{"q":"x"}',
                "gen_ai.tool.call.result": '["y"]',
                "gen_ai.tool.call.id": "c1",
            },
        )
    ]


def test_async_block(captured: Captured) -> None:
    """The block works in `async with` as well."""

    async def use() -> None:
        async with spanruns.tool("search"):
            pass

    asyncio.run(use())
    assert captured.spans == [span("search")]


def test_failure(captured: Captured) -> None:
    """An exception is recorded, with its class fully qualified, and goes on to the caller unchanged."""

    class Odd(Exception):
        pass

    error = Odd("no")

    @spanruns.tool
    def fail() -> None:
        raise error

    with pytest.raises(Odd) as caught:
        fail()
    assert caught.value is error
    (call,) = captured.spans
    name = f"{__name__}.test_failure.<locals>.Odd"
    assert (call.status, call.message) == ("ERROR", f"{name}: no")
    assert call.attributes["error.type"] == name
    ((event, attributes),) = call.events
    assert (event, attributes["exception.type"], attributes["exception.message"]) == ("exception", name, "no")
    assert "raise error" in attributes["exception.stacktrace"]


def test_builtin_exception_has_its_bare_name(captured: Captured) -> None:
    """Builtins are named as OpenTelemetry names them, without a module."""
    with pytest.raises(ValueError, match="no"), spanruns.tool("t"):
        raise ValueError("no")
    assert captured.spans[0].attributes["error.type"] == "ValueError"


def test_exception_that_cannot_be_printed(captured: Captured) -> None:
    """An exception whose text raises is still recorded, and still reaches the caller."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with pytest.raises(Broken), spanruns.tool("t"):
        raise Broken
    (call,) = captured.spans
    assert call.status == "ERROR"
    assert call.events[0][1]["exception.type"].endswith("Broken")


def test_cancelled_task_ends_its_span_once(captured: Captured) -> None:
    """A cancelled call is no error: its status stays unset, the exception's class is told."""

    @spanruns.tool
    async def wait() -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert captured.spans == [span("wait", **{"error.type": "asyncio.exceptions.CancelledError"})]


def test_generator_closed_early_is_a_success(captured: Captured) -> None:
    """A consumer that has had enough is an ordinary end; what came until then is the result."""

    @spanruns.tool
    def count() -> Iterator[int]:
        yield from range(1_000_000)

    items = count()
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined] # a generator at run time
    assert captured.spans == [span("count", **{"gen_ai.tool.call.result": "[0]"})]


def test_generator_that_fails(captured: Captured) -> None:
    """What came until the failure is the result, and the failure is one."""

    @spanruns.tool
    def count() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(count())
    (call,) = captured.spans
    assert (call.status, call.attributes["gen_ai.tool.call.result"]) == ("ERROR", "[1]")


def test_generator_takes_what_is_sent_and_thrown(captured: Captured) -> None:
    """`send`, `throw` and the returned value pass through."""

    @spanruns.tool
    def echo() -> Iterator[object]:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "end"  # type: ignore[return-value] # a generator at run time

    items = echo()
    assert next(items) == "ready"
    assert items.send("x") == "x"  # type: ignore[attr-defined]
    assert items.throw(KeyError()) == "caught"  # type: ignore[attr-defined]
    with pytest.raises(StopIteration) as stop:
        next(items)
    assert stop.value.value == "end"
    assert captured.spans[0].attributes["gen_ai.tool.call.result"] == '["ready","x","caught"]'


def test_consumer_of_a_generator_is_not_inside_it(captured: Captured) -> None:
    """What the consumer does between two items does not belong to the tool; what the tool does, does."""

    @spanruns.tool
    def inner() -> int:
        return 1

    @spanruns.tool
    def produce() -> Iterator[int]:
        yield inner()

    for _ in produce():
        inner()
    inside, outside, produced = captured.spans
    assert (inside.parent_id, outside.parent_id) == (produced.span_id, None)


def test_async_consumer_is_not_inside_it(captured: Captured) -> None:
    """The same for async generators, also when the consumer stops early."""

    @spanruns.tool
    async def inner() -> int:
        return 1

    @spanruns.tool
    async def produce() -> AsyncIterator[int]:
        yield await inner()
        yield 2

    async def consume() -> None:
        items = produce()
        async for _ in items:
            await inner()
            break
        await items.aclose()  # type: ignore[attr-defined]

    asyncio.run(consume())
    inside, outside, produced = captured.spans
    assert (inside.parent_id, outside.parent_id, produced.status) == (produced.span_id, None, "UNSET")


def test_returned_generator_is_covered(captured: Captured) -> None:
    """A plain function that returns a generator has only begun when it returns."""

    @spanruns.tool
    def numbers() -> Iterator[int]:
        return (number for number in range(2))

    items = numbers()
    assert captured.spans == []
    assert list(items) == [0, 1]
    assert captured.spans == [span("numbers", **{"gen_ai.tool.call.result": "[0,1]"})]


def test_returned_coroutine_is_covered(captured: Captured) -> None:
    """A plain function that returns a coroutine has only begun when it returns."""

    async def work() -> int:
        return 1

    @spanruns.tool
    def start() -> object:
        return work()

    assert asyncio.run(start()) == 1  # type: ignore[arg-type] # a coroutine at run time
    assert captured.spans == [span("start", **{"gen_ai.tool.call.result": "1"})]


def test_nested_and_concurrent_calls_find_their_parents(captured: Captured) -> None:
    """Calls inside a call are its children, in every task of their own."""

    @spanruns.tool
    async def leaf(number: int) -> int:
        await asyncio.sleep(0)
        return number

    @spanruns.tool
    async def branch(number: int) -> list[int]:
        return list(await asyncio.gather(leaf(number), leaf(number)))

    async def tree() -> None:
        await asyncio.gather(branch(1), branch(2))

    asyncio.run(tree())
    branches = {call.span_id: call for call in captured.tools if call.parent_id is None}
    parents = [
        (
            call.attributes["gen_ai.tool.call.arguments"],
            branches[call.parent_id].attributes["gen_ai.tool.call.arguments"],
        )
        for call in captured.tools
        if call.parent_id is not None
    ]
    assert sorted(parents) == [('{"number":1}', '{"number":1}')] * 2 + [('{"number":2}', '{"number":2}')] * 2


def test_signature_is_kept() -> None:
    """Frameworks read signature, docstring and annotations of a tool: they must be the function's own."""

    def look_up(city: str, days: int = 1) -> str:
        """Weather of a city."""
        return city * days

    tool = spanruns.tool(look_up)
    assert inspect.signature(tool) == inspect.signature(look_up)
    assert (tool.__name__, tool.__doc__, tool.__annotations__) == (
        "look_up",
        "Weather of a city.",
        look_up.__annotations__,
    )


def test_capture_can_be_switched_off(captured: Captured) -> None:
    """A tool may keep what it is given and answers to itself."""

    @spanruns.tool(capture=False)
    def secret(word: str) -> str:
        return word

    secret("x")
    with spanruns.tool("secret", arguments={"word": "x"}, capture=False):
        pass
    assert [call.attributes for call in captured.tools] == [span("secret").attributes] * 2


def test_what_is_said_by_hand_is_sent_without_capture(captured: Captured) -> None:
    """`capture` is about what would be taken without a word; who calls `set_result` says a word."""
    with spanruns.tool("secret", arguments={"word": "x"}, capture=False) as call:
        call.set_result("yes")
    assert captured.spans == [span("secret", **{"gen_ai.tool.call.result": '"yes"'})]


def test_giant_result_is_cut(captured: Captured) -> None:
    """What is too long is cut, its size is kept."""

    @spanruns.tool
    def much() -> str:
        return "x" * 1_000_000

    much()
    attributes = captured.spans[0].attributes
    assert len(attributes["gen_ai.tool.call.result"]) == 65_536
    assert attributes["gen_ai.tool.call.result.size"] > 65_536


def test_wrong_call_fails_as_without_us(captured: Captured) -> None:
    """A call with wrong arguments raises the TypeError of the function, and is recorded as failed."""

    @spanruns.tool
    def one(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="positional argument"):
        one(1, 2)  # type: ignore[call-arg]
    assert captured.spans[0].attributes["error.type"] == "TypeError"
