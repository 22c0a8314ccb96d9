"""The public names."""

from __future__ import annotations

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
