"""One frozen settings object per process, from the environment and from flags."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from spanruns_schema.errors import ConfigError
from spanruns_schema.store import without_credentials

MIB = 2**20
GIB = 2**30
_DAY_S = 86_400

# Settings that are flags of commands too.
FLAGS = frozenset(
    (
        "data",
        "store",
        "host",
        "grpc_port",
        "http_port",
        "api_port",
        "clickhouse_port",
        "reuse_port",
        "ready_file",
        "log_level",
    )
)

Port = Annotated[int, Field(ge=0, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """Every setting of the receiver and the query API. Field `x_y` is `SPANRUNS_X_Y` in the environment."""

    model_config = SettingsConfigDict(env_prefix="SPANRUNS_", frozen=True, env_ignore_empty=True, extra="forbid")

    data: Path = Field(Path(".spanruns"), description="Directory of the embedded store and of the spool.")
    store: str = Field(
        "",
        description="`clickhouse://user:password@host:8123/database` (`clickhouses://` for TLS); "
        "empty for the embedded store in `<data>/store`.",
    )
    host: str = Field("127.0.0.1", description="Address that every port is opened on.")
    grpc_port: Port = Field(4317, description="OTLP over gRPC; 0 takes any free port.")
    http_port: Port = Field(4318, description="OTLP over HTTP, `/metrics`, `/healthz`, `/readyz`; 0: any.")
    api_port: Port = Field(8321, description="Query API and page; 0: any.")
    clickhouse_port: Port = Field(8123, description="ClickHouse-HTTP endpoint of the embedded store; 0: any.")
    reuse_port: bool = Field(
        False, description="Let several receivers on this machine share the gRPC and the HTTP port."
    )
    ready_file: Path | None = Field(
        None, description="File that gets the ports and the pid as JSON once everything serves."
    )
    log_level: LogLevel = Field(
        "info",
        validation_alias=AliasChoices("log_level", "SPANRUNS_LOG_LEVEL", "OTEL_LOG_LEVEL"),
        description="`debug`, `info`, `warning` or `error`; `OTEL_LOG_LEVEL` is read too.",
    )

    ingest_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Bearer tokens, comma-separated, one of which OTLP clients must send; empty: no check.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins (`https://app.example`), comma-separated, whose pages may send OTLP over HTTP from the browser; "
        "`*`: any; empty: none.",
    )
    tls_certificate: Path | None = Field(None, description="PEM certificate chain; with it both OTLP ports use TLS.")
    tls_key: Path | None = Field(None, description="PEM private key of the certificate.")
    tls_client_ca: Path | None = Field(
        None, description="PEM authorities; with them clients must show a certificate (mTLS)."
    )

    max_request_bytes: int = Field(
        20 * MIB, ge=1024, description="Largest OTLP request, uncompressed; larger ones are refused for good."
    )
    max_memory_bytes: int = Field(
        128 * MIB,
        ge=1 * MIB,
        description="Requests held in memory at a time; over it clients are told to retry.",
    )
    max_spool_bytes: int = Field(
        4 * GIB,
        ge=64 * 1024,
        description="Requests waiting on disk for the store; over it clients are told to retry.",
    )
    min_free_bytes: int = Field(
        256 * MIB, ge=0, description="Disk space the spool leaves free; under it clients are told to retry."
    )
    recent_requests: int = Field(
        65536,
        ge=0,
        description="Requests that are remembered to tell one that is sent again; 0 stores every one.",
    )
    door_threads: int = Field(16, ge=1, le=256, description="Requests that each OTLP port handles at a time.")
    body_timeout_s: float = Field(
        30.0, gt=0, le=_DAY_S, description="Time that a client has to send the body of a request."
    )

    batch_bytes: int = Field(16 * MIB, ge=1024, description="Requests are inserted together up to this many bytes.")
    batch_interval_ms: int = Field(
        200, ge=0, description="Least time between two inserts; the first after a pause is made at once."
    )
    drain_timeout_s: float = Field(
        10.0,
        ge=0,
        le=_DAY_S,
        description="Time that a stop has to bring the spool into the store; the rest waits on disk.",
    )

    @property
    def store_url(self) -> str:
        """What `open_store` takes."""
        return self.store or str(self.data / "store")

    @property
    def shown_host(self) -> str:
        """The address as a user of this machine would write it."""
        return "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else in_url(self.host)  # noqa: S104

    @property
    def reach(self) -> str:
        """Who reads what is here, where that is not only this machine; empty otherwise."""
        try:
            is_local = ip_address(self.host).is_loopback
        except ValueError:
            is_local = self.host == "localhost"
        return "" if is_local else f"whoever reaches {self.host} reads everything: page, API and SQL ask for no token"

    @property
    def shown_store(self) -> str:
        """The store's URL without user and password."""
        return without_credentials(self.store_url)

    @property
    def embedded(self) -> bool:
        """Whether the store is the engine in this process."""
        return not self.store.startswith(("clickhouse://", "clickhouses://"))

    @field_validator("ingest_tokens", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        level = value.lower() if isinstance(value, str) else value
        return {"trace": "debug", "warn": "warning", "fatal": "error", "critical": "error"}.get(level, level)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("SPANRUNS_TLS_CERTIFICATE and SPANRUNS_TLS_KEY belong together: set both or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("SPANRUNS_TLS_CLIENT_CA needs SPANRUNS_TLS_CERTIFICATE and SPANRUNS_TLS_KEY")
        return self

    @model_validator(mode="after")
    def _limits_fit(self) -> Settings:
        if self.max_memory_bytes < self.max_request_bytes:
            raise ValueError("SPANRUNS_MAX_MEMORY_BYTES must not be less than SPANRUNS_MAX_REQUEST_BYTES")
        if self.max_spool_bytes < self.max_request_bytes:
            raise ValueError("SPANRUNS_MAX_SPOOL_BYTES must not be less than SPANRUNS_MAX_REQUEST_BYTES")
        return self


def load_settings(**flags: Any) -> Settings:
    """The settings of this process: flags that are not None win over the environment.

    Raises `ConfigError` that names each wrong setting.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(found) for found in error.errors())) from error


def in_url(host: str) -> str:
    """An address as it stands before a colon and a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def to_ask(host: str) -> str:
    """The address under which to ask, on this machine, a process that listens on `host`; as `in_url`."""
    return in_url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))  # noqa: S104


def variable(field: str) -> str:
    """The environment variable of a field."""
    return f"SPANRUNS_{field.upper()}"


def flag(field: str) -> str:
    """The command line flag of a field."""
    return "--" + field.replace("_", "-")


def _explain(found: Any) -> str:
    message = str(found["msg"]).removeprefix("Value error, ")
    if not found["loc"]:
        return message
    field = str(found["loc"][0]).removeprefix("SPANRUNS_").lower()
    named = f"{variable(field)} ({flag(field)})" if field in FLAGS else variable(field)
    return f"{named} is {found['input']!r}: {message}"
