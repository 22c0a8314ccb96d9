"""The public names."""

from __future__ import annotations

import pytest
import spanruns


def test_public_names_are_these() -> None:
    """What a service may import is a promise, so a change here is a decision."""
    assert spanruns.__all__ == [
        "Run",
        "RunBlock",
        "ToolBlock",
        "ToolCall",
        "Waiting",
        "bind",
        "configure",
        "current_run",
        "enqueue",
        "flush",
        "identity",
        "received",
        "resume",
        "run",
        "tool",
    ]


def test_every_public_name_is_documented() -> None:
    """A public name without a docstring cannot be found out about."""
    assert [name for name in spanruns.__all__ if not getattr(spanruns, name).__doc__] == []


@pytest.mark.parametrize(
    ("handle", "names"),
    [
        (
            spanruns.Run,
            """
            add_rows add_tag cancel fail progress resumed run_id set_attribute set_input set_output set_parameters
            set_session set_trigger set_user span span_id suspend trace_id waiting_for
            """,
        ),
        (spanruns.ToolCall, "set_arguments set_attribute set_call_id set_result span"),
    ],
)
def test_handles_have_what_a_service_may_call(handle: type, names: str) -> None:
    """And nothing that ends a run or makes it current: that is for whoever began it."""
    assert [name for name in dir(handle) if not name.startswith("_")] == names.split()
