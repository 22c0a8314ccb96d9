"""A dashboard's frame: its grid, and what every generated one keeps to."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from spanruns_grafana.dashboard import GRID_WIDTH, annotation, dashboard, outside_link
from spanruns_grafana.datasource import REF, UID
from spanruns_grafana.generate import files

GENERATED = {name: json.loads(content) for name, content in files().items()}
every = pytest.mark.parametrize("built", GENERATED.values(), ids=GENERATED.keys())
Built = dict[str, Any]


def test_panels_are_placed_from_left_to_right_and_below_each_other() -> None:
    """A row begins where the one above ends."""
    built = dashboard("u", "t", "", rows=[(3, [(8, {"id": 1}), (16, {"id": 2})]), (5, [(24, {"id": 3})])], variables=[])
    assert built["panels"] == [
        {"id": 1, "gridPos": {"x": 0, "y": 0, "w": 8, "h": 3}},
        {"id": 2, "gridPos": {"x": 8, "y": 0, "w": 16, "h": 3}},
        {"id": 3, "gridPos": {"x": 0, "y": 3, "w": 24, "h": 5}},
    ]


def test_a_row_that_is_too_wide_is_an_error() -> None:
    """Grafana would move its last panel somewhere else."""
    with pytest.raises(ValueError, match="wider than 24"):
        dashboard("u", "t", "", rows=[(3, [(12, {"title": "a"}), (13, {"title": "b"})])], variables=[])


def test_an_annotation_and_a_link() -> None:
    """They say what they are given, in Grafana's words."""
    marked = annotation("Lost", "SELECT 1", "red")
    assert (marked["name"], marked["iconColor"], marked["enable"]) == ("Lost", "red", True)
    assert marked["target"]["rawSql"] == "SELECT 1"
    away = outside_link("Page", "http://page", "tip")
    assert (away["type"], away["url"], away["targetBlank"], away["tooltip"]) == ("link", "http://page", True, "tip")


@every
def test_no_panels_overlap(built: Built) -> None:
    """Every panel has its own place on the grid."""
    taken: set[tuple[int, int]] = set()
    for panel in built["panels"]:
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert cells, panel["title"]
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= GRID_WIDTH
        taken |= cells


@every
def test_ids_and_names_are_unique(built: Built) -> None:
    """Panels by id, queries of a panel by refId, variables and annotations by name."""
    names = [
        [panel["id"] for panel in built["panels"]],
        *([target["refId"] for target in panel["targets"]] for panel in built["panels"]),
        [variable["name"] for variable in built["templating"]["list"]],
        [marked["name"] for marked in built["annotations"]["list"]],
    ]
    for group in names:
        assert group
        assert len(set(group)) == len(group)
    assert all(panel["id"] > 0 for panel in built["panels"])


@every
def test_every_query_goes_to_the_provisioned_data_source(built: Built) -> None:
    """Panels, their queries, variables and annotations name it by type and uid."""
    users = [
        *built["panels"],
        *(target for panel in built["panels"] for target in panel["targets"]),
        *(variable for variable in built["templating"]["list"] if variable["type"] == "query"),
        *(marked for marked in built["annotations"]["list"] if not marked.get("builtIn")),
    ]
    assert [user["datasource"] for user in users] == [REF] * len(users)
    assert REF == {"type": "grafana-clickhouse-datasource", "uid": UID}


@every
def test_it_is_a_classic_dashboard_that_refreshes(built: Built) -> None:
    """Files with Grafana's newer models load only in some of its versions."""
    assert 39 <= built["schemaVersion"] <= 42
    assert built["tags"] == ["spanruns"]
    assert built["refresh"] in built["timepicker"]["refresh_intervals"]
    assert (built["time"]["to"], built["timezone"]) == ("now", "browser")
    assert not {"apiVersion", "kind", "spec", "id"} & built.keys()
