"""The dashboard "Runs"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pytest
from spanruns_grafana import runs
from spanruns_grafana.fields import STATUS_COLORS
from spanruns_grafana.generate import DASHBOARDS

BUILT = runs.build()
VARIABLES = {variable["name"]: variable for variable in BUILT["templating"]["list"]}
DATA_LINK_WORDS = {"__url_time_range", "__data", "__value", "__field", "__series", "__all_variables"}


def links() -> Iterator[dict[str, Any]]:
    """Every link of the dashboard that leads somewhere."""
    yield from (link for link in BUILT["links"] if link["url"])
    for panel in BUILT["panels"]:
        config = panel["fieldConfig"]
        yield from config["defaults"].get("links", [])
        for override in config["overrides"]:
            for found in override["properties"]:
                yield from found["value"] if found["id"] == "links" else []


def test_it_has_its_panels() -> None:
    """Cards, chart, list, agents, failures; ids that links and alerts may use."""
    assert [(panel["id"], panel["type"], panel["title"]) for panel in BUILT["panels"]] == [
        (1, "stat", ""),
        (2, "timeseries", "Runs started, by status"),
        (3, "table", "Newest 200 runs"),
        (4, "table", "Top agents"),
        (5, "bargauge", "Failed runs by error class"),
    ]
    assert (BUILT["uid"], BUILT["title"], BUILT["refresh"]) == ("spanruns-runs", "Runs", "10s")


def test_it_has_its_filters() -> None:
    """Five filters, and the address of the page."""
    assert {name: variable["type"] for name, variable in VARIABLES.items()} == {
        "agent": "query",
        "status": "custom",
        "trigger": "query",
        "service": "query",
        "environment": "query",
        "page": "textbox",
    }
    assert VARIABLES["status"]["query"].split(",") == list(STATUS_COLORS)


@pytest.mark.parametrize("name", runs.FILTERS)
def test_every_panel_obeys_every_filter(name: str) -> None:
    """Numbers on one screen are about the same runs."""
    for panel in BUILT["panels"]:
        (target,) = panel["targets"]
        assert f"'{name}', [${{{name}:singlequote}}]" in target["rawSql"], panel["title"]


def test_links_lead_somewhere() -> None:
    """To a dashboard that is there or to the page; with variables that are there and fields that are asked for."""
    uids = {build()["uid"] for build in DASHBOARDS.values()}
    found = list(links())
    assert len(found) == 8
    for link in found:
        url = link["url"]
        if url.startswith("/"):
            path = urlsplit(url).path
            assert re.fullmatch(r"/d/[\w-]+", path)
            assert path.removeprefix("/d/") in uids
            assert not link["targetBlank"]
        else:
            assert url.startswith("${page:raw}")
            assert link["targetBlank"]
        for name in re.findall(r"\$\{(\w+)", url):
            assert name in VARIABLES or name in DATA_LINK_WORDS, url
        for name in re.findall(r"var-(\w+)=", url):
            assert name in VARIABLES, url


def test_a_run_leads_to_itself_on_the_page() -> None:
    """By its id, which may hold anything, so it is encoded; the page takes it from where the link puts it."""
    urls = {link["url"] for link in links() if "run_id" in link["url"]}
    assert urls == {"${page:raw}/?run=${__data.fields.run_id:percentencode}"}
    page = resources.files("spanruns_receiver") / "api" / "assets" / "app.js"
    assert 'query.get("run")' in page.read_text()
    assert VARIABLES["page"]["query"] == "http://localhost:8321"


def test_a_link_that_sets_a_filter_keeps_the_others() -> None:
    """Each variable is in the link once."""
    for link in links():
        if link["url"].startswith("/d/"):
            named = re.findall(r"\$\{(\w+):queryparam\}|var-(\w+)=", link["url"])
            assert sorted(kept or set_to for kept, set_to in named) == sorted(VARIABLES), link["url"]


def test_it_is_json() -> None:
    """Nothing in it is lost on the way through a file."""
    assert json.loads(json.dumps(BUILT)) == BUILT
