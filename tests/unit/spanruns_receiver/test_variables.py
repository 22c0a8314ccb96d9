"""Variables that are meant for a setting and are none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from spanruns import _variables
from spanruns_receiver.variables import OF_OTHERS, READ, misnamed


def test_what_is_misnamed_is_told() -> None:
    """With the nearest name; the value, which may be a secret, is not."""
    environment = {"SPANRUNS_INGEST_TOKEN": "secret", "SPANRUNS_GPRC_PORT": "1", "SPANRUNS_grpc_port": "2"}
    assert [*misnamed(environment)] == [
        "SPANRUNS_GPRC_PORT is not read: is SPANRUNS_GRPC_PORT meant?",
        "SPANRUNS_INGEST_TOKEN is not read: is SPANRUNS_INGEST_TOKENS meant?",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPANRUNS_DECODER", "native"),
        ("SPANRUNS_LOGS_LEVEL", "info"),  # of services
        ("SPANRUNS_LOGS_LEVLE", "info"),  # nearer to that than to ours
        ("SPANRUNS_CLICKHOUSE_PASSWORD", "secret"),  # Grafana's
        ("SPANRUNS_TEAM", "search"),
        ("SPANRUNS_SERVICE_PORT", "4317"),  # Kubernetes'
        ("SPANRUNS_SERVICE_PORT_OTLP", "4317"),
        ("SPANRUNS_PORT", "tcp://10.0.0.1:4317"),
        ("SPANRUNS_API_PORT_8321_TCP_ADDR", "10.0.0.1"),
        ("GRPC_PORTS", "1"),
    ],
)
def test_others_names_are_theirs(name: str, value: str) -> None:
    """What services or Grafana read, Kubernetes tells, or somebody calls so for a purpose of theirs."""
    assert [*misnamed({name: value})] == []


def test_both_sides_know_each_other() -> None:
    """A service's names and the receiver's: each side has a list of the other's."""
    assert (OF_OTHERS - {"SPANRUNS_CLICKHOUSE_PASSWORD"}, _variables.OF_OTHERS - OF_OTHERS) == (_variables.READ, READ)


def test_a_command_says_it() -> None:
    """On stderr, and goes on."""
    environment = {**os.environ, "SPANRUNS_GPRC_PORT": "4000"}
    command = [sys.executable, "-m", "spanruns_receiver", "doctor", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "spanruns: SPANRUNS_GPRC_PORT is not read: is SPANRUNS_GRPC_PORT meant?\n"
