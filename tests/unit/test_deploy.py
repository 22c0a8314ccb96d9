"""The Collector configurations in `deploy/`: parsed, whole, and about the tables and ports that are really there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from spanruns_receiver.settings import Settings
from spanruns_schema import migrate
from spanruns_schema.engine import INSERT_SETTINGS
from spanruns_schema.store import DATABASE

DIRECTORY = Path(__file__).parents[2] / "deploy" / "collector"
EXPORTERS = {"to-receiver": "otlp", "to-clickhouse": "clickhouse"}


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DIRECTORY / f"{name}.yaml").read_text())
    return found


def test_every_configuration_is_checked() -> None:
    """No file is left out of the tests below."""
    assert {file.stem for file in DIRECTORY.iterdir()} == EXPORTERS.keys()


@pytest.mark.parametrize(("name", "exporter"), EXPORTERS.items())
def test_pipelines_use_what_is_configured(name: str, exporter: str) -> None:
    """All three signals go from OTLP through the batch processor to the one exporter, and every component is defined."""
    found = _read(name)
    whole = {"receivers": ["otlp"], "processors": ["batch"], "exporters": [exporter]}
    assert found["service"] == {"pipelines": dict.fromkeys(("traces", "metrics", "logs"), whole)}
    assert {kind: list(found[kind]) for kind in whole} == whole


@pytest.mark.parametrize("name", EXPORTERS)
def test_ports_are_those_of_otlp(name: str) -> None:
    """Services that sent to a receiver may send to the Collector instead."""
    ports = {
        door: held["endpoint"].rpartition(":")[2]
        for door, held in _read(name)["receivers"]["otlp"]["protocols"].items()
    }
    fields = Settings.model_fields
    assert ports == {"grpc": str(fields["grpc_port"].default), "http": str(fields["http_port"].default)}


def test_the_exporter_writes_our_tables() -> None:
    """Database and tables are those that `spanruns schema apply` makes by default."""
    exporter = _read("to-clickhouse")["exporters"]["clickhouse"]
    text = "\n".join(step.sql for step in migrate.steps())
    assert exporter["database"] == DATABASE
    # The default name of the last differs from what the exporter's documentation says, and without its table no metric is stored.
    tables = [exporter["traces_table_name"], exporter["logs_table_name"]]
    tables.append(exporter["metrics_tables"]["exponential_histogram"]["name"])
    for table in tables:
        assert f"CREATE TABLE IF NOT EXISTS {table}\n" in text


def test_the_exporter_inserts_as_a_receiver_does() -> None:
    """With the settings that make the mapping's views cheap to analyse, and acknowledged when stored."""
    exporter = _read("to-clickhouse")["exporters"]["clickhouse"]
    settings = {"async_insert": str(int(exporter["async_insert"])), **exporter["connection_params"]}
    assert settings.keys() >= {"optimize_and_compare_chain", "query_plan_enable_optimizations"}
    assert settings == {name: str(INSERT_SETTINGS[name]) for name in settings}
