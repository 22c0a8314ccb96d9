"""An ASGI application on a port, served by uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from spanruns_schema.errors import ConfigError
from uvicorn.protocols.http.h11_impl import H11Protocol

from spanruns_receiver.settings import flag, variable

_START_TIMEOUT_S = 30.0
_KEEP_ALIVE_S = 75
_HEAD_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Tls:
    """PEM files for a port; with `client_ca` clients must show a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def check(self) -> None:
        """Raises `ConfigError` when the files are not what they should be, or do not belong together."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.certificate, self.key, password="")
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the files that SPANRUNS_TLS_ settings name cannot be used ({error}): set a PEM certificate chain, its unencrypted "
                "PEM key, and PEM authorities"
            ) from error


def listen(host: str, port: int, setting: str, *, reuse_port: bool = False) -> socket.socket:
    """A socket that is bound and takes connections from now on; `setting` is the field that sets the port.

    Raises `ConfigError` when the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"port {port} on {host} cannot be opened ({error.strerror or error}): "
            f"set {flag(setting)} ({variable(setting)}), 0 takes any free one"
        ) from error
    return sock


class WebServer:
    """Serves `app` on `sock` from `start` to `stop`."""

    def __init__(self, app: Any, sock: socket.socket, name: str, tls: Tls | None = None) -> None:
        self.port: int = sock.getsockname()[1]
        self._socket = sock
        self._failure: BaseException | None = None
        self._server = _Server(_config(app, tls))
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Return when requests are answered; raises what the application raised while it started."""
        self._thread.start()
        if not self._server.decided.wait(_START_TIMEOUT_S):
            raise ConfigError(f"{self._thread.name} did not start within {_START_TIMEOUT_S} s")
        if not self._server.started:
            self._thread.join()
            raise ConfigError(f"{self._thread.name} could not be started") from self._failure

    def stop(self, grace_s: float) -> None:
        """Take no new connections; return when open requests are answered, or cancelled after `grace_s`."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._server.leave()
        if self._thread.ident is not None:
            self._thread.join(grace_s + 5)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # SystemExit is how uvicorn says that the application did not start
            self._failure = error
        finally:
            self._server.decided.set()


class _Server(uvicorn.Server):
    """Waits for its end without waking up ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open up, and tell whoever waits for it."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.decided.set()

    async def main_loop(self) -> None:
        """Serve until `leave`."""
        await self.on_tick(0)
        await self._leave.wait()

    def leave(self) -> None:
        """Let the main loop end; from any thread."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._leave.set)


class _Http(H11Protocol):
    """HTTP on one connection, which is closed when it begins no request in time.

    uvicorn would hold it for as long as the client does, and a few thousand such are all the files that a process may open.
    """

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of a first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait on where that was no whole head of a request."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._cease()

    def _await_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._cease()
        elif self._patience is None:
            self._patience = self.loop.call_later(_HEAD_TIMEOUT_S, self.transport.close)

    def _cease(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _unsupported_upgrade_warning(self) -> None:
        """Who offers another protocol, as Java's client offers HTTP/2, is answered in this one."""


def _config(app: Any, tls: Tls | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=_Http,
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    if tls is not None:
        tls.check()
        config.ssl_certfile = str(tls.certificate)
        config.ssl_keyfile = str(tls.key)
        config.ssl_ca_certs = str(tls.client_ca) if tls.client_ca else None
        config.ssl_cert_reqs = ssl.CERT_REQUIRED if tls.client_ca else ssl.CERT_NONE
    config.load()
    return config
