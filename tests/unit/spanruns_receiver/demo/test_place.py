"""Where a running spanruns is looked for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from spanruns_receiver.demo import place
from spanruns_receiver.demo.place import Place, existing, last_line


def urls(found: Place) -> tuple[str, str, str | None]:
    """API, OTLP over HTTP, OTLP over gRPC."""
    return found.api_url, found.otlp_http, found.otlp_grpc


def test_existing() -> None:
    """The usual ports, unless others are given; of a foreign endpoint the gRPC port is not known."""
    assert urls(existing(None, None)) == ("http://localhost:8321", "http://localhost:4318", "localhost:4317")
    assert urls(existing("http://a:1/", "http://b:2/")) == ("http://a:1", "http://b:2", None)


def test_taken_ports_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that somebody listens on is replaced by any free one."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as released:
        free = released.getsockname()[1]
        released.close()
        monkeypatch.setattr(place, "PORTS", {"grpc": taken.getsockname()[1], "api": free})
        assert place.free_ports() == {"grpc": 0, "api": free}


def test_last_line(tmp_path: Path) -> None:
    """The last thing that was printed."""
    log = tmp_path / "up.log"
    log.write_text("one\ntwo\n\n")
    assert last_line(log) == "two"
    log.write_text("")
    assert last_line(log) == "it said nothing"
