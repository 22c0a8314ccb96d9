"""One process per directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from spanruns_schema.errors import ConfigError


class DirectoryLock:
    """Holds `directory` for this process until closed or until the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise ConfigError(
                f"{directory} is in use by another process (pid {owner or 'unknown'}): "
                "stop it, or set --data to another directory"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._fd)


def is_locked(directory: Path) -> bool:
    """Whether some process holds `directory` now."""
    try:
        fd = os.open(directory / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
