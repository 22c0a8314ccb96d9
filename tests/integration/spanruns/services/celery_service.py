"""Celery tasks: one is a run, one makes a run. Run as a program it sends some of them; a worker imports it."""

import os

import spanruns
import spanruns.auto
from celery import Celery

app = Celery("celery_service", broker="filesystem://", backend="cache+memory://")
folder = os.environ["QUEUE_FOLDER"]
app.conf.update(
    broker_transport_options={"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder},
    worker_max_tasks_per_child=2,
    task_default_queue="jobs",
    beat_schedule={"every moment": {"task": "import_orders", "schedule": 0.5, "args": (100,)}},
)


@app.task(name="import_orders")  # type: ignore[untyped-decorator] # Celery has no types
@spanruns.run("import_orders")
def import_orders(number: int) -> int:
    """A task that is a run."""
    return number


@app.task(name="plain")  # type: ignore[untyped-decorator] # Celery has no types
def plain() -> None:
    """A task that makes a run."""
    with spanruns.run("inside"):
        pass


if __name__ == "__main__":
    with spanruns.run("asker"):
        for number in range(5):
            import_orders.delay(number)
    plain.delay()
