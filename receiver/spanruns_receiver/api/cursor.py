"""Where a page ends, as an opaque text that the next request brings back."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from spanruns_receiver.api.errors import BadParameter

Sort = Literal["started", "duration", "cost", "tokens"]
Order = Literal["asc", "desc"]

FOREIGN = "is not one that this API has given"


@dataclass(frozen=True)
class Cursor:
    """The last row of a page in newest-first order; the next one begins after it."""

    started_at: datetime
    run_id: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Cursor:
        """The cursor after a row of `runs_list`."""
        return cls(datetime.fromisoformat(row["started_at"]), row["run_id"])

    def encode(self) -> str:
        """The text; its content is nobody's business but ours."""
        return encoded([self.started_at.isoformat(), self.run_id])

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """What `encode` gave. Raises `BadParameter` for anything else."""
        try:
            started_at, run_id = decoded(text)
            cursor = cls(datetime.fromisoformat(started_at).astimezone(UTC), run_id)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadParameter("cursor", FOREIGN) from error
        _check_id(run_id)
        return cursor


@dataclass(frozen=True)
class SortedCursor:
    """The last row of a page in another order, which is part of the cursor: it fits no other."""

    sort: Sort
    order: Order
    position: float
    run_id: str

    @classmethod
    def of(cls, row: Mapping[str, Any], sort: Sort, order: Order) -> SortedCursor:
        """The cursor after a row of `runs_sorted`."""
        return cls(sort, order, row["position"], row["run_id"])

    def encode(self) -> str:
        """The text; its content is nobody's business but ours."""
        return encoded([self.sort, self.order, self.position, self.run_id])

    @classmethod
    def decode(cls, text: str, sort: Sort, order: Order) -> SortedCursor:
        """What `encode` gave for the same order. Raises `BadParameter` for anything else."""
        try:
            its_sort, its_order, position, run_id = decoded(text)
            cursor = cls(sort, order, float(position), run_id)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadParameter("cursor", FOREIGN) from error
        _check_id(run_id)
        if (its_sort, its_order) != (sort, order) or not math.isfinite(cursor.position):
            raise BadParameter("cursor", "belongs to another order")
        return cursor


def encoded(parts: list[Any]) -> str:
    """Parts as a text that goes into a URL or a header as it is: one line."""
    data = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def decoded(text: str) -> Any:
    """What `encoded` made a text of. Raises `ValueError` for one that it cannot have made."""
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, RecursionError) as error:
        raise ValueError("no cursor") from error


def _check_id(run_id: object) -> None:
    if not isinstance(run_id, str) or not run_id:
        raise BadParameter("cursor", FOREIGN)
