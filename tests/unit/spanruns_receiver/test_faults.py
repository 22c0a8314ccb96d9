"""What is mapped when a page is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, mmap, re, sys
from pathlib import Path
from spanruns_receiver import faults

PAGE = mmap.PAGESIZE
file = open(sys.argv[1], "rb")
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
size = 64 * PAGE
start = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, file.fileno(), ctypes.c_long(0))

def touched_kb():
    assert ctypes.string_at(start + 5 * PAGE, 1) == b"x"
    mine = Path("/proc/self/smaps").read_text().split(f"{start:x}-")[1]
    return int(re.search(r"Rss: +(\\d+) kB", mine)[1])

around = touched_kb()
libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_DONTNEED)
could = faults.map_single_pages(start, start + size)
print(around, touched_kb(), PAGE // 1024, could)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages are told of by Linux only")
def test_only_the_touched_page_is_mapped(tmp_path: Path) -> None:
    """Where the kernel can be asked, none beside it; elsewhere what is there is read all the same."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2**20)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    around, touched, page, could = done.stdout.split()
    assert int(around) >= int(page)
    assert touched == (page if could == "True" else around)


_ELSEWHERE = """
import sys
from pathlib import Path
from spanruns_receiver import faults

if sys.argv[1] == "older":
    faults._CALL.update(dict.fromkeys(faults._CALL, -1))  # a call that no kernel has
else:
    faults._STATUS = Path(sys.argv[1])
print(faults.map_single_pages(0, 2**20))
"""


@pytest.mark.parametrize("status", ["older", "Seccomp:\t2\n", ""])
def test_without_the_kernels_help_it_says_so(status: str, tmp_path: Path) -> None:
    """Older kernels; containers and services that may make some calls only, of which this one might end them; unknown ones."""
    file = tmp_path / "status"
    if status:
        file.write_text(status)
    where = status if status == "older" else str(file)
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, where], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"
