"""The C library's allocator."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import threading
import psutil
from spanruns_receiver import allocator

assert allocator.keep_blocks() or not __import__("platform").libc_ver()[0]
rss = psutil.Process().memory_info
before = rss().rss

def use():
    for size in range(2, 30, 2):
        block = bytearray(size * 2**20)
        block[:: 4096] = b"x" * len(block[:: 4096])
        del block

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
allocator.give_back()
print((rss().rss - before) // 2**20)
"""


def test_large_blocks_are_given_back() -> None:
    """Threads that had blocks of many sizes, 28 MB at most, leave two of them behind at most."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 60
