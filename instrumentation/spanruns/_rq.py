"""RQ: decorated functions are queued runs from the moment they are enqueued; work horses send before they leave.

What the worker needs is in the job's `meta`, under one key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import wrapt

from spanruns import _guard, _pipeline
from spanruns._queue import flush_worker, message_headers, received
from spanruns._threads import RUN_MARK

META: Final = "spanruns"


def install() -> None:
    """Watch RQ's queues, jobs and workers; called once it has been imported."""
    wrapt.wrap_function_wrapper(sys.modules["rq.queue"], "Queue._enqueue_job", _enqueue)
    wrapt.wrap_function_wrapper(sys.modules["rq.job"], "Job.perform", _perform)
    wrapt.wrap_function_wrapper(sys.modules["rq.worker"], "Worker.perform_job", _perform_in_worker)


def _enqueue(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Every way into a queue comes along here: a retry or a repetition is a run of its own."""
    with _guard.guarded("enqueuing a job of RQ"):
        job = args[0] if args else kwargs.get("job")
        if job is not None and isinstance(job.meta, dict) and _pipeline.current() is not None:
            trigger = "schedule" if _from_cron() else "event"
            job.meta[META] = message_headers(_run_name(job), trigger, str(instance.name))
    return wrapped(*args, **kwargs)


def _run_name(job: Any) -> str | None:
    """The name of the run a job makes, if its function is known here and decorated with `run`."""
    module, _, name = str(job.func_name).rpartition(".")
    found = getattr(getattr(sys.modules.get(module), name, None), RUN_MARK, None)
    return found if isinstance(found, str) else None


def _from_cron() -> bool:
    """True in the process of `rq cron`."""
    return "rq" in sys.argv[0].rpartition("/")[2] and "cron" in sys.argv[1:2]


def _perform(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    carried = instance.meta.get(META) if isinstance(instance.meta, Mapping) else None
    with received(carried if isinstance(carried, Mapping) else {}):
        return wrapped(*args, **kwargs)


def _perform_in_worker(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        if getattr(instance, "_is_horse", False):  # a process of its own, which ends by os._exit
            with _guard.guarded("flushing a work horse of RQ"):
                flush_worker()
