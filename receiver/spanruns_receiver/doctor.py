"""What is in place for a receiver on this machine, and what is not."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanruns_schema import migrate
from spanruns_schema.errors import NotFound, SpanrunsError
from spanruns_schema.store import open_store

from spanruns_receiver.decode import compiled, decoder_name
from spanruns_receiver.process import read_running
from spanruns_receiver.settings import Settings, flag
from spanruns_receiver.spool.inspecting import inspect

_PORTS = {"grpc_port": "grpc", "http_port": "otlp_http", "api_port": "api", "clickhouse_port": "clickhouse"}
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One line: whether it is `good`, and if not, what to do."""

    subject: str
    good: bool
    text: str


def diagnose(settings: Settings) -> Iterator[Finding]:
    """Every finding, one after the other; none of them changes anything."""
    running = read_running(settings.data)
    yield _python()
    yield from _extras(settings)
    yield _decoder()
    yield _data(settings.data)
    yield _disk(settings)
    yield from _spool(settings.data)
    for field in _PORTS:
        yield _port(settings, field, running)
    yield from _store(settings, running)


def _python() -> Finding:
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", False, f"{text}: use Python 3.11 or newer")
    return Finding("python", True, text)


def _extras(settings: Settings) -> Iterator[Finding]:
    needed: dict[str, tuple[str, ...]] = {"receiver": ("grpc", "uvicorn", "fastapi", "clickhouse_connect")}
    if settings.embedded:
        needed["embedded"] = ("chdb",)
    for extra, modules in needed.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            text = f'{extra} lacks {", ".join(missing)}: pip install "spanruns[{extra}]"'
            yield Finding("extras", False, text)
        else:
            yield Finding("extras", True, f"{extra} is installed")


def _decoder() -> Finding:
    try:
        name = decoder_name()
    except SpanrunsError as error:
        return Finding("decoder", False, str(error))
    if name == "native":
        return Finding("decoder", True, name)
    problem = compiled.PROBLEM or "SPANRUNS_DECODER asks for it"
    return Finding("decoder", True, f"{name}, much slower than native: {problem}")


def _data(data: Path) -> Finding:
    nearest = data.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
        return Finding("data", False, f"{nearest} cannot be written: change its rights, or set --data")
    made = "" if data.exists() else " (made at the first start)"
    return Finding("data", True, f"{data.absolute()}{made}")


def _disk(settings: Settings) -> Finding:
    nearest = settings.data.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < settings.min_free_bytes:
        return Finding("disk", False, f"{text}: requests are refused, make room or lower SPANRUNS_MIN_FREE_BYTES")
    return Finding("disk", True, text)


def _spool(data: Path) -> Iterator[Finding]:
    try:
        found = inspect(data / "spool")
    except NotFound:
        return
    except (SpanrunsError, OSError) as error:
        yield Finding("spool", False, str(error))
        return
    yield Finding("spool", True, f"{found.requests} requests wait for the store")
    if found.dead:
        text = f"{len(found.dead)} dead letters: see `spanruns spool inspect`, then `spanruns spool replay`"
        yield Finding("spool", False, text)
    if found.damaged:
        text = f"{found.damaged} damaged pieces are kept in {data / 'spool' / 'damaged'}: delete when seen"
        yield Finding("spool", False, text)


def _port(settings: Settings, field: str, running: dict[str, Any] | None) -> Finding:
    port = getattr(settings, field)
    if running and running.get(_PORTS[field]) == port:
        return Finding("port", True, f"{port} is served by spanruns, process {running['pid']}")
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            return Finding("port", False, f"{port} cannot be opened ({error.strerror}): set {flag(field)}")
    return Finding("port", True, f"{port} is free ({flag(field)})")


def _store(settings: Settings, running: dict[str, Any] | None) -> Iterator[Finding]:
    if settings.embedded and running:
        yield Finding("store", True, f"{settings.store_url} is open in process {running['pid']}")
        return
    if settings.embedded and not Path(settings.store_url).exists():
        yield Finding("store", True, f"{settings.store_url} is made at the first start")
        return
    try:
        store = open_store(settings.store_url, create=False)
    except SpanrunsError as error:
        yield Finding("store", False, str(error))
        return
    try:
        steps = migrate.status(store, shared=not settings.embedded)
    except SpanrunsError as error:
        yield Finding("store", False, str(error))
        return
    finally:
        store.close()
    yield Finding("store", True, "answers")
    behind = [step.name for step in steps if step.is_wanting]
    if behind:
        text = f"{len(behind)} steps are not applied ({behind[0]}, …): spanruns schema apply"
        yield Finding("schema", False, text)
    else:
        yield Finding("schema", True, "is up to date")
