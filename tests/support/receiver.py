"""A receiver's front, running: both doors over a real spool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanruns_receiver.admit import Admission
from spanruns_receiver.doors.cors import with_cors
from spanruns_receiver.doors.grpc import GrpcDoor
from spanruns_receiver.doors.http import HttpDoor
from spanruns_receiver.health import Health
from spanruns_receiver.memory import MemoryBudget
from spanruns_receiver.recent import RecentRequests
from spanruns_receiver.serve import Tls, WebServer, listen
from spanruns_receiver.settings import Settings, load_settings
from spanruns_receiver.spool import Spool, SpoolLimits


@dataclass
class Front:
    """Two open doors and what is behind them."""

    grpc_port: int
    http_port: int
    spool: Spool
    admission: Admission
    health: Health
    settings: Settings

    @property
    def url(self) -> str:
        """Where OTLP over HTTP is."""
        return f"http://127.0.0.1:{self.http_port}"

    def count(self, name: str, **labels: str) -> float:
        """A metric's value, 0 when it was never counted."""
        return self.health.metrics.registry.get_sample_value(f"spanruns_receiver_{name}", labels) or 0


@contextmanager
def running_front(directory: Path, **flags: Any) -> Iterator[Front]:
    """Both doors on free ports over a spool in `directory`; flags are settings."""
    settings = load_settings(grpc_port=0, http_port=0, **flags)
    health = Health()
    spool = Spool(directory, SpoolLimits(settings.max_spool_bytes, settings.min_free_bytes))
    admission = Admission(
        spool,
        health.metrics,
        max_request_bytes=settings.max_request_bytes,
        memory=MemoryBudget(settings.max_memory_bytes),
        recent=RecentRequests(settings.recent_requests),
    )
    health.checks.append(admission.refusal)
    tls = None
    if settings.tls_certificate and settings.tls_key:
        tls = Tls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    grpc_door = GrpcDoor(admission, settings)
    http_door = HttpDoor(admission, health, settings)
    web = WebServer(with_cors(http_door, settings.cors_origins), listen("127.0.0.1", 0, "http_port"), "otlp-http", tls)
    grpc_door.start()
    web.start()
    try:
        yield Front(grpc_door.port, web.port, spool, admission, health, settings)
    finally:
        web.stop(1)
        http_door.close()
        grpc_door.stop(1)
        spool.close()
