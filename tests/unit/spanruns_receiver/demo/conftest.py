"""Rows as the API answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Row = dict[str, Any]


@pytest.fixture
def row() -> Callable[..., Row]:
    """Makes a row of `/api/runs`: a success that took two seconds, but for what is given."""

    def make(run_id: str, **fields: Any) -> Row:
        return {
            "run_id": run_id,
            "parent_run_id": "",
            "agent_name": "planner",
            "service_name": "travel",
            "status": "success",
            "started_at": "2026-03-01T10:00:00+00:00",
            "ended_at": "2026-03-01T10:00:02+00:00",
            "duration_ms": 2000,
            "tool_call_count": 0,
            "tool_error_count": 0,
            "model_call_count": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "progress_done": None,
            "progress_total": None,
            **fields,
        }

    return make
