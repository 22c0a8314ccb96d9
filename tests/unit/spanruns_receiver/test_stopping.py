"""How a process ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

ENDS = """
import threading, time
from spanruns_receiver import stopping
threading.Thread(target=time.sleep, args=(float({sleep}),), daemon={daemon}).start()
stopping.leave_behind()
print("left", flush=True)
"""


@pytest.mark.parametrize(("sleep", "daemon", "said"), [(60, False, ""), (0.2, False, "left\n"), (60, True, "left\n")])
def test_threads_that_do_not_end(sleep: float, daemon: bool, said: str) -> None:
    """The process ends in time and well, whatever its threads wait for; what ends by itself is waited for."""
    started = time.monotonic()
    code = ENDS.format(sleep=sleep, daemon=daemon)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert time.monotonic() - started < 40
