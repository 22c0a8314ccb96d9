"""One frozen settings object, from `OTEL_*` where OpenTelemetry has a name for it, else from `SPANRUNS_*`.

A value that cannot be read never stops the service: it is reported once with what to set, and the default is
used. The content mode is the exception: what cannot be understood there means `metadata_only`, because it
fails closed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from spanruns import _guard, _variables

ContentMode = Literal["full", "no_tool_content", "metadata_only"]
MaskCallback = Callable[[str, str], str]
"""Called with (attribute key, value); gives the value to send."""

DEFAULT_ENDPOINT = "http://localhost:4318"
SIGNALS = ("traces", "logs", "metrics")


@dataclass(frozen=True)
class Settings:
    """What one process of a service sends, where, and how much of it."""

    enabled: bool = True
    """False: nothing is sent and nothing is patched (`SPANRUNS_ENABLED`, `OTEL_SDK_DISABLED`)."""
    urls: Mapping[str, str] = field(default_factory=lambda: signal_urls({}, None))
    """Full URL per signal (`SPANRUNS_ENDPOINT`, else `OTEL_EXPORTER_OTLP_[SIGNAL_]ENDPOINT`)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request (`OTEL_EXPORTER_OTLP_HEADERS`)."""
    timeout_s: float = 10.0
    """Longest time one request may take, seconds (`OTEL_EXPORTER_OTLP_TIMEOUT`)."""
    gzip: bool = False
    """Compress requests (`OTEL_EXPORTER_OTLP_COMPRESSION=gzip`)."""
    certificate: str | None = None
    """CA bundle for https (`OTEL_EXPORTER_OTLP_CERTIFICATE`)."""
    client_certificate: str | None = None
    """Certificate of this client (`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`)."""
    client_key: str | None = None
    """Its key (`OTEL_EXPORTER_OTLP_CLIENT_KEY`)."""
    of_signal: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What differs of the last six for one signal (`OTEL_EXPORTER_OTLP_[SIGNAL_]HEADERS` …)."""
    service_name: str | None = None
    """`OTEL_SERVICE_NAME`, else the name of the script."""
    environment: str | None = None
    """`deployment.environment.name` of this process (`SPANRUNS_ENVIRONMENT`)."""
    workspace: str | None = None
    """`spanruns.workspace` of every run (`SPANRUNS_WORKSPACE`)."""
    trigger: str | None = None
    """Trigger of every root run that has none of its own (`SPANRUNS_TRIGGER`)."""
    content: ContentMode = "full"
    """What is captured besides names, ids, numbers and times (`SPANRUNS_CONTENT`)."""
    mask_secrets: bool = True
    """Mask API keys, tokens and passwords in well-known shapes (`SPANRUNS_MASK_SECRETS`)."""
    mask_emails: bool = False
    """Mask e-mail addresses too (`SPANRUNS_MASK_EMAILS`)."""
    mask: tuple[MaskCallback, ...] = ()
    """Own callbacks, applied after the built-in masking."""
    max_value_bytes: int = 65_536
    """Longer values are cut, and their size is kept beside them (`SPANRUNS_MAX_VALUE_BYTES`)."""
    heartbeat_s: float = 10.0
    """Seconds between heartbeats of live runs (`SPANRUNS_HEARTBEAT_SECONDS`)."""
    flush_s: float = 0.5
    """Longest time a finished span waits before it is sent, seconds (`OTEL_BSP_SCHEDULE_DELAY`,
    milliseconds).
    """
    queue_items: int = 16_384
    """Spans, and log records, that may wait in memory (`SPANRUNS_QUEUE_ITEMS`)."""
    backlog_bytes: int = 67_108_864
    """Encoded requests kept while no endpoint answers, per signal (`SPANRUNS_BACKLOG_BYTES`)."""
    exit_s: float = 2.0
    """Longest time the exit of the process waits for an endpoint that does not answer
    (`SPANRUNS_EXIT_SECONDS`).
    """
    logs: bool = True
    """Send `logging` records made inside runs (`SPANRUNS_LOGS`)."""
    log_level: int = logging.INFO
    """Lowest level that is sent (`SPANRUNS_LOGS_LEVEL`)."""
    metrics: bool = True
    """Send metrics (`SPANRUNS_METRICS`)."""
    metrics_s: float = 15.0
    """Seconds between two exports of metrics (`OTEL_METRIC_EXPORT_INTERVAL`, milliseconds)."""
    disabled_frameworks: frozenset[str] = frozenset()
    """Frameworks `spanruns.auto` leaves alone (`SPANRUNS_DISABLED_FRAMEWORKS`, comma-separated)."""

    def of(self, signal: str) -> Settings:
        """The settings for requests of one signal."""
        return replace(self, **self.of_signal.get(signal, {}))


