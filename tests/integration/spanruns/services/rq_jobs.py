"""Jobs of RQ: one is a run, one makes a run, one fails. A worker imports it."""

import os

import spanruns
import spanruns.auto
from redis import Redis
from rq import Queue
from rq.worker import Worker


@spanruns.run("import_orders")
def import_orders(number: int) -> int:
    """A job that is a run."""
    if number == 2:
        raise ValueError("no such order")
    return number


def plain() -> None:
    """A job that makes a run."""
    with spanruns.run("inside"):
        pass


class LocalWorker(Worker):
    """A worker that does not ask for its own address, the one thing that the stand-in for Redis cannot tell."""

    def _set_ip_address(self, connection: object) -> None:
        self.ip_address = "127.0.0.1"


def main() -> None:
    """Enqueue some."""
    queue = Queue("jobs", connection=Redis.from_url(os.environ["REDIS_URL"]))
    for number in range(3):
        queue.enqueue(import_orders, number)
    queue.enqueue(plain)
