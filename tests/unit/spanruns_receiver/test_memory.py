"""Memory for requests: counted, and bounded."""

from __future__ import annotations

import pytest
from spanruns_receiver.memory import MemoryBudget
from spanruns_schema.errors import Overloaded


def test_limit() -> None:
    """What is beyond the limit is refused until there is room."""
    memory = MemoryBudget(100)
    with memory.share(60), memory.share() as share:
        share.take(40)
        with pytest.raises(Overloaded, match="100 of 100 bytes of memory"):
            share.take(1)
        assert memory.used_bytes == 100
        share.give(30)
        share.take(20)
        with pytest.raises(Overloaded), memory.share(20):
            pass
        assert memory.used_bytes == 90
    assert memory.used_bytes == 0


def test_large_request_is_let_in_alone() -> None:
    """One that is larger than the whole limit has it for itself, however it grows."""
    memory = MemoryBudget(100)
    with memory.share(50) as share:
        share.take(1000)
        with pytest.raises(Overloaded), memory.share(1):
            pass
    with memory.share(1), memory.share(50) as share, pytest.raises(Overloaded):
        share.take(1000)
    assert memory.used_bytes == 0
