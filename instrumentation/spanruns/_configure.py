"""`spanruns.configure`: set this process up once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spanruns import _guard, _pipeline, _settings
from spanruns._settings import ContentMode, MaskCallback, Settings


def configure(
    *,
    enabled: bool | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    service_name: str | None = None,
    environment: str | None = None,
    workspace: str | None = None,
    trigger: str | None = None,
    content: ContentMode | None = None,
    mask_secrets: bool | None = None,
    mask_emails: bool | None = None,
    mask: Iterable[MaskCallback] = (),
    max_value_bytes: int | None = None,
    heartbeat_s: float | None = None,
    logs: bool | None = None,
    log_level: int | None = None,
    metrics: bool | None = None,
    disabled_frameworks: Iterable[str] | None = None,
) -> None:
    """Send this process's runs to an OTLP endpoint. It never raises and never waits.

    The first call counts, also one that switches off: later ones change nothing, and the log says what of them
    has no effect. What is not given comes from the environment (`OTEL_*`, `SPANRUNS_*`), else from the defaults of
    `Settings`. `import spanruns.auto` calls it without arguments and activates the instrumentation of
    frameworks as well.

    Args:
        enabled: False sends nothing and patches nothing.
        endpoint: Base URL of an OTLP/HTTP receiver, `http://localhost:4318` by default.
        headers: Sent with every request, such as authorization.
        service_name: Name of this service.
        environment: Such as `production`.
        workspace: Workspace or tenant of every run.
        trigger: Trigger of root runs that have none of their own.
        content: `full`, `no_tool_content` (no arguments and results of tools) or `metadata_only`.
        mask_secrets: Mask API keys, tokens and passwords in well-known shapes (the default).
        mask_emails: Mask e-mail addresses too.
        mask: Callbacks (key, value) that give the value to send; one that raises removes the value.
        max_value_bytes: Longer values are cut; `<key>.size` tells their size in bytes.
        heartbeat_s: Seconds between heartbeats of live runs.
        logs: Send `logging` records made inside runs.
        log_level: Lowest level that is sent.
        metrics: Send metrics.
        disabled_frameworks: Frameworks `spanruns.auto` leaves alone.
    """
    with _guard.guarded("configuring"):
        given = dict(locals())
        given["mask"] = tuple(mask) or None
        given["disabled_frameworks"] = None if disabled_frameworks is None else frozenset(disabled_frameworks)
        asked = _settings.from_environment(**given)
        _tell_late(given, asked, _pipeline.install(asked))


def _tell_late(given: Mapping[str, Any], asked: Settings, holds: Settings) -> None:
    """Warn of what was given to a call that was not the first, and does not hold: it may be about privacy."""
    fields = {name: "urls" if name == "endpoint" else name for name, value in given.items() if value is not None}
    late = ", ".join(name for name, field in fields.items() if getattr(asked, field) != getattr(holds, field))
    if late:
        _guard.warn_once(
            f"late {late}",
            "spanruns: configure(%s) comes too late and has no effect: call it before `import spanruns.auto`",
            late,
        )


def flush(timeout_s: float | None = None) -> bool:
    """Send everything now, waiting for it; False if the time ran out or no endpoint takes it.

    A time that is given is waited for, also while no endpoint answers; by default that is given up soon
    (`SPANRUNS_EXIT_SECONDS`), and one that takes what there is has ten seconds.
    """
    pipeline = _pipeline.current()
    if pipeline is None:
        return True
    return pipeline.flush() if timeout_s is None else pipeline.flush(timeout_s, timeout_s)
