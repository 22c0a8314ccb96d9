"""`spanruns schema backfill`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from spanruns_schema import migrate
from spanruns_schema.store import open_store

from spanruns_receiver import backfill as backfilling
from spanruns_receiver import options
from spanruns_receiver.commands.schema import refuse_if_served, schema
from spanruns_receiver.settings import load_settings
from spanruns_receiver.stopping import stoppable
from spanruns_receiver.times import parse_time

STOPPED = 130


def register(app: typer.Typer) -> None:
    """Nothing to add: the command belongs to the group `schema`."""


@schema.command("backfill")
def backfill(
    from_: Annotated[str, typer.Option("--from", help="2026-11-01, 2026-11-01T10:30 (UTC), or a time ago: 12h, 7d.")],
    to: Annotated[str, typer.Option("--to", help="The same, or now.")] = "now",
    data: options.Data = None,
    store: options.Store = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew where an earlier one was stopped.")] = False,
) -> None:
    """Make facts and runs again from the raw rows of a time range, after an upgrade has changed the mapping.

    Safe while receivers write to the server. What was stopped goes on where it was.
    """
    now = datetime.now(UTC)
    start, end = parse_time(from_, "--from", now), parse_time(to, "--to", now)
    settings = load_settings(data=data, store=store)
    refuse_if_served(settings, "stop it, backfill, and start it again; with a ClickHouse server it may go on")
    opened = open_store(settings.store_url, create=False)
    try:
        migrate.apply(opened, shared=not settings.embedded)
        with stoppable() as stop, _Bar(stop, start) as bar:
            done = backfilling.backfill(opened, start, end, restart=restart, on_progress=bar.show)
    finally:
        opened.close()
    typer.echo(f"rebuilt {done.done} spans and events from {_said(start)} to {_said(end)}")


class _Bar:
    """The progress on the terminal; ends the command between two slices once `stop` is set."""

    def __init__(self, stop: threading.Event, start: datetime) -> None:
        self._stop = stop
        self._start = start.isoformat()
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("spans and events,"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("backfill", total=None)
        self._begun = False

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: backfilling.Progress) -> None:
        """Draw how far it is."""
        if not self._begun and progress.resumed_at:
            self._console.print(f"going on at {_said(progress.resumed_at)}, where the last one was stopped")
        if not self._begun:  # what an earlier one has done says nothing about the speed of this one
            self._bar.reset(self._task, total=progress.total, completed=progress.done)
        self._begun = True
        self._bar.update(
            self._task, total=progress.total, completed=progress.done, description=f"until {_said(progress.until)}"
        )
        if self._stop.is_set():
            self._bar.stop()
            self._console.print(f"stopped; with --from {self._start} it goes on at {_said(progress.until)}")
            raise typer.Exit(STOPPED)


def _said(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
