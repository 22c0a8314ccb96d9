"""OTLP over gRPC: raw bytes through, no message is parsed here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import grpc
from spanruns_schema.errors import ConfigError, SpanrunsError

from spanruns_receiver.doors.auth import BearerTokens
from spanruns_receiver.doors.status import message_of, retry_info, rpc_status, status_of
from spanruns_receiver.settings import Settings
from spanruns_receiver.signals import NAMES, Exporter, Signal, response

_log = logging.getLogger(__name__)

# Concurrent calls of one connection; more wait at the client. What is being sent already takes memory here.
_STREAMS_PER_CONNECTION = 128


class GrpcDoor:
    """The three `Export` methods on one port. Opens the port at once, serves after `start`.

    Raises `ConfigError` when the port is taken or the TLS files are wrong.
    """

    def __init__(self, exporter: Exporter, settings: Settings) -> None:
        self._pool = ThreadPoolExecutor(settings.door_threads, "grpc-door")
        self._server = grpc.server(
            self._pool,
            handlers=[_Handlers(exporter, BearerTokens(settings.ingest_tokens))],
            options=[
                # A little more than ours, so that a request somewhat too large is told so by us.
                ("grpc.max_receive_message_length", settings.max_request_bytes + 64 * 1024),
                ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION),
                ("grpc.so_reuseport", int(settings.reuse_port)),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        try:
            self.port = self._open(f"{settings.host}:{settings.grpc_port}", settings)
        except RuntimeError as error:
            raise ConfigError(
                f"port {settings.grpc_port} on {settings.host} cannot be opened for gRPC: "
                "set --grpc-port (SPANRUNS_GRPC_PORT), 0 takes any free one"
            ) from error

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take no new calls, and return when the ones inside are answered or `grace_s` is over."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _open(self, address: str, settings: Settings) -> int:
        if settings.tls_certificate is None or settings.tls_key is None:
            return int(self._server.add_insecure_port(address))
        client_ca = _read(settings.tls_client_ca) if settings.tls_client_ca else None
        credentials = grpc.ssl_server_credentials(
            [(_read(settings.tls_key), _read(settings.tls_certificate))],
            root_certificates=client_ca,
            require_client_auth=client_ca is not None,
        )
        return int(self._server.add_secure_port(address, credentials))


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Methods by name; gRPC answers UNIMPLEMENTED to any other."""

    def __init__(self, exporter: Exporter, tokens: BearerTokens) -> None:
        # Without (de)serializers the handler sees and gives the bytes as they are.
        self._methods = {
            NAMES[signal].grpc_method: grpc.unary_unary_rpc_method_handler(_export(signal, exporter, tokens))
            for signal in NAMES
        }

    def service(self, call: Any) -> Any:
        """The handler of the method that is called."""
        return self._methods.get(call.method)


def _export(signal: Signal, exporter: Exporter, tokens: BearerTokens) -> Callable[[bytes, Any], bytes]:
    def handle(request: bytes, context: Any) -> bytes:
        try:
            tokens.check(dict(context.invocation_metadata()).get("authorization"))
            result = exporter.export(signal, request, door="grpc")
            return response(signal, result).SerializeToString()
        except Exception as error:
            exporter.refused("grpc", error)
            _abort(context, error)

    return handle


def _abort(context: Any, error: Exception) -> NoReturn:
    status = status_of(error)
    if not isinstance(error, SpanrunsError):
        _log.error("a gRPC request failed", exc_info=error)
    trailers = [("grpc-status-details-bin", rpc_status(error).SerializeToString())]
    info = retry_info(error)
    if info is not None:  # the Python SDK looks here, the others into the status' details
        trailers.append(("google.rpc.retryinfo-bin", info.SerializeToString()))
    context.set_trailing_metadata(trailers)
    context.abort(status.grpc, message_of(error))
    raise AssertionError("abort returned")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}, which a SPANRUNS_TLS_ setting names: {error}") from error
