"""`spanruns demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from spanruns_receiver import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="One round of every service, then end: 0 if all runs came.")
    ] = False,
    up: Annotated[bool, typer.Option("--up", help="Start `spanruns up` too, unless it is running already.")] = False,
    api: Annotated[str | None, typer.Option(help="Query API of a running spanruns (http://localhost:8321).")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Where to send OTLP over HTTP (http://localhost:4318).")] = None,
    data: options.Data = None,
) -> None:
    """Run real agents that send real spans, offline and without a key, and watch them come in."""
    from spanruns_receiver.demo.command import Options
    from spanruns_receiver.demo.command import demo as run

    raise typer.Exit(run(Options(once=once, up=up, api=api, endpoint=endpoint, data=data)))
