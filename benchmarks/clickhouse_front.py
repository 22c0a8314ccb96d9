"""ClickHouse's HTTP interface for a peer that inserts: `python benchmarks/clickhouse_front.py DIRECTORY SCHEMA`.

The engine is chdb's; the tables are those of the file SCHEMA, whose statements end with a line of dashes. One insert a request, as it
arrives. Prints its port, and from then on answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.clickhouse_http import Engine, Handler, Request, serve

DATABASE = "otel"


class Front(Handler):
    """One connection of anybody; answers are lines of JSON."""

    database = DATABASE
    format = "JSONEachRow"

    def _authenticate(self, fields: dict[str, str]) -> None:
        """There is nothing to hide."""


def main() -> None:
    """Serve until killed."""
    engine = Engine(sys.argv[1])
    engine.run(_statement(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic", "default"))
    for statement in Path(sys.argv[2]).read_text().split("\n--------\n"):
        engine.run(_statement(statement, DATABASE))
    serve(engine, Front)


def _statement(sql: str, database: str) -> Request:
    return Request(sql.encode(), database, "Null", settings={}, parameters={})


if __name__ == "__main__":
    main()
