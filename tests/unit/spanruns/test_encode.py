"""Any value as JSON."""

from __future__ import annotations

import enum
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from spanruns._encode import MAX_NODES, SLACK, to_json, to_sized_json

LIMIT = 65_536


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    id: int
    secret: str = field(repr=False, default="hidden")


class Model(BaseModel):
    name: str
    token: str = Field(default="hidden", repr=False)


class Lazy:
    """Like an ORM query: showing it would run it."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("was iterated")

    def __repr__(self) -> str:
        raise AssertionError("was shown")


class Shown:
    def __repr__(self) -> str:
        return "Shown(1)"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ("text", "text"),
        ({"a": [1, 2.5, True, None]}, {"a": [1, 2.5, True, None]}),
        ((1, 2), [1, 2]),
        ({1: "a", (1, 2): "b"}, {"1": "a", "[1, 2]": "b"}),
        (float("nan"), "nan"),
        ([float("inf")], ["inf"]),
        (Colour.RED, "red"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Order(1), {"id": 1}),
        (Model(name="n"), {"name": "n"}),
        ({3, 1} - {3}, [1]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Path("a/b"), "a/b"),
        (b"text", "text"),
        (b"\xff\xfe", "<2 bytes: //4=>"),
        (Shown(), "Shown(1)"),
        (Lazy(), "<Lazy>"),
        (Broken(), "<Broken>"),
        (object(), "<object>"),
        (threading.Lock, "<builtin_function_or_method>"),
        (len, "len"),
        (int, "int"),
        ({"order": Order(1)}, {"order": {"id": 1}}),
    ],
)
def test_value_is_shown_as(value: object, shown: object) -> None:
    """Plain values as they are, others by their own plain content, the rest by what they are."""
    if value is threading.Lock:
        assert isinstance(json.loads(to_json(value, LIMIT)), str)
    else:
        assert json.loads(to_json(value, LIMIT)) == shown


def test_cyclic_value_ends() -> None:
    """A value that contains itself is cut at some depth instead of going on."""
    value: list[Any] = [1]
    value.append(value)
    assert "<list>" in to_json(value, LIMIT)


def test_giant_list_costs_little() -> None:
    """Only the beginning of a giant list is encoded, and what is left out is counted."""
    shown = json.loads(to_json(list(range(1_000_000)), LIMIT))
    assert (shown[0], shown[-1], len(shown) < MAX_NODES + 10) == (0, f"… {1_000_000 - len(shown) + 1} more", True)


def test_giant_mapping_says_what_is_missing() -> None:
    """Only the beginning of a giant mapping is encoded, and what is left out is counted."""
    shown = json.loads(to_json({str(i): i for i in range(10_000)}, LIMIT))
    assert shown["…"] == f"{10_000 - len(shown) + 1} more"


def test_giant_text_keeps_slack_for_masking() -> None:
    """A text is cut beyond the limit, so that a secret across the limit is still whole when it is masked."""
    shown = json.loads(to_json({"a": "x" * 1_000_000}, 100))
    assert shown == {"a": "x" * (100 + SLACK)}


def test_size_of_a_cut_text_is_known() -> None:
    """Whoever sends it can tell how long the value was."""
    assert to_sized_json({"a": "x" * 1_000_000}, 100)[1] == 1_000_008
    assert to_sized_json("ä" * 10_000, 100)[1] == 20_002
    assert to_sized_json("x" * 100, 100)[1] is None


def test_request_object_of_a_framework_is_not_opened() -> None:
    """Contexts and requests of frameworks hold half of the service; only their type is shown."""
    from pydantic_ai import Agent

    assert json.loads(to_json({"ctx": Agent("test")}, LIMIT)) == {"ctx": "<Agent>"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
        max_leaves=30,
    )
)
def test_plain_json_survives(value: object) -> None:
    """What is JSON already comes out equal."""
    assert json.loads(to_json(value, LIMIT)) == value
