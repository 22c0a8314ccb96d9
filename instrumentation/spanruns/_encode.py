"""Any Python value as JSON text, quickly, within a budget, and without side effects on the service.

Arguments and results belong to somebody else: they may be huge, cyclic, lazy (an ORM query runs when it is
printed) or in use by another thread. So a value is first counted up to a budget; only what fits and is plain
goes to the C encoder, the rest is converted piece by piece, and an object that is none of the known plain
kinds is shown by its type.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

MAX_NODES: Final = 2_000
"""Containers and leaves that one value may show; more are counted, not shown."""
MAX_DEPTH: Final = 12
MAX_REPR: Final = 1_000
"""Characters of a foreign object's own text."""
SLACK: Final = 4_096
"""Characters kept beyond the size limit, so that a secret across the cut is still recognised before it is
cut.
"""

_PLAIN_LEAVES: Final = (str, int, float, bool, type(None))
_TEXT_LEAVES: Final = (datetime, date, time, timedelta, UUID, Decimal, PurePath, complex)
_FRAMEWORKS: Final = frozenset(
    """
    pydantic_ai agents mcp fastmcp langgraph langchain_core starlette fastapi flask django werkzeug celery
    aiohttp sqlalchemy httpx requests openai anthropic
    """.split()  # noqa: SIM905 - a list of names reads better as words
)
"""Packages whose objects (contexts, requests, sessions, clients) are shown by type only.

They hold the whole service.
"""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _quick_encoder() -> Callable[[Any], str]:
    """The C encoder made once, instead of at every call as `JSONEncoder.encode` does.

    It does not look for cycles; what it is given has been counted, and a cycle has no end to count.
    """
    try:
        make: Any = vars(json.encoder)["c_make_encoder"]
        chunks = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        if "".join(chunks({"a": [1, "b"]}, 0)) != '{"a":[1,"b"]}':
            return _encoder.encode
    except Exception:  # another Python, or one that makes it differently
        return _encoder.encode
    return lambda value: "".join(chunks(value, 0))


_encode = _quick_encoder()


def to_json(value: object, limit: int) -> str:
    """JSON text of any value; at most about `limit` + SLACK characters of the strings in it.

    Never raises and never calls into a lazy object. The text may be longer than `limit`: cutting is left to
    whoever sends it, after masking.
    """
    return to_sized_json(value, limit)[0]


def to_sized_json(value: object, limit: int) -> tuple[str, int | None]:
    """The same, and the bytes the text would have had, if strings had to be cut already."""
    kept = limit + SLACK
    try:
        if _is_small(value, kept):
            return _encode(value), None
    except (TypeError, ValueError, RecursionError, RuntimeError):
        pass  # not plain after all: NaN, a foreign object, or changed meanwhile by another thread
    budget = _Budget(kept)
    try:
        text = _encoder.encode(_plain(value, budget, 0))
    except Exception:
        return _encoder.encode(_type_name(value)), None
    return text, _size(text) + budget.lost if budget.lost else None


def _size(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _is_small(value: object, kept: int) -> bool:
    """True if the C encoder may take the value as it is: few nodes, plain containers, no giant string."""
    kind: type = type(value)
    if kind is str:
        return len(value) <= kept  # type: ignore[arg-type] # it is a str
    nodes = 0
    stack: list[Any] = [value]
    while stack:
        node = stack.pop()
        kind = type(node)
        nodes += 1
        if nodes > MAX_NODES:
            return False
        if kind is str:
            if len(node) > kept:
                return False
        elif kind is dict:
            if len(node) > MAX_NODES:
                return False
            stack.extend(node.values())
        elif kind is list or kind is tuple:
            if len(node) > MAX_NODES:
                return False
            stack.extend(node)
        elif kind is not int and kind is not float and kind is not bool and node is not None:
            return False
    return True


class _Budget:
    """What is left to show of one value."""

    __slots__ = ("characters", "lost", "nodes")

    def __init__(self, characters: int) -> None:
        self.nodes = MAX_NODES
        self.characters = characters
        self.lost = 0

    def text(self, text: str) -> str:
        if len(text) <= self.characters:
            self.characters -= len(text)
            return text
        shown = text[: self.characters]
        self.lost += _size(text) - _size(shown)
        self.characters = 0
        return shown


def _plain(value: Any, budget: _Budget, depth: int) -> Any:
    budget.nodes -= 1
    if isinstance(value, enum.Enum):
        return _plain(value.value, budget, depth + 1)
    if isinstance(value, str):
        return budget.text(value)
    if isinstance(value, float) and not _finite(value):
        return str(value)
    if isinstance(value, _PLAIN_LEAVES):
        return value
    if budget.nodes <= 0 or depth >= MAX_DEPTH:
        return _type_name(value)
    if isinstance(value, _TEXT_LEAVES):
        return value.isoformat() if isinstance(value, (date, time)) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value[: budget.characters + 1]), len(value), budget)
    return _container(value, budget, depth)


def _container(value: Any, budget: _Budget, depth: int) -> Any:
    if type(value).__module__.partition(".")[0] in _FRAMEWORKS:
        return _type_name(value)
    if isinstance(value, dict):
        return _mapping(value, budget, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        if hasattr(value, "_asdict"):
            return _mapping(value._asdict(), budget, depth)
        return _sequence(value, budget, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value) if f.repr}
        return _mapping(shown, budget, depth)
    fields = getattr(type(value), "model_fields", None)  # pydantic, without importing it
    if isinstance(fields, Mapping):
        state = {name: value.__dict__.get(name) for name, info in fields.items() if getattr(info, "repr", True)}
        return _mapping(state, budget, depth)
    return budget.text(_foreign(value))


def _mapping(value: Mapping[Any, Any], budget: _Budget, depth: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, item in list(value.items())[: max(budget.nodes, 1)]:
        if budget.nodes <= 0:
            break
        shown[key if type(key) is str else budget.text(str(_plain(key, budget, depth + 1)))] = _plain(
            item, budget, depth + 1
        )
    if len(shown) < len(value):
        shown["…"] = f"{len(value) - len(shown)} more"
    return shown


def _sequence(value: Any, budget: _Budget, depth: int) -> list[Any]:
    shown: list[Any] = []
    for item in value:
        if budget.nodes <= 0:
            break
        shown.append(_plain(item, budget, depth + 1))
    if len(shown) < len(value):
        shown.append(f"… {len(value) - len(shown)} more")
    return shown


def _foreign(value: object) -> str:
    """An object's own text, unless making it could run something.

    Iterables are queries, streams, generators.
    """
    kind = type(value)
    if isinstance(value, type):
        return value.__qualname__
    if kind.__repr__ is object.__repr__ or hasattr(kind, "__iter__") or hasattr(kind, "__aiter__"):
        return _type_name(value)
    if callable(value) or hasattr(kind, "__await__"):
        return getattr(value, "__qualname__", None) or _type_name(value)
    text = repr(value)
    return text if len(text) <= MAX_REPR else text[:MAX_REPR] + "…"


def _bytes(start: bytes, size: int, budget: _Budget) -> str:
    try:
        text = start.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(start[:256]).decode()
        return budget.text(f"<{size} bytes: {text}>")
    return budget.text(text)


def _finite(value: float) -> bool:
    return value == value and value not in (float("inf"), float("-inf"))


def _type_name(value: object) -> str:
    return f"<{type(value).__qualname__}>"
