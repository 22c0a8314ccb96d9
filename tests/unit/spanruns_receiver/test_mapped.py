"""Pages of programs."""

from __future__ import annotations

import subprocess
import sys

from spanruns_receiver.mapped import unchanged

_PROGRAM = """
import re
from pathlib import Path
import numpy
import pyarrow.compute
from spanruns_receiver import mapped

def of_files_kb():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def work():
    return pyarrow.compute.sum(pyarrow.array(numpy.arange(10))).as_py()

assert work() == 45
before = of_files_kb()
mapped.let_go()
print(before, of_files_kb(), work())
"""


def mapping(head: str, *, rss: int, anonymous: int = 0, swap: int = 0) -> str:
    """What the kernel says of one mapping."""
    sizes = {"Rss": rss, "Shared_Clean": rss, "Anonymous": anonymous, "Swap": swap}
    return head + "\n" + "".join(f"{name}:  {kb} kB\n" for name, kb in sizes.items()) + "VmFlags: rd mr mw me\n"


def test_only_what_files_have_is_let_go() -> None:
    """Code and constants as the file has them; nothing that can be written, belongs to others, or was relocated before."""
    library = "fe:00 247741                     /usr/lib/a library.so"
    smaps = "".join(
        (
            mapping(f"1000-3000 r-xp 00003000 {library}", rss=2000),
            mapping(f"7f0000000000-7f0000001000 r--p 00000000 {library} (deleted)", rss=256),
            mapping(f"5000-6000 r--p 00000000 {library}", rss=255),
            mapping(f"6000-7000 r--p 00000000 {library}", rss=2000, anonymous=4),
            mapping(f"7000-8000 r--p 00000000 {library}", rss=2000, swap=4),
            mapping(f"8000-9000 rw-p 00000000 {library}", rss=2000),
            mapping(f"9000-a000 r--s 00000000 {library}", rss=2000),
            mapping("a000-b000 r-xp 00000000 00:00 0", rss=2000),
            mapping("b000-c000 r-xp 00000000 00:00 0          [vdso]", rss=2000),
        )
    )
    assert list(unchanged(smaps)) == [(0x1000, 0x3000), (0x7F0000000000, 0x7F0000001000)]


def test_programs_go_on() -> None:
    """Most of their pages are let go of, and come back as they are needed."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    before, after, result = map(int, done.stdout.split())
    assert result == 45
    assert after < before / 2 or sys.platform != "linux"
