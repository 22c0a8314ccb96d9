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
            "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "5",
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
        of_signal={"logs": {"timeout_s": 5}},
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
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "of_signal"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "rubbish", "of_signal"),
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


OF_SIGNAL = {
    "OTEL_EXPORTER_OTLP_HEADERS": "a=1,b=1",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=2",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "none",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "3",
    "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": "ca.pem",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": "me.pem",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": "me.key",
}


def test_requests_by_signal() -> None:
    """What is set for one signal stands instead of what is set for all."""
    settings = from_environment(OF_SIGNAL)
    traces, logs, metrics = (settings.of(signal) for signal in ("traces", "logs", "metrics"))
    assert [each.headers for each in (traces, logs, metrics)] == [
        {"a": "2"},
        {"a": "1", "b": "1"},
        {"a": "1", "b": "1"},
    ]
    assert [each.gzip for each in (traces, logs, metrics)] == [True, False, True]
    assert [each.timeout_s for each in (traces, logs, metrics)] == [10, 10, 3]
    assert (metrics.certificate, metrics.client_certificate, metrics.client_key) == ("ca.pem", "me.pem", "me.key")
    assert (logs.certificate, logs.client_certificate, logs.client_key) == (None, None, None)


def test_what_is_given_wins_for_every_signal() -> None:
    """As over the environment as a whole."""
    settings = from_environment(OF_SIGNAL, headers={"mine": "1"})
    assert (settings.of("traces").headers, settings.of("metrics").timeout_s) == ({"mine": "1"}, 3)


@pytest.mark.parametrize("where", ["environment", "code"])
def test_headers_of_a_signal_go_with_its_endpoint(where: str) -> None:
    """Where all goes to an endpoint of ours, what belongs to the endpoint of one signal (its key) stays out."""
    ours = "http://collector:4318"
    if where == "code":
        settings = from_environment(OF_SIGNAL, endpoint=ours)
    else:
        settings = from_environment({**OF_SIGNAL, "SPANRUNS_ENDPOINT": ours})
    assert settings.of("traces").headers == {"a": "1", "b": "1"}


def test_script_name_is_some_name() -> None:
    """A service without a name is called after what is being run."""
    assert script_name() not in ("", "__main__")
