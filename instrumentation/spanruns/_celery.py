"""Celery: decorated tasks are queued runs from the moment they are sent, and workers lose nothing they finished."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from spanruns import _guard, _pipeline
from spanruns._queue import flush_worker, message_headers, received
from spanruns._threads import RUN_MARK

HEADER: Final = "spanruns"
"""The one message header that holds ours: Celery copies headers to retries as they are."""

_running: dict[str, ExitStack] = {}


def install() -> None:
    """Connect with Celery's signals; called once it has been imported."""
    signals = sys.modules["celery.signals"]
    for signal, receiver in (
        (signals.before_task_publish, _before_publish),
        (signals.task_prerun, _before_run),
        (signals.task_postrun, _after_run),
        (signals.worker_process_shutdown, _worker_ends),
        (signals.worker_shutting_down, _worker_ends),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"spanruns-{receiver.__name__}")


def _before_publish(sender: object = None, headers: Any = None, routing_key: object = None, **_: object) -> None:
    """Put what the worker needs into the message; a task that is a run is announced as queued.

    A retry is sent anew and is a run of its own, a redelivered message is the same run once more.
    """
    with _guard.guarded("sending a Celery task"):
        if not isinstance(headers, dict) or _pipeline.current() is None:
            return
        trigger, detail = ("schedule", str(sender)) if _from_beat() else ("event", str(routing_key or "celery"))
        headers[HEADER] = message_headers(_run_name(str(sender)), trigger, detail)


def _run_name(task_name: str) -> str | None:
    """The name of the run a task makes, if the task is known here and decorated with `run`."""
    app = getattr(sys.modules.get("celery"), "current_app", None)
    task = getattr(app, "tasks", {}).get(task_name)
    function = getattr(task, "run", None)
    found = getattr(function, RUN_MARK, None)
    return found if isinstance(found, str) else None


def _from_beat() -> bool:
    """True in the process of `celery beat`, and in the one that `celery worker --beat` has for it."""
    if "celery" in sys.argv[0] and "beat" in sys.argv[1:]:
        return True
    process = getattr(sys.modules.get("billiard.process"), "current_process", None)
    return process is not None and process().name == "Beat"


def _before_run(task_id: str = "", task: Any = None, **_: object) -> None:
    with _guard.guarded("starting a Celery task"):
        request = getattr(task, "request", None)
        carried = getattr(request, HEADER, None) or (getattr(request, "headers", None) or {}).get(HEADER)
        if isinstance(carried, Mapping):
            stack = ExitStack()
            stack.enter_context(received(carried))
            _running[task_id] = stack


def _after_run(task_id: str = "", **_: object) -> None:
    with _guard.guarded("ending a Celery task"):
        stack = _running.pop(task_id, None)
        if stack is not None:
            stack.close()


def _worker_ends(**_: object) -> None:
    """A worker process is recycled by leaving abruptly: send what it has first."""
    with _guard.guarded("flushing a Celery worker"):
        flush_worker()
