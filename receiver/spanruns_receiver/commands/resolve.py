"""`spanruns resolve`."""

from __future__ import annotations

import logging
import threading

import typer
from spanruns_schema.errors import StoreUnavailable

from spanruns_receiver import options
from spanruns_receiver.cli import set_up_logging
from spanruns_receiver.commands.schema import refuse_if_served
from spanruns_receiver.opening import OpeningStore
from spanruns_receiver.ready import clear, told_in
from spanruns_receiver.settings import Settings, load_settings
from spanruns_receiver.stopping import stop_at_signals

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
_GRACE_S = 30.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resolve")(resolve)


def resolve(
    store: options.Store = None,
    data: options.Data = None,
    ready_file: options.ReadyFile = None,
    log_level: options.LogLevel = None,
) -> None:
    """Make runs, tool calls and model calls of what others write into the store, until it is stopped.

    For receivers with --no-resolver, and for a Collector that writes into ClickHouse itself. Finds new traces without
    being told, and what was written while no resolver ran.
    """
    settings = load_settings(store=store, data=data, ready_file=ready_file, log_level=log_level)
    refuse_if_served(settings, "it resolves by itself")
    set_up_logging(settings.log_level)
    clear(settings.ready_file)
    stop = stop_at_signals()
    opened = OpeningStore(settings.store_url, shared=not settings.embedded)
    try:
        if _open(opened, settings, stop):
            _run(opened, settings, stop)
    finally:
        opened.close()


def _open(store: OpeningStore, settings: Settings, stop: threading.Event) -> bool:
    """Wait for the store; returns whether it has come before the stop."""
    while not stop.is_set():
        try:
            store.open()
            return True
        except StoreUnavailable as error:
            if settings.embedded:
                raise
            _log.warning("the store is away: %s", error)
            stop.wait(_RETRY_S)
    return False


def _run(store: OpeningStore, settings: Settings, stop: threading.Event) -> None:
    from spanruns_receiver.resolver import Resolver

    resolver = Resolver(store)
    thread = threading.Thread(target=resolver.run_forever, args=(stop,), name="resolver", daemon=True)
    thread.start()
    with told_in(settings.ready_file):
        try:
            typer.echo("resolving")
            stop.wait()
            typer.echo("stopping: resolving what is there", err=True)
        finally:
            stop.set()
            resolver.poke()
            thread.join(_GRACE_S)
    _log.info("resolved %d facts in %d passes", resolver.resolved_facts, resolver.passes)
