"""`spanruns sql`: one query that reads, asked of a running `spanruns up` or of a ClickHouse server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from spanruns_schema.errors import ConfigError, SpanrunsError, StoreRejected

from spanruns_receiver import options
from spanruns_receiver.process import read_running
from spanruns_receiver.settings import Settings, load_settings, to_ask

TIMEOUT_S = 60.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sql")(sql)


def sql(
    query: Annotated[str, typer.Argument(help="One statement that reads; - takes it from standard input.")],
    url: Annotated[
        str | None,
        typer.Option(
            help="http://host:8321 of another `spanruns up`, or clickhouse://user:password@host:8123/database."
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="One of ClickHouse's output formats.")] = "PrettyCompact",
    data: options.Data = None,
) -> None:
    """Ask the store: SELECT, DESCRIBE, EXPLAIN, SHOW TABLES. Nothing can be changed."""
    text = sys.stdin.read() if query == "-" else query
    target = url or _running(load_settings(data=data))
    answer = ask_server if target.startswith(("clickhouse://", "clickhouses://")) else ask_api
    result = answer(target, text, format)
    sys.stdout.buffer.write(result)
    sys.stdout.buffer.flush()


def ask_api(url: str, query: str, format: str) -> bytes:
    """The answer of the query API at `url`. Raises `ConfigError` when nothing answers there."""
    import requests

    address = f"{url.rstrip('/')}/api/sql"
    try:
        answer = requests.post(address, json={"query": query, "format": format}, timeout=TIMEOUT_S)
    except requests.exceptions.ReadTimeout as error:
        raise SpanrunsError(f"{url} gave no answer within {TIMEOUT_S:.0f} s") from error
    except (requests.ConnectionError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise ConfigError(
            f"no spanruns answers at {url}: start it with `spanruns up`, or say where it is with --url"
        ) from error
    if answer.ok:
        return answer.content
    raise StoreRejected(_message(answer.content) or f"{address} answered {answer.status_code}")


def ask_server(url: str, query: str, format: str) -> bytes:
    """The answer of the ClickHouse server at `url`, behind the same gate."""
    from spanruns_schema import gate
    from spanruns_schema.store import open_store

    store = open_store(url, create=False)
    try:
        return gate.answer(store, query, format=format)
    finally:
        store.close()


def _message(body: bytes) -> str:
    import json

    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _running(settings: Settings) -> str:
    """Where the process that serves the data directory is; without one, where it would be."""
    running = read_running(settings.data) or {}
    host = to_ask(str(running.get("host", settings.host)))
    return f"http://{host}:{running.get('api', settings.api_port)}"
