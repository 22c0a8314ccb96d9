"""`spanruns up` and `spanruns receive`."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Annotated

import typer

from spanruns_receiver import options
from spanruns_receiver.cli import set_up_logging
from spanruns_receiver.process import Ports, Process, Roles
from spanruns_receiver.settings import Settings, load_settings


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
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    process = Process(settings, roles)
    ports = process.start()
    try:
        _greet(settings, ports)
        stop.wait()
        typer.echo("stopping: storing what was received", err=True)
    finally:
        process.stop()


def _greet(settings: Settings, ports: Ports) -> None:
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.host  # noqa: S104
    scheme = "https" if settings.tls_certificate else "http"
    typer.echo(f"OTLP/gRPC   {scheme}://{host}:{ports.grpc}")
    typer.echo(f"OTLP/HTTP   {scheme}://{host}:{ports.otlp_http}")
    if ports.api is not None:
        typer.echo(f"Page, API   http://{host}:{ports.api}/  (reference: /docs)")
    if ports.clickhouse is not None:
        typer.echo(f"ClickHouse  http://{host}:{ports.clickhouse}/  (read-only)")
    typer.echo(f"Store       {_without_password(settings.store_url)}")


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://***@{after}" if at else url
