"""`spanruns spool status|inspect|replay`: what waits on disk, and what the store refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from spanruns_schema.errors import SpanrunsError

from spanruns_receiver import options
from spanruns_receiver.process import read_running
from spanruns_receiver.settings import Settings, load_settings, to_ask
from spanruns_receiver.signals import NAMES

if TYPE_CHECKING:
    from urllib.error import HTTPError

    from spanruns_receiver.spool import DeadLetter

spool = typer.Typer(help="Requests on disk: waiting for the store, or refused by it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(spool, name="spool")


@spool.command("status")
def status(data: options.Data = None) -> None:
    """Show how much waits, how old it is, and how much was put aside. Works beside a running receiver."""
    from spanruns_receiver.spool.inspecting import inspect

    found = inspect(load_settings(data=data).data / "spool")
    table = Table(box=None, show_header=False)
    table.add_row("requests waiting", str(found.requests))
    table.add_row("items waiting", str(found.items))
    table.add_row("bytes on disk", f"{found.size_bytes} in {found.segments} segments")
    table.add_row("oldest waiting", _age(found.oldest_ns))
    table.add_row("batches being stored", str(len(found.plan.batches)))
    table.add_row("dead letters", f"{len(found.dead)} with {sum(d.items for d in found.dead)} items")
    table.add_row("damaged pieces kept", str(found.damaged))
    Console().print(table)


@spool.command("inspect")
def inspect_(
    letter: Annotated[str | None, typer.Argument(help="A dead letter: show what it holds, as JSON.")] = None,
    data: options.Data = None,
    limit: Annotated[int, typer.Option(help="Show at most so many requests.")] = 50,
) -> None:
    """List requests that wait and dead letters with the store's reason."""
    from spanruns_receiver.spool.inspecting import content, inspect, waiting

    directory = load_settings(data=data).data / "spool"
    if letter:
        typer.echo(content(directory, letter))
        return
    requests = Table("sequence", "signal", "items", "bytes", "age", title="waiting", title_justify="left", box=None)
    for record in waiting(directory, limit):
        age = _age(record.received_at_ns)
        requests.add_row(str(record.sequence), record.signal, str(record.items), str(record.size_bytes), age)
    dead = Table("letter", "items", "bytes", "reason", title="dead letters", title_justify="left", box=None)
    for found in inspect(directory).dead:
        dead.add_row(found.name, str(found.items), str(found.size_bytes), found.reason[:200])
    Console().print(requests)
    Console().print(dead)


@spool.command("replay")
def replay(
    letters: Annotated[list[str] | None, typer.Argument(help="Dead letters; none with --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    data: options.Data = None,
) -> None:
    """Try to store dead letters again, through the running receiver, or at the next start of one.

    Each goes into the table that refused it; what the others took of the request they have.
    """
    from spanruns_receiver.spool import DeadLetters

    settings = load_settings(data=data)
    dead = DeadLetters(settings.data / "spool" / "dead")
    chosen = [letter for letter in dead if every or letter.name in (letters or ())]
    missing = set(letters or ()) - {letter.name for letter in chosen}
    if missing or not chosen:
        typer.echo(f"no such dead letter: {', '.join(sorted(missing)) or 'there is none'}", err=True)
        raise typer.Exit(1)
    running = read_running(settings.data)
    for letter in chosen:
        payload = dead.payload(letter)
        if running:
            _send(settings, running, letter, payload)
        else:
            _append(settings.data / "spool", letter, payload)
        dead.remove(letter)
        typer.echo(f"{letter.name}  {'sent' if running else 'queued for the next start'}")


def _send(settings: Settings, running: dict[str, Any], letter: DeadLetter, payload: bytes) -> None:
    import ssl
    import urllib.error
    import urllib.request

    from spanruns_receiver.doors.http import AGAIN, PROTOBUF

    if settings.tls_client_ca:
        raise SpanrunsError("the receiver asks for a client's certificate: stop it, replay, and start it again")
    scheme = "https" if settings.tls_certificate else "http"
    headers = {"content-type": PROTOBUF, AGAIN: letter.table}
    if settings.ingest_tokens:
        headers["authorization"] = f"Bearer {settings.ingest_tokens[0].get_secret_value()}"
    url = f"{scheme}://{to_ask(running['host'])}:{running['otlp_http']}{NAMES[letter.signal].http_path}"
    request = urllib.request.Request(url, payload, headers, method="POST")  # noqa: S310 (our own process)
    context = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323 (the same)
    try:
        with urllib.request.urlopen(request, timeout=60, context=context):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        raise SpanrunsError(f"{url} did not take it: {_said(error)}{_ADVICE.get(error.code, '')}") from error
    except urllib.error.URLError as error:
        raise SpanrunsError(f"{url} did not take it: {error.reason}{_WITHOUT_IT}") from error


_WITHOUT_IT = ": stop the receiver, replay, and start it again, where that does not pass"
_ADVICE = {401: ": set SPANRUNS_INGEST_TOKENS as the receiver has it", 503: _WITHOUT_IT}


def _said(error: HTTPError) -> str:
    """What the receiver says is wrong."""
    from google.protobuf.message import DecodeError
    from google.rpc.status_pb2 import Status

    try:
        return Status.FromString(error.read()).message or str(error)
    except (DecodeError, OSError):
        return str(error)


def _append(directory: Path, letter: DeadLetter, payload: bytes) -> None:
    from spanruns_receiver.spool import Spool, SpoolLimits, can_be_alone

    spool = Spool(directory, SpoolLimits(2**62, 0))
    try:
        table = letter.table if can_be_alone(letter.signal, letter.table) else ""
        digest = spool.digest(letter.signal, payload)
        spool.append(letter.signal, payload, letter.items, digest, table).result()
    finally:
        spool.close()


def _age(received_at_ns: int | None) -> str:
    return "-" if received_at_ns is None else f"{max(0.0, time.time() - received_at_ns / 1e9):.1f} s"
