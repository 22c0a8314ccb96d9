"""The file in which a process tells that it serves, and where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanruns_receiver.spool.files import write_whole


@contextmanager
def told_in(file: Path | None, **told: object) -> Iterator[None]:
    """`file` holds `told` and the id of this process as JSON for as long as the block runs; without a file nothing is told."""
    if file is None:
        yield
        return
    try:
        write_whole(file, json.dumps({**told, "pid": os.getpid()}).encode() + b"\n")
        yield
    finally:
        file.unlink(missing_ok=True)
