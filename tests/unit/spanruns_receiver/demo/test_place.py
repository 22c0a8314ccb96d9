"""Where a running spanruns is looked for."""

from __future__ import annotations

import socket
from pathlib import Path

from spanruns_receiver.demo.place import Place, existing, free_ports, last_line
from spanruns_receiver.settings import load_settings
from spanruns_receiver.spool import Spool, SpoolLimits


def urls(found: Place) -> tuple[str, str, str | None]:
    """API, OTLP over HTTP, OTLP over gRPC."""
    return found.api_url, found.otlp_http, found.otlp_grpc


def test_existing_on_the_usual_ports(tmp_path: Path) -> None:
    """Where nobody says otherwise, the ports are those of the settings."""
    found = existing(load_settings(data=tmp_path, api_port=9000))
    assert urls(found) == ("http://localhost:9000", "http://localhost:4318", "localhost:4317")


def test_existing_elsewhere(tmp_path: Path) -> None:
    """Of an endpoint that is given the gRPC port is not known."""
    found = existing(load_settings(data=tmp_path), "http://a:1/", "http://b:2/")
    assert urls(found) == ("http://a:1", "http://b:2", None)


def test_existing_on_the_data_directory(tmp_path: Path) -> None:
    """A process that serves the data directory has told its ports there; they count while it holds the spool."""
    settings = load_settings(data=tmp_path)
    (tmp_path / "running.json").write_text('{"grpc": 1, "otlp_http": 2, "api": 3, "pid": 4, "host": "127.0.0.1"}')
    spool = Spool(tmp_path / "spool", SpoolLimits(settings.max_spool_bytes, 0))
    assert urls(existing(settings)) == ("http://localhost:3", "http://localhost:2", "localhost:1")
    spool.close()
    assert urls(existing(settings)) == ("http://localhost:8321", "http://localhost:4318", "localhost:4317")


def test_taken_ports_are_left_alone() -> None:
    """A port that somebody listens on is replaced by any free one."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as released:
        free = released.getsockname()[1]
        released.close()
        ports = {"http_port": free, "api_port": free, "clickhouse_port": free}
        settings = load_settings(grpc_port=taken.getsockname()[1], **ports)
        assert free_ports(settings) == {"grpc": 0, "http": free, "api": free, "clickhouse": free}


def test_last_line(tmp_path: Path) -> None:
    """The last thing that was printed."""
    log = tmp_path / "up.log"
    log.write_text("one\ntwo\n\n")
    assert last_line(log) == "two"
    log.write_text("")
    assert last_line(log) == "it said nothing"
