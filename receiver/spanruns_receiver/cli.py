"""The `spanruns` command."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Sequence

import typer
from spanruns_schema.errors import ConfigError, SpanrunsError

from spanruns_receiver import commands
from spanruns_receiver.variables import misnamed


def create_app() -> typer.Typer:
    """The command with every module of `spanruns_receiver.commands` plugged in."""
    app = typer.Typer(
        help="Run history for agents and jobs, from OpenTelemetry.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in sorted(found.name for found in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process: 0 done, 1 failed, 2 what was asked for cannot be."""
    for line in misnamed(os.environ):
        print(f"spanruns: {line}", file=sys.stderr)
    try:
        create_app()(args=arguments, prog_name="spanruns")
    except SpanrunsError as error:
        print(f"spanruns: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except OSError as error:  # says itself which file it is about
        print(f"spanruns: {error}", file=sys.stderr)
        sys.exit(1)


def set_up_logging(level: str) -> None:
    """Log to stderr from `level` on."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    if level != "debug":  # they tell of every attempt what we tell once
        for name in ("urllib3.connectionpool", "clickhouse_connect"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
