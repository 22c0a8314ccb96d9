"""ClickHouse's HTTP interface over chdb, for tests: the real engine behind the real wire, without a server.

What clickhouse-connect, clickhouse-go (a Collector's exporter) and curl use of it, as
https://clickhouse.com/docs/interfaces/http describes it: queries and inserts by POST, settings and `param_…` in the URL
or in a form, `X-ClickHouse-Exception-Code`, the server's limits on what it takes. Compression is gzip or none: that of
ClickHouse's own blocks is not understood. Run it as a process of its own, `python clickhouse_http.py DIRECTORY
[PORT [VERSION]]`: it prints its port once it serves; VERSION is what it says when clickhouse-go asks.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
from spanruns_schema.embedded import as_file

USER, PASSWORD = "tester", "p@ss:word/1"
MAX_URI_BYTES = 1024 * 1024  # http_max_uri_size
MAX_FIELD_BYTES = 128 * 1024  # http_max_field_value_size

INSERT = re.compile(rb"(INSERT .*?)(\sSETTINGS [^\n]*?)?(\sFORMAT \w+)\n", re.DOTALL)
"""What comes before data; the first line break after the format ends it."""

# What clickhouse-go asks first. It takes the answer for a block of its own revision, whatever the server's.
HELLO = b"SELECT displayName(), version(), revision(), timezone()"
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

# Parameters of the interface itself and of the wire: no settings of a query.
TRANSPORT = frozenset(
    {
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "password",
        "query",
        "query_id",
        "send_progress_in_http_headers",
        "user",
        "wait_end_of_query",
    }
)
STATUS_OF_CODE = {36: 400, 60: 404, 62: 400, 81: 404, 164: 500, 193: 401, 497: 403, 516: 403}


@dataclass(frozen=True)
class Request:
    """One statement as it came over the wire."""

    sql: bytes
    database: str
    format: str
    settings: dict[str, str]
    parameters: dict[str, str]


class Rejected(Exception):
    """The engine's error, `Code: N. DB::Exception: …`."""

    @property
    def code(self) -> int:
        found = re.search(r"Code: (\d+)", str(self))
        return int(found.group(1)) if found else 1002


