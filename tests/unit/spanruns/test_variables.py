"""Variables that are meant for a setting and are none."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from spanruns import _settings, _variables
from spanruns._settings import Settings, from_environment

REFERENCE = Path(__file__).parents[3] / "docs" / "service-owner.md"


def test_what_is_misnamed_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the nearest name; the value, which may be a secret, is not. The service goes on with the default."""
    for _ in range(2):
        assert from_environment({"SPANRUNS_CONTENTS": "metadata_only", "SPANRUNS_HEARTBEAT": "5"}) == Settings()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "spanruns: SPANRUNS_CONTENTS is not read: is SPANRUNS_CONTENT meant?"),
        (logging.WARNING, "spanruns: SPANRUNS_HEARTBEAT is not read: is SPANRUNS_HEARTBEAT_SECONDS meant?"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPANRUNS_LOG_LEVEL", "info"),  # the receiver's
        ("SPANRUNS_LOG_LEVLE", "info"),  # nearer to that than to ours
        ("SPANRUNS_CLICKHOUSE_PASSWORD", "secret"),
        ("SPANRUNS_TEAM", "search"),
        ("SPANRUNS_SERVICE_HOST", "10.0.0.1"),
        ("SPANRUNS_LOGS_SERVICE_PORT", "80"),
        ("SPANRUNS_LOGS_PORT", "tcp://10.0.0.1:80"),
        ("SPANRUNS_LOGS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("OTEL_SPANRUNS_CONTENTS", "full"),
    ],
)
def test_others_names_are_theirs(name: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the receiver or Grafana reads, Kubernetes tells, or somebody calls so for a purpose of theirs."""
    assert from_environment({name: value}) == Settings()
    assert not caplog.records


def test_names_that_are_read() -> None:
    """The list is whole: what the settings read, what the reference has."""
    read = set(re.findall(r'"(SPANRUNS_\w+)"', Path(_settings.__file__).read_text()))
    documented = set(re.findall(r"^\| `(SPANRUNS_\w+)`", REFERENCE.read_text(), re.MULTILINE))
    assert read | {"SPANRUNS_RAISE"} == documented | {"SPANRUNS_RAISE"} == _variables.READ
