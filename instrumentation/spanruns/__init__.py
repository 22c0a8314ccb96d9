"""Run history for agents and jobs: what a service imports.

import spanruns.auto          # everything from the environment, frameworks included

@spanruns.run                 # a job of your own
def nightly(region: str) -> int: ...

@spanruns.tool                # a tool of your own
def look_up(city: str) -> str: ...
"""

import spanruns._env  # noqa: F401  # isort: skip - before anything imports OpenTelemetry
from spanruns._ambient import identity
from spanruns._configure import configure, flush
from spanruns._handle import Run, Waiting, current_run
from spanruns._queue import enqueue, received
from spanruns._resume import resume
from spanruns._run import RunBlock, run
from spanruns._threads import bind
from spanruns._tool import ToolBlock, ToolCall, tool

__all__ = [
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
