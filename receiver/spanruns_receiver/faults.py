"""Faults: what the kernel maps when a page of a file is touched."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
from functools import cache
from pathlib import Path

# <linux/userfaultfd.h>, userfaultfd(2); the call has no function in the C library.
_CALL = {"x86_64": 323, "aarch64": 282}
_USER_MODE_ONLY = 1  # allowed to everybody
_API = 0xAA
_IOCTL_API, _IOCTL_REGISTER = 0xC018AA3F, 0xC020AA00
_WRITE_PROTECT_ASYNC = 1 << 15  # nobody has to answer faults; Linux 6.7
_REGISTER_WRITE_PROTECT = 1 << 1

_STATUS = Path("/proc/self/status")  # proc(5)


def map_single_pages(start: int, end: int) -> bool:
    """Have faults between two addresses map the page that is touched and no others; whether that could be set.

    What else is in the cache of files is otherwise mapped with it, 64 KiB around or a whole large folio of it, and counted as
    memory of the process: of the engine's library 60 MB for 7 that a query touches. The kernel leaves it out where it has to
    know of every page that is written to, so it is asked to watch for that, in places where nothing is ever written.
    """
    watcher = _watcher()
    if watcher is None:
        return False
    try:
        fcntl.ioctl(
            watcher, _IOCTL_REGISTER, bytearray(struct.pack("QQQQ", start, end - start, _REGISTER_WRITE_PROTECT, 0))
        )
    except OSError:
        return False
    return True


@cache
def _watcher() -> int | None:
    """What the kernel is asked through, open as long as the process lives; None where it cannot be (older kernels, containers)."""
    call = _CALL.get(platform.machine()) if platform.system() == "Linux" else None
    if call is None or _is_confined():
        return None
    watcher: int = ctypes.CDLL(None).syscall(call, os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY)
    if watcher < 0:
        return None
    try:
        fcntl.ioctl(watcher, _IOCTL_API, bytearray(struct.pack("QQQ", _API, _WRITE_PROTECT_ASYNC, 0)))
    except OSError:
        os.close(watcher)
        return None
    return watcher


def _is_confined() -> bool:
    """Whether only some calls are allowed: one that is not may end the process."""
    try:
        return "Seccomp:\t0\n" not in _STATUS.read_text()
    except OSError:
        return True
