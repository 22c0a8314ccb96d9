"""Where a page ends, as an opaque text that the next request brings back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spanruns_receiver.api.errors import BadParameter


@dataclass(frozen=True)
class Cursor:
    """The last row of a page; the next one begins after it."""

    started_at: datetime
    run_id: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Cursor:
        """The cursor after a row of `runs_list`."""
        return cls(datetime.fromisoformat(row["started_at"]), row["run_id"])

    def encode(self) -> str:
        """The text; its content is nobody's business but ours."""
        data = json.dumps([self.started_at.isoformat(), self.run_id], separators=(",", ":"))
        return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """What `encode` gave. Raises `BadParameter` for anything else."""
        try:
            started_at, run_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            cursor = cls(datetime.fromisoformat(started_at).astimezone(UTC), run_id)
        except (ValueError, TypeError, OverflowError, binascii.Error) as error:
            raise BadParameter("cursor", "is not one that this API has given") from error
        if not isinstance(run_id, str) or not run_id:
            raise BadParameter("cursor", "is not one that this API has given")
        return cursor
