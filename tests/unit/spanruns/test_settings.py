"""Settings from the environment."""

from __future__ import annotations

import logging
from dataclasses import fields

import pytest
from spanruns._settings import Settings, from_environment, script_name, signal_urls

URLS = {signal: f"http://collector:4318/v1/{signal}" for signal in ("traces", "logs", "metrics")}


def test_empty_environment_gives_the_defaults() -> None:
    """Nothing needs to be set."""
    assert from_environment({}) == Settings()
    assert Settings().urls == {signal: f"http://localhost:4318/v1/{signal}" for signal in ("traces", "logs", "metrics")}


def test_every_setting_is_read() -> None:
    """Each variable sets its field."""
    found = from_environment(
        {
            "SPANRUNS_ENABLED": "false",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, a = b ",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "me.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "me.key",
            "OTEL_SERVICE_NAME": "svc",
            "SPANRUNS_ENVIRONMENT": "prod",
            "SPANRUNS_WORKSPACE": "w",
            "SPANRUNS_TRIGGER": "schedule",
            "SPANRUNS_CONTENT": "no_tool_content",
            "SPANRUNS_MASK_SECRETS": "off",
            "SPANRUNS_MASK_EMAILS": "1",
            "SPANRUNS_MAX_VALUE_BYTES": "100",
            "SPANRUNS_HEARTBEAT_SECONDS": "2.5",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "SPANRUNS_QUEUE_ITEMS": "10",
            "SPANRUNS_BACKLOG_BYTES": "1000",
            "SPANRUNS_EXIT_SECONDS": "1",
            "SPANRUNS_LOGS": "no",
            "SPANRUNS_LOGS_LEVEL": "warning",
            "SPANRUNS_METRICS": "0",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
            "SPANRUNS_DISABLED_FRAMEWORKS": "openai, langchain",
        }
    )
    assert found == Settings(
        enabled=False,
        urls=URLS,
        headers={"authorization": "Bearer x", "a": "b"},
        timeout_s=3,
        gzip=True,
        certificate="ca.pem",
        client_certificate="me.pem",
        client_key="me.key",
        service_name="svc",
        environment="prod",
        workspace="w",
        trigger="schedule",
        content="no_tool_content",
        mask_secrets=False,
        mask_emails=True,
        max_value_bytes=100,
        heartbeat_s=2.5,
        flush_s=0.25,
        queue_items=10,
        backlog_bytes=1000,
        exit_s=1,
        logs=False,
        log_level=logging.WARNING,
        metrics=False,
        metrics_s=5,
        disabled_frameworks=frozenset(("openai", "langchain")),
    )
    unset = Settings()
    same = [f.name for f in fields(Settings) if getattr(found, f.name) == getattr(unset, f.name)]
    assert same == ["mask"]  # callbacks cannot come from the environment


def test_given_values_win() -> None:
    """What the code says wins over the environment; what it leaves out does not."""
    found = from_environment({"OTEL_SERVICE_NAME": "env", "SPANRUNS_TRIGGER": "cli"}, service_name="code", trigger=None)
    assert (found.service_name, found.trigger) == ("code", "cli")


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("SPANRUNS_ENABLED", "maybe", "enabled"),
        ("SPANRUNS_HEARTBEAT_SECONDS", "soon", "heartbeat_s"),
        ("SPANRUNS_HEARTBEAT_SECONDS", "-1", "heartbeat_s"),
        ("SPANRUNS_HEARTBEAT_SECONDS", "nan", "heartbeat_s"),
        ("SPANRUNS_QUEUE_ITEMS", "0", "queue_items"),
        ("SPANRUNS_LOGS_LEVEL", "LOUD", "log_level"),
        ("OTEL_BSP_SCHEDULE_DELAY", "", "flush_s"),
    ],
)
def test_unreadable_value_is_reported_and_ignored(
    variable: str, value: str, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken environment must not stop a service; the log says which variable, once."""
    for _ in range(2):
        assert getattr(from_environment({variable: value}), field) == getattr(Settings(), field)
    assert [variable in record.getMessage() for record in caplog.records] == ([True] if value else [])


def test_unknown_content_mode_captures_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A mode that is not understood fails closed."""
    assert from_environment({"SPANRUNS_CONTENT": "ful"}).content == "metadata_only"
    assert "no content is captured" in caplog.text


def test_sdk_disabled_switches_us_off() -> None:
    """OpenTelemetry's own switch counts."""
    assert from_environment({"OTEL_SDK_DISABLED": "true", "SPANRUNS_ENABLED": "true"}).enabled is False


def test_endpoints_by_signal() -> None:
    """A signal's own endpoint is a full URL; ours wins over all; a gRPC port means the HTTP one beside it."""
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert signal_urls(own, None) == {**URLS, "traces": "http://t/x"}
    assert signal_urls({**own, "SPANRUNS_ENDPOINT": "http://collector:4318"}, None) == URLS
    assert signal_urls(own, "http://collector:4318") == URLS
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}
    assert signal_urls(grpc, None) == URLS


def test_script_name_is_some_name() -> None:
    """A service without a name is called after what is being run."""
    assert script_name() not in ("", "__main__")
