"""Command line options that several commands have. None means: not given, the environment or the default
decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option("--data", help="Directory of the embedded store and the spool (.spanruns).")]
Store = Annotated[
    str | None,
    typer.Option("--store", help="clickhouse://user:password@host:8123/database instead of the embedded store."),
]
Host = Annotated[str | None, typer.Option("--host", help="Address to open ports on (127.0.0.1).")]
GrpcPort = Annotated[int | None, typer.Option("--grpc-port", help="OTLP over gRPC (4317); 0: any free port.")]
HttpPort = Annotated[int | None, typer.Option("--http-port", help="OTLP over HTTP (4318); 0: any.")]
ApiPort = Annotated[int | None, typer.Option("--api-port", help="Query API and page (8321); 0: any.")]
ClickHousePort = Annotated[
    int | None, typer.Option("--clickhouse-port", help="ClickHouse-HTTP, embedded store only (8123); 0: any.")
]
ReusePort = Annotated[
    bool, typer.Option("--reuse-port", help="Share the OTLP ports with other receivers on this machine.")
]
ReadyFile = Annotated[
    Path | None, typer.Option("--ready-file", help="Write the ports as JSON here once everything serves.")
]
LogLevel = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error (info).")]
