"""The file in which a process tells that it serves, and where."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanruns_schema.errors import ConfigError

from spanruns_receiver.spool.files import write_whole


def clear(file: Path | None) -> None:
    """Remove what a process before this one has told; raises `ConfigError` where this one could not tell anything."""
    if file is None:
        return
    try:
        file.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise _cannot(file, error) from error


@contextmanager
def told_in(file: Path | None, **told: object) -> Iterator[None]:
    """`file` holds `told` and the id of this process as JSON for as long as the block runs; without a file nothing is told.

    Raises `ConfigError` where it cannot be written.
    """
    if file is None:
        yield
        return
    try:
        write_whole(file, json.dumps({**told, "pid": os.getpid()}).encode() + b"\n")
    except OSError as error:
        raise _cannot(file, error) from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _cannot(file: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{file} cannot be written ({error.strerror or error}): make its directory, or change its rights"
    )
