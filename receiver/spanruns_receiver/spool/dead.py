"""Dead letters: what the store refused for good, kept with the reason until somebody decides."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanruns_receiver.signals import SIGNALS, Signal
from spanruns_receiver.spool.files import sync_directory, write_whole

_log = logging.getLogger(__name__)

_SIZE_MAX_AGE_S = 1.0


@dataclass(frozen=True)
class DeadLetter:
    """One refused request, or the part of one that was refused.

    `table` is empty when the request could not even be decoded; `code` is ClickHouse's error number, 0 for
    none.
    """

    name: str
    signal: Signal
    table: str
    reason: str
    code: int
    items: int
    received_at_ns: int
    size_bytes: int


class DeadLetters:
    """The dead letters in `directory`: `NAME.pb` is an `Export*ServiceRequest`, `NAME.json` says what it is
    and why. Other processes may take some away.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counted_at = float("-inf")
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all requests, as they were at most a second ago."""
        if time.monotonic() - self._counted_at > _SIZE_MAX_AGE_S:
            self._size_bytes = sum(_size_of(path) for path in self._directory.glob("*.pb"))
            self._counted_at = time.monotonic()
        return self._size_bytes

    def add(self, letter: DeadLetter, payload: bytes) -> None:
        """Keep `payload` durably; adding the same name again replaces it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(letter.name, "pb"), payload)
        write_whole(self._path(letter.name, "json"), json.dumps(asdict(letter), indent=1).encode())
        self._counted_at = float("-inf")

    def payload(self, letter: DeadLetter) -> bytes:
        """The request of `letter`."""
        return self._path(letter.name, "pb").read_bytes()

    def remove(self, letter: DeadLetter) -> None:
        """Forget `letter`."""
        self._path(letter.name, "json").unlink(missing_ok=True)
        self._path(letter.name, "pb").unlink(missing_ok=True)
        sync_directory(self._directory)
        self._counted_at = float("-inf")

    def __iter__(self) -> Iterator[DeadLetter]:
        """Every letter that can be read; the log names the others, whose files stay as they are."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield self._read(path)
            except FileNotFoundError:
                if path.exists():
                    _log.error("%s has lost its request, %s", path, path.with_suffix(".pb").name)
            except (ValueError, TypeError) as error:
                _log.error("%s is damaged, its request is in %s: %s", path, path.with_suffix(".pb").name, error)

    def _read(self, path: Path) -> DeadLetter:
        fields: dict[str, Any] = json.loads(path.read_bytes())
        letter = DeadLetter(**fields)
        if letter.name != path.stem or letter.signal not in SIGNALS:
            raise ValueError(f"{letter.name}, {letter.signal}")
        self._path(letter.name, "pb").stat()
        return letter

    def _path(self, name: str, suffix: str) -> Path:
        return self._directory / f"{name}.{suffix}"


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # taken away meanwhile
        return 0
