"""`spanruns doctor`: what is here, what is missing, and what to do."""

from __future__ import annotations

import typer

from spanruns_receiver import options
from spanruns_receiver.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(data: options.Data = None, store: options.Store = None) -> None:
    """Check this machine: Python, extras, decoder, ports, data directory, disk, store, schema."""
    from rich.console import Console

    from spanruns_receiver.doctor import diagnose

    console = Console()
    found = list(diagnose(load_settings(data=data, store=store)))
    for finding in found:
        mark = "[green]ok  [/]" if finding.good else "[red]fix [/]"
        console.print(f"{mark} {finding.subject:10} ", end="")
        console.print(finding.text, markup=False, soft_wrap=True)
    if not all(finding.good for finding in found):
        raise typer.Exit(1)
