"""What is being inserted: a small file that is written before an insert, so that a replay makes the very same
one.

The file has two slots, written in turn; each has a generation and a checksum. A write that is torn by a crash
spoils one slot, and the other still holds the plan before it. That costs one `fdatasync` a plan, a replaced
file would cost two.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanruns_schema.errors import ConfigError

from spanruns_receiver.signals import Signal
from spanruns_receiver.spool.files import read_at, sync, sync_directory, write_at

_log = logging.getLogger(__name__)

_SLOT = struct.Struct("<8sQII")
_MAGIC = b"SPRPLAN1"
SLOT_BYTES = 64 * 2**10
_NEWER = (
    "the spool's plan was written by a newer version of spanruns: start that one, or set --data to another directory"
)


@dataclass(frozen=True)
class Batch:
    """What goes into the store as one insert a table: all records of `signal` from sequence `first` to
    `last`.

    With `alone` it has only those records that are for that table alone, else only those that are for every one.
    A batch that had to be split names the only `table` it is for, and one within a single request which
    `items` (from, below) of it. With `facts` the writer inserts the facts of its rows beside them; else the
    store maps them.
    """

    signal: Signal
    first: int
    last: int
    table: str = ""
    items: tuple[int, int] | None = None
    facts: bool = False
    alone: str = ""


@dataclass(frozen=True)
class Plan:
    """`batches` are planned and not known to be stored; from `next_sequence` on nothing is planned."""

    next_sequence: int = 1
    batches: tuple[Batch, ...] = ()

    @property
    def stored_below(self) -> int:
        """Every record below this sequence is in the store (or among the dead letters)."""
        return min((batch.first for batch in self.batches), default=self.next_sequence)


class PlanFile:
    """The plan on disk. One process owns it."""

    def __init__(self, path: Path) -> None:
        new = not path.exists()
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o640)
        if new:
            os.ftruncate(self._fd, 2 * SLOT_BYTES)
            os.fsync(self._fd)
            sync_directory(path.parent)
        self._generation, self.plan = _newest(self._fd)

    def save(self, plan: Plan) -> None:
        """Return when `plan` is durable; raises `OSError`."""
        body = json.dumps(asdict(plan), separators=(",", ":")).encode()
        if len(body) > SLOT_BYTES - _SLOT.size:
            raise ConfigError(f"a plan of {len(plan.batches)} batches does not fit into its slot")
        generation = self._generation + 1
        head = _SLOT.pack(_MAGIC, generation, len(body), zlib.crc32(body, generation & 0xFFFFFFFF))
        write_at(self._fd, [head, body], generation % 2 * SLOT_BYTES)
        sync(self._fd)
        self._generation, self.plan = generation, plan

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read_plan(path: Path) -> Plan:
    """The plan in the file at `path`, which another process may own; an empty one when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return Plan()
    try:
        return _newest(fd)[1]
    finally:
        os.close(fd)


def _newest(fd: int) -> tuple[int, Plan]:
    slots = [_Slot.of(read_at(fd, SLOT_BYTES, at * SLOT_BYTES)) for at in (0, 1)]
    whole = sorted((slot for slot in slots if slot), key=lambda slot: slot.generation)
    ours = [slot for slot in whole if slot.magic == _MAGIC]
    if ours:
        return ours[-1].generation, _plan_in(ours[-1].body)
    if whole and whole[-1].magic > _MAGIC:
        raise ConfigError(_NEWER)
    if any(read_at(fd, 2 * SLOT_BYTES, 0)):
        _log.error("no sound plan on disk: what the spool holds may be inserted a second time")
    return 0, Plan()


@dataclass(frozen=True)
class _Slot:
    magic: bytes
    generation: int
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> _Slot | None:
        """What a slot of the file holds; None when that is not whole."""
        if len(data) < _SLOT.size:
            return None
        magic, generation, size, checksum = _SLOT.unpack_from(data)
        body = data[_SLOT.size : _SLOT.size + size]
        is_whole = magic[:-1] == _MAGIC[:-1] and zlib.crc32(body, generation & 0xFFFFFFFF) == checksum
        return cls(magic, generation, body) if is_whole else None


def _plan_in(body: bytes) -> Plan:
    raw: dict[str, Any] = json.loads(body)
    try:
        batches = tuple(
            Batch(**{**batch, "items": tuple(batch["items"]) if batch.get("items") else None})
            for batch in raw["batches"]
        )
    except TypeError as error:  # a field that this version does not have
        raise ConfigError(_NEWER) from error
    return Plan(raw["next_sequence"], batches)
