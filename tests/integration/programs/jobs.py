"""Three jobs one after the other, each long enough to be seen while it runs."""

from __future__ import annotations

import time

import spanruns
import spanruns.auto


@spanruns.run
def job(number: int) -> int:
    """Takes two seconds and a half, in five steps."""
    for step in range(5):
        spanruns.current_run().progress(step, 5)
        time.sleep(0.5)
    return number


if __name__ == "__main__":
    for number in range(3):
        job(number)
