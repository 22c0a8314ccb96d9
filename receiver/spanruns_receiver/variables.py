"""Variables of the environment that are meant for a setting and are none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from spanruns_receiver.settings import Settings, variable

PREFIX = "SPANRUNS_"

READ = frozenset((*map(variable, Settings.model_fields), "SPANRUNS_DECODER"))
"""Every one that the receiver's commands read."""

OF_OTHERS = frozenset(
    (
        *("SPANRUNS_ENABLED", "SPANRUNS_ENDPOINT", "SPANRUNS_ENVIRONMENT", "SPANRUNS_WORKSPACE", "SPANRUNS_TRIGGER"),
        *("SPANRUNS_CONTENT", "SPANRUNS_MASK_SECRETS", "SPANRUNS_MASK_EMAILS", "SPANRUNS_MAX_VALUE_BYTES"),
        *("SPANRUNS_HEARTBEAT_SECONDS", "SPANRUNS_QUEUE_ITEMS", "SPANRUNS_BACKLOG_BYTES", "SPANRUNS_EXIT_SECONDS"),
        *("SPANRUNS_LOGS", "SPANRUNS_LOGS_LEVEL", "SPANRUNS_METRICS", "SPANRUNS_DISABLED_FRAMEWORKS", "SPANRUNS_RAISE"),
        "SPANRUNS_CLICKHOUSE_PASSWORD",
    )
)
"""What services and Grafana read: one environment may be for all."""

_OF_KUBERNETES = re.compile(r"\w+_SERVICE_(HOST|PORT)\b|\w+_PORT_\d+_(TCP|UDP|SCTP)|\w+=(tcp|udp|sctp)://")
"""What it tells every container of a service that is called `spanruns` or `spanruns-…`."""


def misnamed(environment: Mapping[str, str]) -> Iterator[str]:
    """What to say of each variable that nobody reads and whose name is nearly that of a setting."""
    names = {name.removeprefix(PREFIX): name for name in READ | OF_OTHERS}
    for name, value in sorted(environment.items()):
        rest = name.removeprefix(PREFIX).upper()
        if not name.startswith(PREFIX) or rest in names or _OF_KUBERNETES.match(f"{name}={value}"):
            continue
        near = difflib.get_close_matches(rest, names, n=1)
        if near and names[near[0]] in READ:
            yield f"{name} is not read: is {names[near[0]]} meant?"
