"""Calls when a framework is there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns import _guard, _imports
from spanruns._imports import when_imported


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages of the test, forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, **modules: str) -> None:
    """Modules by name, `__` for a dot."""
    for name, source in modules.items():
        path = folder.joinpath(*name.split("__"))
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".py").write_text(source)


def test_called_when_it_is_imported_later(packages: Path) -> None:
    """Once, and only for the module that was meant."""
    write(packages, late_one="", late_other="")
    calls: list[str] = []
    when_imported("late_one", ("late_one",), lambda: calls.append("one"))
    importlib.import_module("late_other")
    assert calls == []
    importlib.import_module("late_one")
    importlib.reload(sys.modules["late_one"])
    assert calls == ["one"]


def test_called_at_once_if_it_is_there(packages: Path) -> None:
    """The order of imports does not matter."""
    write(packages, early_one="")
    importlib.import_module("early_one")
    calls: list[str] = []
    when_imported("early_one", ("early_one",), lambda: calls.append("one"))
    assert calls == ["one"]


def test_waits_for_the_whole_of_a_circle(packages: Path) -> None:
    """While a neighbour that is importing the module is not complete, it is too early."""
    write(
        packages,
        circle_core____init__="",
        circle_core__part="import circle_top",
        circle_top="import circle_core.part\nclass Agent: ...",
    )
    seen: list[bool] = []
    when_imported(
        "circle_core.part",
        ("circle_core", "circle_top"),
        lambda: seen.append(hasattr(sys.modules["circle_top"], "Agent")),
    )
    importlib.import_module("circle_top")
    assert seen == [True]


def test_failing_import_fails_as_without_us(packages: Path) -> None:
    """The service sees its own error, and a later import that works is noticed."""
    write(packages, broken_one="import sys\nif not hasattr(sys, 'mended_by_test'): raise ImportError('no')")
    calls: list[str] = []
    when_imported("broken_one", ("broken_one",), lambda: calls.append("one"))
    with pytest.raises(ImportError, match="no"):
        importlib.import_module("broken_one")
    assert calls == []
    sys.mended_by_test = True  # type: ignore[attr-defined]
    try:
        importlib.import_module("broken_one")
    finally:
        del sys.mended_by_test  # type: ignore[attr-defined]
    assert calls == ["one"]


def test_error_of_ours_does_not_break_the_import(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework is imported, whatever instrumenting it does."""
    monkeypatch.setattr(_guard, "_raise", False)
    write(packages, innocent_one="VALUE = 1")

    def fail() -> None:
        raise RuntimeError("no")

    when_imported("innocent_one", ("innocent_one",), fail)
    assert importlib.import_module("innocent_one").VALUE == 1
    assert _guard.errors == {"instrumenting innocent_one": 1}


def test_module_looks_as_without_us(packages: Path) -> None:
    """Source and resources are found through the module's own loader."""
    import inspect

    write(packages, plain_one="def function():\n    return 1\n")
    when_imported("plain_one", ("plain_one",), lambda: None)
    module = importlib.import_module("plain_one")
    assert inspect.getsource(module.function) == "def function():\n    return 1\n"
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    assert module.__spec__.loader.get_source("plain_one").startswith("def")  # type: ignore[attr-defined]
    assert _imports._finder in sys.meta_path