class Engine:
    """Statements on chdb, each on a connection of its own."""

    def __init__(self, directory: str, version: str = "") -> None:
        self._directory = directory
        self._keeper = chdb.connect(directory)
        self._version = version or bytes(self._keeper.query("SELECT version()", "TSVRaw").bytes()).decode().strip()

    def run(self, request: Request) -> bytes:
        if request.sql == HELLO:
            return hello(self._version)
        connection = chdb.connect(self._directory)
        try:
            self._ask(connection, f"USE {request.database}")
            # readonly last: nothing can be set after it.
            for name, value in sorted(request.settings.items(), key=lambda item: item[0] == "readonly"):
                escaped = value.replace("\\", "\\\\").replace("'", "\\'")
                self._ask(connection, f"SET {name} = '{escaped}'")
            if insert := INSERT.match(request.sql):
                head, clause, form = ((part or b"").decode() for part in insert.groups())
                # As a server does it: what follows is data to its last byte, and what is wrong with it is told.
                with as_file(request.sql[insert.end() :]) as file:
                    return self._ask(connection, f"{head} FROM INFILE '{file}' COMPRESSION 'none'{clause}{form}")
            return self._ask(connection, request.sql, request.format, request.parameters)
        finally:
            connection.close()

    @staticmethod
    def _ask(
        connection: Any, sql: str | bytes, format: str = "Null", parameters: dict[str, str] | None = None
    ) -> bytes:
        try:
            result = connection.query(sql, format, params=parameters or None)
        except Exception as error:
            raise Rejected(str(error)) from error
        if result.has_error():
            raise Rejected(result.error_message())
        return bytes(result.bytes() or b"")


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; kept alive."""

    protocol_version = "HTTP/1.1"
    engine: Engine
    database = "default"
    format = "TabSeparated"

    def do_GET(self) -> None:
        if urlsplit(self.path).path in ("/ping", "/") and "query=" not in self.path:
            self._reply(200, b"Ok.\n")
        else:
            self._answer(readonly=True)

    def do_POST(self) -> None:
        self._answer(readonly=False)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: tests read stdout."""

    def _answer(self, *, readonly: bool) -> None:
        try:
            request = self._read(readonly=readonly)
            body = self.engine.run(request)
        except Rejected as error:
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            self._reply(STATUS_OF_CODE.get(error.code, 500), f"{error}\n".encode(), headers)
        else:
            self._reply(200, body, {"X-ClickHouse-Format": request.format, "X-ClickHouse-Timezone": "UTC"})

    def _read(self, *, readonly: bool) -> Request:
        body = self._body()
        if len(self.path) > MAX_URI_BYTES:
            raise Rejected("Code: 1000. DB::Exception: URI too long")
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        fields = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if (self.headers.get("Content-Type") or "").startswith("multipart/form-data"):
            fields |= _form(self.headers["Content-Type"], body)
            body = b""
        self._authenticate(fields)
        settings = {
            name: value for name, value in fields.items() if name not in TRANSPORT and not name.startswith("param_")
        }
        return Request(
            sql=b"\n".join(part for part in (fields.get("query", "").encode(), body) if part),
            database=fields.get("database") or self.database,
            format=self.headers.get("X-ClickHouse-Format") or fields.get("default_format") or self.format,
            settings=settings | ({"readonly": "2"} if readonly else {}),
            parameters={
                name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")
            },
        )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _authenticate(self, fields: dict[str, str]) -> None:
        basic = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(basic).decode().partition(":")
        found = (
            self.headers.get("X-ClickHouse-User") or fields.get("user") or user,
            self.headers.get("X-ClickHouse-Key") or fields.get("password") or password,
        )
        if found != (USER, PASSWORD):
            raise Rejected(f"Code: 516. DB::Exception: {found[0]}: Authentication failed: password is incorrect")

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("X-ClickHouse-Query-Id", str(uuid.uuid4()))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Takes many connections at a time, and says nothing when a client is killed in the middle of a request."""

    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def hello(version: str) -> bytes:
    """The answer to clickhouse-go's first question. Revision 0: what follows is `FORMAT Native` as it stands."""
    columns = {
        "displayName()": ("String", _text("spanruns")),
        "version()": ("String", _text(version)),
        "revision()": ("UInt32", bytes(4)),
        "timezone()": ("String", _text("UTC")),
    }
    block = [_text(name) + _text(kind) + b"\x00" + value for name, (kind, value) in columns.items()]
    return BLOCK_INFO + bytes((len(columns), 1)) + b"".join(block)


def _text(text: str) -> bytes:
    """A short string as Native has it."""
    return bytes((len(text),)) + text.encode()


def _form(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(value, bytes)
        if len(value) > MAX_FIELD_BYTES + 1:
            raise Rejected("Code: 1000. DB::Exception: HTML Form Exception: Field value too long")
        fields[name] = value.decode()
    return fields


@contextmanager
def clickhouse_http(directory: Path, version: str = "") -> Iterator[ClickHouseProcess]:
    """The front as a process of its own on the store in `directory`; ended afterwards."""
    process = ClickHouseProcess(directory, version)
    process.start()
    try:
        yield process
    finally:
        process.stop()


class ClickHouseProcess:
    """A front that can be stopped and started again on the same port, as an operator would restart a server."""

    def __init__(self, directory: Path, version: str = "") -> None:
        self._directory = directory
        self._version = version
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address for `open_store`."""
        return f"clickhouse://{USER}:p%40ss%3Aword%2F1@127.0.0.1:{self.port}/spanruns"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._directory), str(self.port), self._version],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


def serve(engine: Engine, handler: type[Handler] = Handler, *, port: int = 0) -> None:
    """Print the port, and answer until SIGTERM."""
    handler.engine = engine
    server = Server(("127.0.0.1", port), handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.server_address[1], flush=True)
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("version", nargs="?", default="")
    arguments = parser.parse_args()
    serve(Engine(arguments.directory, arguments.version), port=arguments.port)


if __name__ == "__main__":
    main()
