"""`spanruns up` and `spanruns receive`."""

from __future__ import annotations

import gc
import itertools
import threading
from typing import Annotated

import typer

from spanruns_receiver import allocator, mapped, options
from spanruns_receiver.cli import set_up_logging
from spanruns_receiver.process import Ports, Process, Roles
from spanruns_receiver.settings import Settings, load_settings
from spanruns_receiver.stopping import leave_behind, stop_at_signals

_GIVE_BACK_S = 1.0
_LET_GO_EVERY = 10
"""Memory is given back so often; every tenth time, beginning with the first, pages of programs are let go of, too."""

_COLLECT_AFTER = 10_000
"""New objects after which Python looks for cycles. Its own 700 are reached by a few requests, and thousands of traces that are
being resolved are looked through each time."""


def register(app: typer.Typer) -> None:
    """Add the commands that serve."""
    app.command("up")(up)
    app.command("receive")(receive)


def up(
    data: options.Data = None,
    store: options.Store = None,
    host: options.Host = None,
    grpc_port: options.GrpcPort = None,
    http_port: options.HttpPort = None,
    api_port: options.ApiPort = None,
    clickhouse_port: options.ClickHousePort = None,
    ready_file: options.ReadyFile = None,
    log_level: options.LogLevel = None,
) -> None:
    """Take OTLP, store it, resolve runs and answer queries: everything in one process, until it is stopped."""
    settings = load_settings(
        data=data,
        store=store,
        host=host,
        grpc_port=grpc_port,
        http_port=http_port,
        api_port=api_port,
        clickhouse_port=clickhouse_port,
        ready_file=ready_file,
        log_level=log_level,
    )
    serve(settings, Roles())


def receive(
    store: options.Store = None,
    data: options.Data = None,
    host: options.Host = None,
    grpc_port: options.GrpcPort = None,
    http_port: options.HttpPort = None,
    reuse_port: options.ReusePort = False,
    ready_file: options.ReadyFile = None,
    log_level: options.LogLevel = None,
    resolver: Annotated[bool, typer.Option(help="Resolve runs here; else `spanruns resolve` does.")] = True,
) -> None:
    """Take OTLP and store it, until it is stopped. As many of these as one likes, each with its own --data."""
    settings = load_settings(
        data=data,
        store=store,
        host=host,
        grpc_port=grpc_port,
        http_port=http_port,
        reuse_port=reuse_port or None,
        ready_file=ready_file,
        log_level=log_level,
    )
    serve(settings, Roles(resolver=resolver, api=False, clickhouse=False))


def serve(settings: Settings, roles: Roles) -> None:
    """Run a process until SIGTERM or SIGINT; a second signal ends it at once, what is unstored waits on disk."""
    set_up_logging(settings.log_level)
    allocator.keep_blocks()
    stop = stop_at_signals()
    process = Process(settings, roles)
    ports = process.start()
    try:
        _greet(settings, ports)
        collect_seldom()
        _keep_small(stop)
        typer.echo("stopping: storing what was received", err=True)
    finally:
        process.stop()
    if not settings.embedded:
        leave_behind()


def collect_seldom() -> None:
    """Look for cycles less often, and not in what the start made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _keep_small(stop: threading.Event) -> None:
    """Give back memory that is not needed, until `stop` is set."""
    for count in itertools.count():
        if stop.wait(_GIVE_BACK_S):
            return
        allocator.give_back()
        if count % _LET_GO_EVERY == 0:
            mapped.let_go()


def _greet(settings: Settings, ports: Ports) -> None:
    host = settings.shown_host
    scheme = "https" if settings.tls_certificate else "http"
    typer.echo(f"OTLP/gRPC   {scheme}://{host}:{ports.grpc}")
    typer.echo(f"OTLP/HTTP   {scheme}://{host}:{ports.otlp_http}")
    if ports.api is not None:
        typer.echo(f"Page, API   http://{host}:{ports.api}/  (reference: /docs)")
    if ports.clickhouse is not None:
        typer.echo(f"ClickHouse  http://{host}:{ports.clickhouse}/  (read-only)")
    typer.echo(f"Store       {settings.shown_store}")
    if ports.api is not None and settings.reach:
        typer.echo(settings.reach, err=True)
