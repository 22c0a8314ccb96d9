"""Settings, and that their reference is complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from spanruns_receiver.cli import create_app
from spanruns_receiver.settings import FLAGS, Settings, flag, load_settings, to_ask, variable
from spanruns_schema.errors import ConfigError
from typer.testing import CliRunner

REFERENCE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_environment_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over the environment, that over the default; what is absent or empty is not set."""
    monkeypatch.setenv("SPANRUNS_GRPC_PORT", "1")
    monkeypatch.setenv("SPANRUNS_HTTP_PORT", "2")
    monkeypatch.setenv("SPANRUNS_API_PORT", "")
    monkeypatch.setenv("SPANRUNS_INGEST_TOKENS", "token-1, token-2,")
    settings = load_settings(grpc_port=3, http_port=None)
    assert (settings.grpc_port, settings.http_port, settings.api_port) == (3, 2, 8321)
    assert [token.get_secret_value() for token in settings.ingest_tokens] == ["token-1", "token-2"]
    assert "token-1" not in repr(settings)


def test_log_level_of_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variable is read, in its spellings; ours wins."""
    monkeypatch.setenv("OTEL_LOG_LEVEL", "WARN")
    assert load_settings().log_level == "warning"
    monkeypatch.setenv("SPANRUNS_LOG_LEVEL", "error")
    assert load_settings().log_level == "error"
    assert load_settings(log_level="debug").log_level == "debug"


def test_settings_are_frozen() -> None:
    """Nobody changes a setting after the start."""
    with pytest.raises(ValidationError):
        load_settings().grpc_port = 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"grpc_port": 70000}, r"SPANRUNS_GRPC_PORT \(--grpc-port\) is 70000: .*65535"),
        ({"api_port": "http"}, r"SPANRUNS_API_PORT \(--api-port\) is 'http': .*integer"),
        ({"log_level": "loud"}, r"SPANRUNS_LOG_LEVEL \(--log-level\) is 'loud'"),
        ({"tls_key": "key.pem"}, "SPANRUNS_TLS_CERTIFICATE and SPANRUNS_TLS_KEY belong together"),
        ({"tls_client_ca": "ca.pem"}, "SPANRUNS_TLS_CLIENT_CA needs SPANRUNS_TLS_CERTIFICATE"),
        ({"max_memory_bytes": 2**20}, "SPANRUNS_MAX_MEMORY_BYTES must not be less"),
        ({"max_spool_bytes": 2**20}, "SPANRUNS_MAX_SPOOL_BYTES must not be less"),
        ({"gprc_port": 1}, r"SPANRUNS_GPRC_PORT .*not permitted"),
    ],
)
def test_wrong_setting_is_named(flags: dict[str, object], message: str) -> None:
    """The message says which variable and flag is wrong, and why."""
    with pytest.raises(ConfigError, match=message):
        load_settings(**flags)


def test_only_flags_that_exist_are_named() -> None:
    """What commands do not take as a flag is not told to be one."""
    runner = CliRunner()
    told = "".join(runner.invoke(create_app(), [command, "--help"]).output for command in ("up", "receive"))
    assert {field for field in Settings.model_fields if flag(field) in told} == FLAGS
    with pytest.raises(ConfigError) as wrong:
        load_settings(door_threads=0)
    assert "--" not in str(wrong.value)


@pytest.mark.parametrize("field", ["body_timeout_s", "drain_timeout_s"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e300"])
def test_time_without_an_end(field: str, value: str) -> None:
    """A time that no clock can wait for is refused at the start, not when it would be waited for."""
    with pytest.raises(ConfigError, match=variable(field)):
        load_settings(**{field: value})


@pytest.mark.parametrize(
    ("host", "shown", "asked"),
    [
        ("127.0.0.1", "localhost", "127.0.0.1"),
        ("0.0.0.0", "localhost", "127.0.0.1"),
        ("::", "localhost", "[::1]"),
        ("fd00::2", "[fd00::2]", "[fd00::2]"),
        ("box.example", "box.example", "box.example"),
    ],
)
def test_address_in_a_url(host: str, shown: str, asked: str) -> None:
    """IPv6 stands in brackets; who listens everywhere is asked over the loopback."""
    assert (load_settings(host=host).shown_host, to_ask(host)) == (shown, asked)


@pytest.mark.parametrize(
    ("host", "is_told"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("box", True)]
)
def test_who_reads(host: str, is_told: bool) -> None:
    """It is told where others than this machine reach what asks for no token."""
    assert (host in load_settings(host=host).reach) == is_told


def test_where_the_store_is(tmp_path: Path) -> None:
    """Without an address the store is in the data directory, in this process."""
    assert load_settings(data=tmp_path).store_url == str(tmp_path / "store")
    assert load_settings(data=tmp_path).embedded
    server = load_settings(store="clickhouse://host/db")
    assert (server.store_url, server.embedded) == ("clickhouse://host/db", False)


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_documented(field: str) -> None:
    """The reference has one line for each setting, with its default and its description."""
    lines = [line for line in REFERENCE.read_text().splitlines() if line.startswith(f"| `{variable(field)}` ")]
    assert len(lines) == 1, f"docs/configuration.md must have one line for {variable(field)}"
    info = Settings.model_fields[field]
    assert info.description
    assert info.description in lines[0]
    default = {"": "empty", "()": "empty", "None": "empty"}.get(str(info.default), str(info.default))
    assert f"| `{default}` |" in lines[0] or (default == "empty" and "| empty |" in lines[0])
