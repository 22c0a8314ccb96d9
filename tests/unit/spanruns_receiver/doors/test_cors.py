"""Pages of other sites send OTLP from the browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.otlp import traces
from tests.support.receiver import running_front

PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-encoding, content-type",
}
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.mark.parametrize("allowed", ["https://app.example,https://other.example", "*"])
def test_allowed_origin(tmp_path: Path, allowed: str) -> None:
    """A page of an allowed site may ask first and send then, with the headers that OTLP exporters set."""
    origin = {"origin": "https://app.example"}
    with running_front(tmp_path, cors_origins=allowed, ingest_tokens="secret") as front:
        asked = httpx.options(f"{front.url}/v1/traces", headers={**origin, **PREFLIGHT})
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-methods"] == "POST"
        assert set(PREFLIGHT["access-control-request-headers"].split(", ")) <= {
            name.strip().lower() for name in asked.headers["access-control-allow-headers"].split(",")
        }
        headers = {**origin, **PROTOBUF, "authorization": "Bearer secret"}
        sent = httpx.post(f"{front.url}/v1/traces", content=traces(1), headers=headers)
        assert sent.status_code == 200
        assert sent.headers["access-control-allow-origin"] in ("https://app.example", "*")
        refused = httpx.post(f"{front.url}/v1/traces", content=traces(1), headers={**origin, **PROTOBUF})
        assert refused.status_code == 401
        assert "access-control-allow-origin" in refused.headers


@pytest.mark.parametrize("flags", [{}, {"cors_origins": "https://app.example"}])
def test_other_origin(tmp_path: Path, flags: dict[str, str]) -> None:
    """By default no site may, and with a list no other one: its browser is told nothing that lets it go on."""
    with running_front(tmp_path, **flags) as front:
        asked = httpx.options(f"{front.url}/v1/traces", headers={"origin": "https://evil.example", **PREFLIGHT})
        assert asked.status_code in (400, 405)
        assert "access-control-allow-origin" not in asked.headers
