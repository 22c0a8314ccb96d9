"""`spanruns query`."""

from __future__ import annotations

from contextlib import ExitStack

import typer
from spanruns_schema.errors import ConfigError

from spanruns_receiver import options
from spanruns_receiver.cli import set_up_logging
from spanruns_receiver.opening import OpeningStore
from spanruns_receiver.ready import clear, told_in
from spanruns_receiver.serve import WebServer, listen
from spanruns_receiver.settings import Settings, load_settings
from spanruns_receiver.stopping import leave_behind, stop_at_signals

_GRACE_S = 5.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("query")(query)


def query(
    store: options.Store = None,
    host: options.Host = None,
    api_port: options.ApiPort = None,
    ready_file: options.ReadyFile = None,
    log_level: options.LogLevel = None,
) -> None:
    """Answer the query API and the page from a ClickHouse server, until it is stopped. As many of these as one likes.

    It only reads, and leaves the schema to receivers, `spanruns resolve` and `spanruns schema apply`.
    """
    settings = load_settings(store=store, host=host, api_port=api_port, ready_file=ready_file, log_level=log_level)
    if settings.embedded:
        raise ConfigError(
            "give --store clickhouse://user:password@host:8123/database (SPANRUNS_STORE): "
            "the embedded store is answered for by the `spanruns up` that has it"
        )
    set_up_logging(settings.log_level)
    stop = stop_at_signals()
    with ExitStack() as stack:
        port = _serve(settings, stack)
        typer.echo(f"Page, API   http://{settings.shown_host}:{port}/  (reference: /docs)")
        typer.echo(f"Store       {settings.shown_store}")
        if settings.reach:
            typer.echo(settings.reach, err=True)
        stop.wait()
    leave_behind()


def _serve(settings: Settings, stack: ExitStack) -> int:
    """The port that answers until `stack` is closed."""
    from spanruns_receiver.api import create_app

    clear(settings.ready_file)
    sock = listen(settings.host, settings.api_port, "api_port")
    stack.callback(sock.close)
    store = OpeningStore(settings.store_url, applies_schema=False)
    stack.callback(store.close)
    server = WebServer(create_app(store, settings), sock, "api")
    server.start()
    stack.callback(server.stop, _GRACE_S)
    stack.enter_context(told_in(settings.ready_file, api=server.port, host=settings.host))
    return server.port