def signal_urls(env: Mapping[str, str], endpoint: str | None) -> dict[str, str]:
    """The URL of each signal, by the rules of the OTLP exporter specification."""
    base = endpoint or env.get("SPANRUNS_ENDPOINT")
    if base:
        return {signal: _url(f"{base.rstrip('/')}/v1/{signal}") for signal in SIGNALS}
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT
    if env.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
        base = _http_port(base)
    own = {signal: env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT") for signal in SIGNALS}
    return {signal: _url(own[signal] or f"{base.rstrip('/')}/v1/{signal}") for signal in SIGNALS}


def _url(endpoint: str) -> str:
    """Host and port alone, as gRPC exporters take it, mean http."""
    return endpoint if "//" in endpoint else f"http://{endpoint}"


def _http_port(endpoint: str) -> str:
    """Our requests are OTLP/HTTP, so a gRPC endpoint on the standard port means the HTTP one beside it."""
    parts = urlsplit(endpoint if "//" in endpoint else f"http://{endpoint}")
    if parts.port == 4317:
        _guard.info_once("grpc", "spanruns sends OTLP over HTTP: using port 4318 instead of 4317")
        return f"{parts.scheme}://{parts.hostname}:4318{parts.path}"
    return endpoint


def script_name() -> str:
    """A name for the service when nobody gave one: that of the script or module being run."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name and spec.name != "__main__":
        return str(spec.name).removesuffix(".__main__")
    stem = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in ("", "-c", "-") else ""
    return stem or "python"


def from_environment(env: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read the environment; `given` (those that are not None) wins over it."""
    env = os.environ if env is None else env
    with _guard.guarded("looking for misnamed variables"):
        _variables.tell_misnamed(env)
    given = _known(given)
    endpoint = given.pop("endpoint", None) or env.get("SPANRUNS_ENDPOINT")
    own = {} if endpoint else {signal: _requests(env, f"OTEL_EXPORTER_OTLP_{signal.upper()}_") for signal in SIGNALS}
    of_signal = {
        signal: {key: value for key, value in read.items() if key not in given} for signal, read in own.items() if read
    }
    settings = replace(
        Settings(urls=signal_urls(env, endpoint), of_signal=of_signal),
        **{**_requests(env, "OTEL_EXPORTER_OTLP_"), **_known(_read(env)), **given},
    )
    return replace(settings, content=_content(settings.content))


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _requests(env: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """How requests are made, of all signals or of one.

    What is set for one goes with its endpoint: it is left out where one of ours is for all.
    """
    return _known(
        {
            "headers": _headers(env, f"{prefix}HEADERS"),
            "timeout_s": _number(env, f"{prefix}TIMEOUT", 0.1, 600),
            "gzip": _gzip(env, f"{prefix}COMPRESSION"),
            "certificate": env.get(f"{prefix}CERTIFICATE") or None,
            "client_certificate": env.get(f"{prefix}CLIENT_CERTIFICATE") or None,
            "client_key": env.get(f"{prefix}CLIENT_KEY") or None,
        }
    )


def _read(env: Mapping[str, str]) -> dict[str, Any]:
    disabled = _flag(env, "OTEL_SDK_DISABLED")
    return {
        "enabled": False if disabled else _flag(env, "SPANRUNS_ENABLED"),
        "service_name": env.get("OTEL_SERVICE_NAME") or None,
        "environment": env.get("SPANRUNS_ENVIRONMENT") or None,
        "workspace": env.get("SPANRUNS_WORKSPACE") or None,
        "trigger": env.get("SPANRUNS_TRIGGER") or None,
        "content": env.get("SPANRUNS_CONTENT") or None,
        "mask_secrets": _flag(env, "SPANRUNS_MASK_SECRETS"),
        "mask_emails": _flag(env, "SPANRUNS_MASK_EMAILS"),
        "max_value_bytes": _integer(env, "SPANRUNS_MAX_VALUE_BYTES", 64, 1 << 26),
        "heartbeat_s": _number(env, "SPANRUNS_HEARTBEAT_SECONDS", 0.05, 3600),
        "flush_s": _number(env, "OTEL_BSP_SCHEDULE_DELAY", 1, 60_000, scale=1e-3),
        "queue_items": _integer(env, "SPANRUNS_QUEUE_ITEMS", 1, 1 << 24),
        "backlog_bytes": _integer(env, "SPANRUNS_BACKLOG_BYTES", 1, 1 << 34),
        "exit_s": _number(env, "SPANRUNS_EXIT_SECONDS", 0, 300),
        "logs": _flag(env, "SPANRUNS_LOGS"),
        "log_level": _level(env, "SPANRUNS_LOGS_LEVEL"),
        "metrics": _flag(env, "SPANRUNS_METRICS"),
        "metrics_s": _number(env, "OTEL_METRIC_EXPORT_INTERVAL", 100, 3_600_000, scale=1e-3),
        "disabled_frameworks": _names(env.get("SPANRUNS_DISABLED_FRAMEWORKS", "")),
    }


def _complain(key: str, value: object, wanted: str) -> None:
    _guard.warn_once(f"setting {key}", "spanruns: %s=%r is not %s; it is ignored", key, value, wanted)


def _flag(env: Mapping[str, str], key: str) -> bool | None:
    text = env.get(key, "").strip().lower()
    if not text:
        return None
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    _complain(key, env[key], "true or false")
    return None


def _number(env: Mapping[str, str], key: str, low: float, high: float, scale: float = 1.0) -> float | None:
    text = env.get(key, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if low <= value <= high:
        return value * scale
    _complain(key, text, f"a number from {low:g} to {high:g}")
    return None


def _integer(env: Mapping[str, str], key: str, low: int, high: int) -> int | None:
    value = _number(env, key, low, high)
    return None if value is None else int(value)


def _level(env: Mapping[str, str], key: str) -> int | None:
    text = env.get(key, "").strip().upper()
    if not text:
        return None
    level = logging.getLevelNamesMapping().get(text)
    if level is None:
        _complain(key, text, "a level of the logging module")
    return level


def _gzip(env: Mapping[str, str], key: str) -> bool | None:
    text = env.get(key, "").strip().lower()
    if text in ("gzip", "none"):
        return text == "gzip"
    if text:
        _complain(key, text, "gzip or none")
    return None


def _headers(env: Mapping[str, str], key: str) -> dict[str, str] | None:
    headers = {}
    for pair in env.get(key, "").split(","):
        name, separator, value = pair.partition("=")
        if separator and name.strip():
            headers[name.strip()] = unquote(value.strip())
        elif pair.strip():
            _complain(key, "…", "a list of key=value")
    return headers or None


def _names(text: str) -> frozenset[str] | None:
    return frozenset(name.strip() for name in text.split(",") if name.strip()) or None


def _content(value: object) -> ContentMode:
    for mode in get_args(ContentMode):
        if value == mode:
            return mode  # type: ignore[no-any-return]
    _guard.warn_once(
        "setting content",
        "spanruns: content mode %r is none of %s; no content is captured",
        value,
        ", ".join(get_args(ContentMode)),
    )
    return "metadata_only"
