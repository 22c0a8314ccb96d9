"""Lets one process of a service play many scenarios: starting a framework takes longer than using it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import spanruns


def play(scenario: Callable[[str], Coroutine[Any, Any, None] | None]) -> None:
    """Play the scenario that each line of the input names; the answer is a line, once everything has been sent."""
    for line in sys.stdin:
        played = scenario(line.strip())
        if played is not None:
            asyncio.run(played)
        print("sent" if spanruns.flush() else "not sent", flush=True)
