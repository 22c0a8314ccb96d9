"""`spanruns schema apply` and `spanruns schema status`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from spanruns_schema import migrate
from spanruns_schema.store import Store, open_store

from spanruns_receiver import options
from spanruns_receiver.process import read_running
from spanruns_receiver.settings import Settings, load_settings

schema = typer.Typer(help="The tables and views in the store.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(schema, name="schema")


@schema.command("apply")
def apply(
    data: options.Data = None,
    store: options.Store = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
) -> None:
    """Bring the store to this version's schema. Safe to run twice, and beside receivers."""
    settings = load_settings(data=data, store=store)
    opened = _open(settings, create=not dry_run)
    try:
        for step in migrate.apply(opened, dry_run=dry_run, shared=not settings.embedded):
            typer.echo(f"{'would apply' if dry_run else 'applied'}  {step.kind:9}  {step.name}")
    finally:
        opened.close()
    typer.echo("nothing was changed" if dry_run else "the schema is up to date")


@schema.command("status")
def status(data: options.Data = None, store: options.Store = None) -> None:
    """Show every step with its state; ends with 1 when something is to be applied, or a newer version has been here."""
    settings = load_settings(data=data, store=store)
    opened = _open(settings, create=False)
    try:
        found = migrate.status(opened, shared=not settings.embedded)
    finally:
        opened.close()
    table = Table("step", "kind", "state", box=None)
    for step in found:
        table.add_row(step.name, step.kind, step.state)
    Console().print(table)
    if any(step.is_wanting for step in found):
        raise typer.Exit(1)


def refuse_if_served(settings: Settings, advice: str) -> None:
    """End the command when another process has the embedded store, which only one can open at a time."""
    if settings.embedded and (running := read_running(settings.data)):
        typer.echo(f"{settings.data} is served by process {running['pid']}: {advice}", err=True)
        raise typer.Exit(1)


def _open(settings: Settings, *, create: bool) -> Store:
    refuse_if_served(
        settings, "it has applied the schema itself; stop it to work on the store from here, or use a ClickHouse server"
    )
    return open_store(settings.store_url, create=create)
