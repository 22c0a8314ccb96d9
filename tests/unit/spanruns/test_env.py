"""Variables that OpenTelemetry cannot read."""

from __future__ import annotations

import os

import pytest
from spanruns._env import READABLE, readable


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "128"),
        ("OTEL_PROPAGATORS", "tracecontext, baggage"),
        ("OTEL_PROPAGATORS", "none"),
        ("OTEL_PYTHON_CONTEXT", "contextvars_context"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "*"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "ALWAYS_OFF"),
    ],
)
def test_readable_value_stays(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What OpenTelemetry understands is left to it."""
    monkeypatch.setenv(name, value)
    with readable():
        assert os.environ[name] == value


@pytest.mark.parametrize("name", READABLE)
def test_nonsense_is_hidden_and_comes_back(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Inside the block it is not set; afterwards the service's environment is as before."""
    monkeypatch.setenv(name, "nonsense")
    with readable():
        assert name not in os.environ
    assert os.environ[name] == "nonsense"


def test_value_set_meanwhile_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service sets itself while we are at work is not undone."""
    monkeypatch.setenv("OTEL_PROPAGATORS", "nonsense")
    with readable():
        os.environ["OTEL_PROPAGATORS"] = "b3"
    assert os.environ["OTEL_PROPAGATORS"] == "b3"
