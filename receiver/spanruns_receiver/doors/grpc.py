"""OTLP over gRPC: raw bytes through, no message is parsed here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import grpc
from spanruns_schema.errors import ConfigError, Malformed, Overloaded, SpanrunsError

from spanruns_receiver.doors.auth import BearerTokens
from spanruns_receiver.doors.status import NotOtlp, message_of, retry_info, rpc_status, status_of
from spanruns_receiver.serve import Tls
from spanruns_receiver.settings import Settings, in_url
from spanruns_receiver.signals import NAMES, Exporter, Signal, response

_log = logging.getLogger(__name__)

# Concurrent calls of one connection; more wait at the client.
_STREAMS_PER_CONNECTION = 128
# Calls that have come and that Python has not looked at yet, which takes it 0.2 ms each: what is more gRPC cancels without a word on when to
# come back, by itself the more often the more there are beyond 1,000. Each may have a window of its message in memory.
_UNSEEN_CALLS = 8 * 1024
# How much of a message is sent before it is read, by calls that wait for a thread. What gRPC finds out by itself to be best for the
# network is megabytes a call, which nothing here would count.
_WINDOW_BYTES = 64 * 1024
# How often, within the time that a message has to come, those that wait for one are looked at.
_LOOKS_PER_LIMIT = 10


class NoMessage(Malformed):
    """A call that was over before its message was there: its client has given up, or gRPC found the message far too large."""


class GrpcDoor:
    """The three `Export` methods on one port. Opens the port at once, serves after `start`.

    Raises `ConfigError` when the port is taken or the TLS files are wrong.
    """

    def __init__(self, exporter: Exporter, settings: Settings) -> None:
        self._pool = ThreadPoolExecutor(settings.door_threads, "grpc-door")
        self._patience = _Patience(settings.body_timeout_s)
        calls = _Calls(max(settings.max_memory_bytes // _WINDOW_BYTES, settings.door_threads))
        self._server = grpc.server(
            self._pool,
            handlers=[_Handlers(exporter, BearerTokens(settings.ingest_tokens), self._patience, calls)],
            options=[
                # A little more than ours, so that a request somewhat too large is told so by us.
                ("grpc.max_receive_message_length", settings.max_request_bytes + 64 * 1024),
                ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION),
                # It refuses, without a word on when to come back, calls of clients that keep to the limit: those before them may still be
                # in memory. `_Calls` does it instead.
                ("grpc.http.overload_protection", 0),
                ("grpc.server.max_pending_requests", _UNSEEN_CALLS),
                ("grpc.server.max_pending_requests_hard_limit", _UNSEEN_CALLS),
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
                ("grpc.so_reuseport", int(settings.reuse_port)),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        try:
            self.port = self._open(f"{in_url(settings.host)}:{settings.grpc_port}", settings)
        except RuntimeError as error:
            raise ConfigError(
                f"port {settings.grpc_port} on {settings.host} cannot be opened for gRPC: "
                "set --grpc-port (SPANRUNS_GRPC_PORT), 0 takes any free one"
            ) from error

    def start(self) -> None:
        """Begin to serve."""
        self._patience.start()
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take no new calls, and return when the ones inside are answered or `grace_s` is over."""
        self._server.stop(grace_s).wait()
        self._patience.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _open(self, address: str, settings: Settings) -> int:
        if settings.tls_certificate is None or settings.tls_key is None:
            return int(self._server.add_insecure_port(address))
        client_ca = _read(settings.tls_client_ca) if settings.tls_client_ca else None
        pair = (_read(settings.tls_key), _read(settings.tls_certificate))
        Tls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca).check()
        credentials = grpc.ssl_server_credentials(
            [pair],
            root_certificates=client_ca,
            require_client_auth=client_ca is not None,
        )
        return int(self._server.add_secure_port(address, credentials))


class _Patience:
    """Cancels calls whose message has not come within `limit_s` of their arrival.

    A call has a thread while its message is read, so without an end to it a few clients that send none would keep out all others.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._arrived: dict[Any, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="grpc-patience", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def read(self, messages: Iterator[bytes], context: Any, arrived_at: float) -> bytes:
        """The only message of a call; raises `NotOtlp` when it did not come in time, else `NoMessage` when none came."""
        self._arrived[context] = arrived_at
        try:
            return next(messages)
        except (StopIteration, grpc.RpcError) as error:
            if time.monotonic() - arrived_at < self._limit_s:
                raise NoMessage("the call has no message") from error
            raise NotOtlp(f"the message did not come within {self._limit_s} s", 408) from error
        finally:
            del self._arrived[context]

    def _watch(self) -> None:
        while not self._stopped.wait(self._limit_s / _LOOKS_PER_LIMIT):
            now = time.monotonic()
            for context, arrived_at in list(self._arrived.items()):
                if now - arrived_at >= self._limit_s:
                    context.cancel()


class _Calls:
    """How many calls are inside, being handled or waiting for a thread; at most `limit`, of all clients together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Whether one more may come in; it then must leave."""
        with self._lock:
            if self._inside >= self._limit:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """One is over."""
        with self._lock:
            self._inside -= 1


class _AtOnce(ThreadPoolExecutor):
    """Runs what it is given in the thread that gives it, gRPC's own: a refusal does not stand in the queue that is too long."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Methods by name; gRPC answers UNIMPLEMENTED to any other."""

    def __init__(self, exporter: Exporter, tokens: BearerTokens, patience: _Patience, calls: _Calls) -> None:
        self._calls = calls
        self._exports = {
            NAMES[signal].grpc_method: _export(signal, exporter, tokens, patience, calls) for signal in NAMES
        }
        self._refusal = grpc.stream_unary_rpc_method_handler(_refuse(exporter))

    def service(self, call: Any) -> Any:
        """The handler of the method that is called.

        The methods are unary; as streams of requests, which are the same on the wire, we are the ones who read the message. Without
        (de)serializers the handler sees and gives the bytes as they are.
        """
        export = self._exports.get(call.method)
        if export is None:
            return None
        if not self._calls.enter():
            return self._refusal
        return grpc.stream_unary_rpc_method_handler(partial(export, time.monotonic()))


def _export(
    signal: Signal, exporter: Exporter, tokens: BearerTokens, patience: _Patience, calls: _Calls
) -> Callable[[float, Iterator[bytes], Any], bytes]:
    def handle(arrived_at: float, messages: Iterator[bytes], context: Any) -> bytes:
        try:
            tokens.check(dict(context.invocation_metadata()).get("authorization"))
            request = patience.read(messages, context, arrived_at)
            with exporter.memory.share(len(request)):
                result = exporter.export(signal, request, door="grpc")
            return response(signal, result).SerializeToString()
        except Exception as error:
            exporter.refused("grpc", error)
            _abort(context, error)
        finally:
            calls.leave()

    return handle


def _refuse(exporter: Exporter) -> Callable[[Iterator[bytes], Any], bytes]:
    """What a call is told that is one too many."""

    def handle(messages: Iterator[bytes], context: Any) -> bytes:
        error = Overloaded("too many calls wait to be handled")
        exporter.refused("grpc", error)
        _abort(context, error)

    handle.experimental_thread_pool = _AtOnce()  # type: ignore[attr-defined]
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
