"""The page for service owners."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import spanruns
from spanruns import _frameworks, _settings

PAGE = (Path(__file__).parents[3] / "docs" / "service-owner.md").read_text()


class Asked(dict[str, str]):
    """An empty environment that knows what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override] # there is nothing to get
        self.names.add(name)
        return default


def variables(pattern: str) -> set[str]:
    """Variables on the page where this stands around them; `{A,B}` stands for each of them."""
    found = re.findall(pattern.replace("NAME", r"((?:SPANRUNS|OTEL)_[A-Z_{},]+)"), PAGE, re.MULTILINE)
    parts = ([part.split(",") for part in re.split("[{}]", name)] for name in found)
    return {"".join(choice) for each in parts for choice in product(*each)}


def test_every_setting_is_on_the_page() -> None:
    """A variable that is read but not documented cannot be found, one that is documented but not read is a lie."""
    environment = Asked()
    _settings.from_environment(environment)
    assert environment.names - variables("`NAME`") == set()
    assert variables(r"^\| `NAME` \|") - environment.names == set()


def test_every_framework_is_on_the_page() -> None:
    """What `spanruns.auto` knows is said, with what has to be installed."""
    letters = re.sub(r"[^a-z]", "", PAGE.lower())
    assert [f.name for f in _frameworks.FRAMEWORKS if f.name.replace("_", "") not in letters] == []


def test_every_public_name_is_on_the_page() -> None:
    """What can be called is shown, except the classes of what is given back."""
    assert [name for name in spanruns.__all__ if name[0].islower() and name not in PAGE] == []
