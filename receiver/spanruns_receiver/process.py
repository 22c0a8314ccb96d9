"""Everything of a receiver in one process: started in order, stopped in the opposite one."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanruns_schema.errors import ConfigError, StoreUnavailable
from spanruns_schema.store import Store

from spanruns_receiver.admit import Admission
from spanruns_receiver.decode import decoder_name
from spanruns_receiver.doors.cors import with_cors
from spanruns_receiver.doors.grpc import GrpcDoor
from spanruns_receiver.doors.http import HttpDoor
from spanruns_receiver.health import Health
from spanruns_receiver.memory import MemoryBudget
from spanruns_receiver.opening import OpeningStore
from spanruns_receiver.ready import clear, told_in
from spanruns_receiver.recent import RecentRequests
from spanruns_receiver.serve import Tls, WebServer, listen
from spanruns_receiver.settings import Settings
from spanruns_receiver.spool import Damage, Spool, SpoolLimits
from spanruns_receiver.writer import Pace, Writer

if TYPE_CHECKING:
    from spanruns_receiver.resolver import Resolver

_log = logging.getLogger(__name__)

# In the data directory while a process serves it: where that process can be asked.
RUNNING_FILE = "running.json"
_DOOR_GRACE_S = 5.0
_OPENING_S = 5.0
# What a statement that runs when a stop comes is waited for. The embedded engine must not be closed under it; a server that does not
# answer is left alone, as everything can be done again.
_EMBEDDED_GRACE_S = 30.0
_SERVER_GRACE_S = 1.0
_EMBEDDED_POLL_S = 10.0


@dataclass(frozen=True)
class Roles:
    """What a process does beside taking and storing OTLP."""

    resolver: bool = True
    api: bool = True
    clickhouse: bool = True


@dataclass(frozen=True)
class Ports:
    """The ports that are really open; None for what this process does not serve."""

    grpc: int
    otlp_http: int
    api: int | None = None
    clickhouse: int | None = None

    def opened(self) -> dict[str, int]:
        """Those that are open, by name."""
        return {name: port for name, port in vars(self).items() if port is not None}


class Process:
    """A receiver. `start` once, `stop` once; whatever fails in `start`, what was started before it is
    stopped.
    """

    def __init__(self, settings: Settings, roles: Roles) -> None:
        self._settings = settings
        self._roles = roles
        self._stack = ExitStack()
        self.health = Health()

    def start(self) -> Ports:
        """Serve; returns when every port answers. Raises `ConfigError` or `SchemaError` when that cannot be."""
        with ExitStack() as stack:
            ports = self._start(stack)
            self._stack = stack.pop_all()
        return ports

    def stop(self) -> None:
        """Take nothing new, store what is there for as long as the settings allow, and end everything."""
        self._stack.close()

    def _start(self, stack: ExitStack) -> Ports:
        settings = self._settings
        clear(settings.ready_file)
        self.health.metrics.decoder.info({"name": decoder_name()})
        sockets = {
            field: listen(settings.host, getattr(settings, field), field, reuse_port=shared)
            for field, shared in self._web_ports().items()
        }
        for sock in sockets.values():
            stack.callback(sock.close)
        spool = self._spool()
        stack.callback(spool.close)
        store = self._store()
        stack.callback(store.close)
        resolver = self._resolver(stack, store)
        writer = Writer(
            spool,
            store,
            self.health.metrics,
            Pace(settings.batch_bytes, settings.batch_interval_ms / 1000),
            # Others may write to a server; there the views on the raw tables map every row.
            facts=settings.embedded,
            on_stored=resolver.tell if resolver else lambda facts: None,
        )
        writer.start()
        stack.callback(self._drain, writer)
        admission = self._admission(spool)
        http_door = HttpDoor(admission, self.health, settings)
        stack.callback(http_door.close)
        web = self._web_apps(store, http_door)
        opened = {field: self._serve(stack, app, sockets[field], field) for field, app in web.items()}
        grpc_port, http_port = self._open_doors(stack, admission, http_door, sockets["http_port"])
        ports = Ports(grpc_port, http_port, opened.get("api_port"), opened.get("clickhouse_port"))
        self._tell(stack, ports)
        return ports

    def _web_ports(self) -> dict[str, bool]:
        """The HTTP ports to open, by setting, and whether other receivers may share them."""
        ports = {"http_port": self._settings.reuse_port}
        if self._roles.api:
            ports["api_port"] = False
        if self._roles.clickhouse and self._settings.embedded:
            ports["clickhouse_port"] = False
        return ports

    def _spool(self) -> Spool:
        def damaged(damage: Damage) -> None:
            self.health.metrics.spool_damaged_bytes.inc(damage.size_bytes)

        limits = SpoolLimits(self._settings.max_spool_bytes, self._settings.min_free_bytes)
        data = self._settings.data
        try:
            return Spool(data / "spool", limits, on_damage=damaged)
        except OSError as error:
            raise ConfigError(
                f"the data directory {data} cannot be used ({error}): change its rights, or set --data (SPANRUNS_DATA)"
            ) from error

    def _store(self) -> Store:
        store = OpeningStore(self._settings.store_url, shared=not self._settings.embedded)
        if self._settings.embedded:
            store.open()
        else:
            self._open_if_it_answers(store)
        return store

    def _open_if_it_answers(self, store: OpeningStore) -> None:
        """Open a server; one that is away, or takes its time, must not keep the doors shut."""
        opening: Future[None] = Future()

        def work() -> None:
            try:
                store.open()
                opening.set_result(None)
            except BaseException as error:
                opening.set_exception(error)

        threading.Thread(target=work, name="store-open", daemon=True).start()
        try:
            opening.result(_OPENING_S)
        except TimeoutError:
            _log.warning("the store has not answered within %s s, requests wait in the spool", _OPENING_S)
        except StoreUnavailable as error:
            _log.warning("the store is away, requests wait in the spool: %s", error)

    def _resolver(self, stack: ExitStack, store: Store) -> Resolver | None:
        if not self._roles.resolver:
            return None
        from spanruns_receiver.resolver.loop import POLL_S, Resolver

        # Into the embedded store nobody else writes, and our own writer tells what.
        embedded = self._settings.embedded
        resolver = Resolver(store, poll_s=_EMBEDDED_POLL_S if embedded else POLL_S, is_told=embedded)
        metrics = self.health.metrics
        metrics.resolver_passes.set_function(lambda: resolver.passes)
        metrics.resolver_facts.set_function(lambda: resolver.resolved_facts)
        metrics.resolver_failures.set_function(lambda: resolver.failures)
        metrics.resolver_waiting.set_function(lambda: resolver.waiting)
        stop = threading.Event()
        thread = threading.Thread(target=resolver.run_forever, args=(stop,), name="resolver", daemon=True)

        def end() -> None:
            stop.set()
            resolver.poke()
            thread.join(self._grace_s)

        thread.start()
        stack.callback(end)
        return resolver

    def _web_apps(self, store: Store, told: HttpDoor) -> dict[str, Any]:
        apps: dict[str, Any] = {}
        ports = self._web_ports()
        if "api_port" in ports:
            from spanruns_receiver import api

            apps["api_port"] = _with_health(api.create_app(store, self._settings), told)
        if "clickhouse_port" in ports:
            from spanruns_receiver import clickhouse_http

            apps["clickhouse_port"] = clickhouse_http.create_app(store, self._settings)
        return apps

    def _serve(self, stack: ExitStack, app: Any, sock: Any, field: str) -> int:
        server = WebServer(app, sock, field.removesuffix("_port"))
        server.start()
        stack.callback(server.stop, _DOOR_GRACE_S)
        return server.port

    def _admission(self, spool: Spool) -> Admission:
        settings, metrics = self._settings, self.health.metrics
        recent = RecentRequests(settings.recent_requests, spool.digests()) if settings.recent_requests else None
        admission = Admission(
            spool,
            metrics,
            max_request_bytes=settings.max_request_bytes,
            memory=MemoryBudget(settings.max_memory_bytes),
            recent=recent,
        )
        self.health.checks.append(admission.refusal)
        return admission

    def _open_doors(
        self, stack: ExitStack, admission: Admission, http_door: HttpDoor, http_socket: Any
    ) -> tuple[int, int]:
        settings = self._settings
        tls = None
        if settings.tls_certificate and settings.tls_key:
            tls = Tls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
        grpc_door = GrpcDoor(admission, settings)
        stack.callback(grpc_door.stop, _DOOR_GRACE_S)
        web = WebServer(with_cors(http_door, settings.cors_origins), http_socket, "otlp-http", tls)
        web.start()
        stack.callback(web.stop, _DOOR_GRACE_S)
        grpc_door.start()
        return grpc_door.port, web.port

    def _tell(self, stack: ExitStack, ports: Ports) -> None:
        for file in (self._settings.data / RUNNING_FILE, self._settings.ready_file):
            stack.enter_context(told_in(file, **ports.opened(), host=self._settings.host))

    @property
    def _grace_s(self) -> float:
        return _EMBEDDED_GRACE_S if self._settings.embedded else _SERVER_GRACE_S

    def _drain(self, writer: Writer) -> None:
        if not writer.stop(self._settings.drain_timeout_s, leave_s=self._grace_s):
            _log.warning("not everything is stored yet; the rest waits in %s", self._settings.data / "spool")


def read_running(data: Path) -> dict[str, Any] | None:
    """What the process that serves `data` has told of itself; None when there is none, or it is gone."""
    from spanruns_receiver.spool.lock import is_locked

    try:
        told: Any = json.loads((data / RUNNING_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and is_locked(data / "spool") else None


def _with_health(app: Any, told: HttpDoor) -> Any:
    """`app`, with what the OTLP port tells of this process on its port too."""

    async def both(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] in ("/metrics", "/readyz"):
            await told(scope, receive, send)
        else:
            await app(scope, receive, send)

    return both
