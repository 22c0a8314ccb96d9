"""Just enough of ClickHouse's HTTP interface for a peer that inserts: `python benchmarks/clickhouse_front.py DIRECTORY SCHEMA`.

The engine is chdb's; the tables are those of the file SCHEMA, whose statements end with a line of dashes. One insert a request, as it arrives. Prints its port, and from then on
answers statements; inserts are taken by the engine's own parser.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import chdb

DATABASE = "otel"


class Front(BaseHTTPRequestHandler):
    """One connection; its statements run on an engine connection of its own."""

    protocol_version = "HTTP/1.1"
    directory: str
    _connection: Any = None

    def do_POST(self) -> None:
        body = self._body()
        statement = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
        try:
            answer = self._run(statement, body)
        except Exception as error:
            self._reply(500, str(error).encode())
        else:
            self._reply(200, answer)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def finish(self) -> None:
        """Let the engine's connection go with the client's."""
        super().finish()
        if self._connection is not None:
            self._connection.close()

    def _run(self, statement: str, body: bytes) -> bytes:
        if self._connection is None:
            self._connection = opened(self.directory)
        insert, _, name = statement.rpartition(" FORMAT ")
        if not insert.startswith("INSERT"):
            return bytes(self._connection.query(statement or body.decode(), "JSONEachRow").bytes() or b"")
        with self._connection.send_insert(insert, name.strip()) as inserter:
            inserter.append(body)
            inserter.finish()
        return b""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def opened(directory: str) -> Any:
    """A connection to the engine, in the peer's database."""
    connection = chdb.connect(directory)
    connection.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
    connection.query(f"USE {DATABASE}")
    return connection


def main() -> None:
    """Serve until killed."""
    Front.directory = sys.argv[1]
    keeper = opened(Front.directory)
    for statement in Path(sys.argv[2]).read_text().split("\n--------\n"):
        keeper.query(statement)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
