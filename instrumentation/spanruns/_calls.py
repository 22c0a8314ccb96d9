"""Wraps callables of every kind so that one block covers one call; the kind is decided once, at decoration.

A block is current while the callable's own code runs: a generator's consumer does not run inside it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Protocol

from spanruns import _guard
from spanruns._encode import to_json

_LATER = (GeneratorType, AsyncGeneratorType, CoroutineType)
MAX_ITEMS = 1_000
"""Items of a generator that are kept as its output."""


class Block(Protocol):
    """One call that is being recorded. None of its methods raises."""

    @property
    def limit(self) -> int:
        """Size limit of a captured value, bytes; 0 if results are not captured."""

    def enter(self) -> None:
        """Make it current."""

    def leave(self) -> None:
        """Make it not current any more; it goes on."""

    @property
    def is_current(self) -> bool:
        """True if this code runs inside it."""

    def give(self, result: object) -> None:
        """Keep the result of the call."""

    def give_json(self, text: str) -> None:
        """Keep a result that is JSON already."""

    def finish(self, error: BaseException | None) -> None:
        """The call has ended."""


Start = Callable[[tuple[Any, ...], dict[str, Any]], "Block | None"]
"""Starts a block for a call; None if this call is not to be recorded."""


def wrap(function: Any, start: Start) -> Any:
    """The callable with a block around each call. `function` may be a class- or staticmethod object."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(wrap(function.__func__, start))
    target = function if inspect.isroutine(function) or inspect.isfunction(function) else _code_of(function)
    if inspect.isasyncgenfunction(target):
        return _wrap_async_generator(function, start)
    if inspect.isgeneratorfunction(target):
        return _wrap_generator(function, start)
    if inspect.iscoroutinefunction(target):
        return _wrap_coroutine(function, start)
    return _wrap_plain(function, start)


def _code_of(function: Any) -> Any:
    """What tells the kind: of a partial its function, of an object its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004


def _wraps(function: Any) -> Callable[[Any], Any]:
    return functools.wraps(function, updated=("__dict__",) if hasattr(function, "__dict__") else ())


def _wrap_plain(function: Any, start: Start) -> Any:
    @_wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        block = start(args, kwargs)
        if block is None:
            return function(*args, **kwargs)
        block.enter()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            block.leave()
            block.finish(error)
            raise
        block.leave()
        if type(result) in _LATER:  # the call has only just begun
            return _later(result, block)
        block.give(result)
        block.finish(None)
        return result

    return call


def _wrap_coroutine(function: Any, start: Start) -> Any:
    @_wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        block = start(args, kwargs)
        if block is None:
            return await function(*args, **kwargs)
        return await _await(function, args, kwargs, block)

    return call


async def _await(function: Callable[..., Awaitable[Any]], args: Any, kwargs: Any, block: Block) -> Any:
    block.enter()
    try:
        result = await function(*args, **kwargs)
    except GeneratorExit as error:  # closed or collected, maybe in another context, where there is nothing to leave
        if block.is_current:
            block.leave()
        block.finish(error)
        raise
    except BaseException as error:
        block.leave()
        block.finish(error)
        raise
    block.leave()
    if type(result) in (GeneratorType, AsyncGeneratorType):
        return _later(result, block)
    block.give(result)
    block.finish(None)
    return result


def _later(result: Any, block: Block) -> Any:
    """A generator or coroutine object that a plain callable returned, driven inside its block."""
    if type(result) is GeneratorType:
        return _drive(result, block)
    if type(result) is AsyncGeneratorType:
        return _drive_async(result, block)

    async def later() -> Any:
        return await result

    return _await(later, (), {}, block)


def _wrap_generator(function: Any, start: Start) -> Any:
    @_wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        block = start(args, kwargs)
        if block is None:
            return (yield from function(*args, **kwargs))
        return (yield from _drive(function(*args, **kwargs), block))

    return call


def _wrap_async_generator(function: Any, start: Start) -> Any:
    @_wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        block = start(args, kwargs)
        generator = function(*args, **kwargs)
        driven = generator if block is None else _drive_async(generator, block)
        try:
            sent = None
            while True:
                try:
                    item = await driven.asend(sent)
                except StopAsyncIteration:
                    return
                while True:
                    try:
                        sent = yield item
                        break
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        try:
                            item = await driven.athrow(error)
                        except StopAsyncIteration:
                            return
        finally:
            await driven.aclose()

    return call


class _Items:
    """The items of a generator as JSON, up to the size limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._texts: list[str] = []
        self._size = 0
        self._more = 0

    def add(self, item: object) -> None:
        if not self._limit:
            return
        if self._size > self._limit or len(self._texts) >= MAX_ITEMS:
            self._more += 1
            return
        try:
            text = to_json(item, self._limit)
        except Exception:
            _guard.swallow("capturing a generator's item")
            return
        self._texts.append(text)
        self._size += len(text)

    def give_to(self, block: Block) -> None:
        if self._limit:
            more = [f'"… {self._more} more"'] if self._more else []
            block.give_json(f"[{','.join([*self._texts, *more])}]")


def _drive(generator: Generator[Any, Any, Any], block: Block) -> Generator[Any, Any, Any]:
    items = _Items(block.limit)
    step: Callable[[], Any] = generator.__next__
    while True:
        block.enter()
        try:
            item = step()
        except StopIteration as stop:
            block.leave()
            items.give_to(block)
            block.finish(None)
            return stop.value
        except BaseException as error:
            block.leave()
            items.give_to(block)
            block.finish(error)
            raise
        block.leave()
        items.add(item)
        try:
            sent = yield item
        except GeneratorExit:
            _close(generator, block, items)
            raise
        except BaseException as error:
            step = functools.partial(generator.throw, error)
        else:
            step = generator.__next__ if sent is None else functools.partial(generator.send, sent)


def _close(generator: Generator[Any, Any, Any], block: Block, items: _Items) -> None:
    """The consumer has had enough: that is an ordinary end, unless closing itself fails."""
    items.give_to(block)
    block.enter()
    try:
        generator.close()
    except BaseException as error:
        block.leave()
        block.finish(error)
        raise
    block.leave()
    block.finish(None)


async def _drive_async(generator: AsyncGenerator[Any, Any], block: Block) -> AsyncGenerator[Any, Any]:
    items = _Items(block.limit)
    step: Callable[[], Awaitable[Any]] = generator.__anext__
    while True:
        block.enter()
        try:
            item = await step()
        except StopAsyncIteration:
            block.leave()
            items.give_to(block)
            block.finish(None)
            return
        except BaseException as error:
            block.leave()
            items.give_to(block)
            block.finish(error)
            raise
        block.leave()
        items.add(item)
        try:
            sent = yield item
        except GeneratorExit:
            await _aclose(generator, block, items)
            raise
        except BaseException as error:
            step = functools.partial(generator.athrow, error)
        else:
            step = generator.__anext__ if sent is None else functools.partial(generator.asend, sent)


async def _aclose(generator: AsyncGenerator[Any, Any], block: Block, items: _Items) -> None:
    items.give_to(block)
    block.enter()
    try:
        await generator.aclose()
    except BaseException as error:
        block.leave()
        block.finish(error)
        raise
    block.leave()
    block.finish(None)
