"""Variables of the environment that are meant for a setting and are none: each is told once, and the service goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from spanruns import _guard

PREFIX: Final = "SPANRUNS_"

READ: Final = frozenset(
    (
        *("SPANRUNS_ENABLED", "SPANRUNS_ENDPOINT", "SPANRUNS_ENVIRONMENT", "SPANRUNS_WORKSPACE", "SPANRUNS_TRIGGER"),
        *("SPANRUNS_CONTENT", "SPANRUNS_MASK_SECRETS", "SPANRUNS_MASK_EMAILS", "SPANRUNS_MAX_VALUE_BYTES"),
        *("SPANRUNS_HEARTBEAT_SECONDS", "SPANRUNS_QUEUE_ITEMS", "SPANRUNS_BACKLOG_BYTES", "SPANRUNS_EXIT_SECONDS"),
        *("SPANRUNS_LOGS", "SPANRUNS_LOGS_LEVEL", "SPANRUNS_METRICS", "SPANRUNS_DISABLED_FRAMEWORKS", "SPANRUNS_RAISE"),
    )
)
"""Every one that a service reads."""

OF_OTHERS: Final = frozenset(
    (
        *("SPANRUNS_DATA", "SPANRUNS_STORE", "SPANRUNS_HOST", "SPANRUNS_READY_FILE", "SPANRUNS_LOG_LEVEL"),
        *(
            "SPANRUNS_GRPC_PORT",
            "SPANRUNS_HTTP_PORT",
            "SPANRUNS_API_PORT",
            "SPANRUNS_CLICKHOUSE_PORT",
            "SPANRUNS_REUSE_PORT",
        ),
        *(
            "SPANRUNS_INGEST_TOKENS",
            "SPANRUNS_CORS_ORIGINS",
            "SPANRUNS_TLS_CERTIFICATE",
            "SPANRUNS_TLS_KEY",
            "SPANRUNS_TLS_CLIENT_CA",
        ),
        *(
            "SPANRUNS_MAX_REQUEST_BYTES",
            "SPANRUNS_MAX_MEMORY_BYTES",
            "SPANRUNS_MAX_SPOOL_BYTES",
            "SPANRUNS_MIN_FREE_BYTES",
        ),
        *("SPANRUNS_RECENT_REQUESTS", "SPANRUNS_DOOR_THREADS", "SPANRUNS_BODY_TIMEOUT_S", "SPANRUNS_BATCH_BYTES"),
        *("SPANRUNS_BATCH_INTERVAL_MS", "SPANRUNS_DRAIN_TIMEOUT_S", "SPANRUNS_DECODER", "SPANRUNS_CLICKHOUSE_PASSWORD"),
    )
)
"""What the receiver and Grafana read: one environment may be for all."""

_OF_KUBERNETES: Final = re.compile(r"\w+_SERVICE_(HOST|PORT)\b|\w+_PORT_\d+_(TCP|UDP|SCTP)|\w+=(tcp|udp|sctp)://")
"""What it tells every container of a service that is called `spanruns` or `spanruns-…`."""


def tell_misnamed(env: Mapping[str, str]) -> None:
    """Warn of each variable that nobody reads and whose name is nearly that of a setting."""
    known = READ | OF_OTHERS
    unread = [name for name in env if name.startswith(PREFIX) and name not in known]
    for name in sorted(name for name in unread if not _OF_KUBERNETES.match(f"{name}={env[name]}")):
        near = _nearest(name, known)
        if near in READ:
            _guard.warn_once(f"variable {name}", "spanruns: %s is not read: is %s meant?", name, near)


def _nearest(name: str, known: frozenset[str]) -> str | None:
    import difflib  # only here: hardly ever is one misnamed

    bare = [one.removeprefix(PREFIX) for one in sorted(known)]
    return next((PREFIX + near for near in difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)), None)
