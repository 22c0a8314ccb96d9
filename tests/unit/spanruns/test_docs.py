"""The page for service owners."""

from __future__ import annotations

import re
from pathlib import Path

import spanruns
from spanruns import _frameworks, _settings

PAGE = (Path(__file__).parents[3] / "docs" / "service-owner.md").read_text()


def test_every_setting_is_on_the_page() -> None:
    """A variable that is read but not documented cannot be found, one that is documented but not read is a lie."""
    source = Path(_settings.__file__).read_text()
    read = {name for name in re.findall(r'"((?:SPANRUNS|OTEL)_[A-Z_]+)"', source) if not name.endswith("_")}
    table = set(re.findall(r"^\| `((?:SPANRUNS|OTEL)_[A-Z_]+)` \|", PAGE, re.MULTILINE))
    everywhere = set(re.findall(r"`((?:SPANRUNS|OTEL)_[A-Z_]+)`", PAGE))
    assert read - everywhere == set()
    assert table - read == set()


def test_every_framework_is_on_the_page() -> None:
    """What `spanruns.auto` knows is said, with what has to be installed."""
    letters = re.sub(r"[^a-z]", "", PAGE.lower())
    assert [f.name for f in _frameworks.FRAMEWORKS if f.name.replace("_", "") not in letters] == []


def test_every_public_name_is_on_the_page() -> None:
    """What can be called is shown, except the classes of what is given back."""
    assert [name for name in spanruns.__all__ if name[0].islower() and name not in PAGE] == []
