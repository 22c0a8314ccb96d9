"""The shape of queries, and what is provisioned beside the dashboards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spanruns_grafana
import yaml
from spanruns_grafana.datasource import PLUGIN_VERSION, REF, TYPE, UID, Format, target, variable_query
from spanruns_schema.store import DATABASE

PROVISIONING = Path(spanruns_grafana.__file__).with_name("provisioning")


def read(name: str) -> dict[str, Any]:
    """A provisioning file."""
    content: dict[str, Any] = yaml.safe_load((PROVISIONING / name).read_text())
    return content


@pytest.mark.parametrize(("format", "query_type"), [(Format.TIME_SERIES, "timeseries"), (Format.TABLE, "table")])
def test_a_target_is_a_query_of_the_editor_of_version_4(format: Format, query_type: str) -> None:
    """Without the plugin's version it would be rewritten as one of version 3."""
    assert target("SELECT 1", format, ref_id="B") == {
        "refId": "B",
        "datasource": {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"},
        "editorType": "sql",
        "format": int(format),
        "queryType": query_type,
        "pluginVersion": "4.20.0",
        "rawSql": "SELECT 1",
        "meta": {},
    }
    assert [int(member) for member in Format] == [0, 1]


def test_a_variable_query_names_its_editor() -> None:
    """It has no data source of its own: the variable has."""
    query = variable_query("SELECT 1")
    assert (query["rawSql"], query["editorType"], query["pluginVersion"]) == ("SELECT 1", "sql", PLUGIN_VERSION)


def test_the_provisioned_data_source_is_the_one_that_is_asked() -> None:
    """Same uid and type, ClickHouse over HTTP, our database; a password only from the environment."""
    (source,) = read("datasources/clickhouse.yaml")["datasources"]
    settings = source["jsonData"]
    assert {"type": source["type"], "uid": source["uid"]} == REF == {"type": TYPE, "uid": UID}
    assert (settings["protocol"], settings["port"], settings["defaultDatabase"]) == ("http", 8123, DATABASE)
    assert (settings["logs"]["defaultTable"], settings["traces"]["defaultTable"]) == ("otel_logs", "otel_traces")
    assert source["secureJsonData"] == {"password": "$SPANRUNS_CLICKHOUSE_PASSWORD"}
    assert not {"url", "database"} & source.keys()  # the plugin reads host and defaultDatabase alone


def test_the_provider_takes_files_from_where_the_guide_puts_them() -> None:
    """One folder with an address that stays; what is changed in the browser would be lost, so it cannot be."""
    (provider,) = read("dashboards/spanruns.yaml")["providers"]
    assert (provider["folder"], provider["folderUid"], provider["type"]) == ("spanruns", "spanruns", "file")
    assert provider["allowUiUpdates"] is False
    path = provider["options"]["path"]
    guide = (Path(__file__).parents[3] / "docs" / "grafana.md").read_text()
    assert path.startswith("/")
    assert path in guide


def test_everything_that_is_provisioned_is_in_one_version_of_the_format() -> None:
    """Two files, each where Grafana looks for its kind."""
    found = sorted(str(path.relative_to(PROVISIONING)) for path in PROVISIONING.rglob("*.yaml"))
    assert found == ["dashboards/spanruns.yaml", "datasources/clickhouse.yaml"]
    assert [read(name)["apiVersion"] for name in found] == [1, 1]
