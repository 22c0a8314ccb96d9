"""Posts one encoded OTLP request, and says whether it was taken, should be tried again, or never will be
taken.

The statuses are those of the OTLP specification (OTLP/HTTP, "Failures"): 429, 502, 503 and 504 are worth
another try.
"""

from __future__ import annotations

import gzip
import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from spanruns import _fork
from spanruns._settings import Settings

if TYPE_CHECKING:
    import requests

RETRYABLE: Final = frozenset((429, 502, 503, 504))
MIN_GZIP: Final = 1_024
MAX_RETRY_AFTER_S: Final = 60.0
MAX_ANSWER: Final = 65_536
CONTENT_TYPE: Final = "application/x-protobuf"

log = logging.getLogger("spanruns")


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    outcome: Literal["accepted", "retry", "rejected"]
    reason: str = ""
    retry_after_s: float | None = None
    rejected_items: int = 0
    """Items the endpoint would not take out of an accepted request (partial success)."""


class Sender:
    """One connection to one OTLP/HTTP URL; used by one thread."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._settings = settings
        self._session: requests.Session | None = None

    def prepare(self) -> None:
        """Import what sending needs; done by the sending thread so that the service does not wait for it."""
        if self._session is not None:
            return
        with _fork.importing():
            for name in _NEEDED:
                importlib.import_module(name)
        import requests

        session = requests.Session()
        session.headers.update({"Content-Type": CONTENT_TYPE, "User-Agent": "spanruns"})
        session.headers.update(self._settings.headers)
        session.verify = self._settings.certificate or True
        if self._settings.client_certificate and self._settings.client_key:
            session.cert = (self._settings.client_certificate, self._settings.client_key)
        self._session = session

    def forget(self) -> None:
        """Drop the connection without closing it: after a fork it belongs to the parent."""
        self._session = None

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def post(self, body: bytes, timeout_s: float | None = None) -> Answer:
        """Send one request body; raises nothing that a network can cause."""
        import requests

        self.prepare()
        session = self._session
        if session is None:  # pragma: no cover - prepare() has just made it
            return Answer("retry", "no session")
        headers = {}
        if self._settings.gzip and len(body) >= MIN_GZIP:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        limit = min(timeout_s or self._settings.timeout_s, self._settings.timeout_s)
        try:
            response = session.post(
                self.url,
                data=body,
                headers=headers,
                timeout=(min(limit, 3.05), limit),
                allow_redirects=False,
                stream=True,
            )
            with response:
                return _answer(response)
        except requests.RequestException as error:
            return Answer("retry", f"{type(error).__name__}")
        except OSError as error:
            return Answer("retry", str(error) or type(error).__name__)


_NEEDED: Final = (
    "encodings.idna",
    "google.protobuf.message",
    "netrc",  # requests looks for it at each request
    "opentelemetry.exporter.otlp.proto.common._log_encoder",
    "opentelemetry.exporter.otlp.proto.common.metrics_encoder",
    "opentelemetry.exporter.otlp.proto.common.trace_encoder",
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    "requests",
)
"""Everything that sending imports, so that nothing of it is left for later."""


def _answer(response: requests.Response) -> Answer:
    status = response.status_code
    if 200 <= status < 300:
        return _partial(response)
    if status in RETRYABLE:
        return Answer("retry", f"status {status}", retry_after_s=_retry_after(response))
    return Answer("rejected", f"status {status}")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait, where the endpoint says so in seconds (a date is left to our own back-off)."""
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(seconds, MAX_RETRY_AFTER_S) if seconds >= 0 else None


def _partial(response: requests.Response) -> Answer:
    """The partial success of a 2xx answer; the message has the same shape for all three signals."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    content = response.raw.read(MAX_ANSWER, decode_content=True) or b""
    if not content or not response.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
        return Answer("accepted")
    message = trace_service_pb2.ExportTraceServiceResponse()
    try:
        message.ParseFromString(content)
    except DecodeError:
        return Answer("accepted", "unreadable answer")
    partial = message.partial_success
    return Answer("accepted", partial.error_message, rejected_items=partial.rejected_spans)
