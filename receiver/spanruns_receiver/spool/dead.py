"""Dead letters: what the store refused for good, kept with the reason until somebody decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanruns_receiver.signals import Signal
from spanruns_receiver.spool.files import sync_directory, write_whole


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
    and why.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.size_bytes = sum(letter.size_bytes for letter in self)

    def add(self, letter: DeadLetter, payload: bytes) -> None:
        """Keep `payload` durably; adding the same name again replaces it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new = not self._path(letter.name, "json").exists()
        write_whole(self._path(letter.name, "pb"), payload)
        write_whole(self._path(letter.name, "json"), json.dumps(asdict(letter), indent=1).encode())
        if new:
            self.size_bytes += letter.size_bytes

    def payload(self, letter: DeadLetter) -> bytes:
        """The request of `letter`."""
        return self._path(letter.name, "pb").read_bytes()

    def remove(self, letter: DeadLetter) -> None:
        """Forget `letter`."""
        self._path(letter.name, "json").unlink(missing_ok=True)
        self._path(letter.name, "pb").unlink(missing_ok=True)
        sync_directory(self._directory)
        self.size_bytes -= letter.size_bytes

    def __iter__(self) -> Iterator[DeadLetter]:
        for path in sorted(self._directory.glob("*.json")):
            fields: dict[str, Any] = json.loads(path.read_bytes())
            yield DeadLetter(**fields)

    def _path(self, name: str, suffix: str) -> Path:
        return self._directory / f"{name}.{suffix}"
