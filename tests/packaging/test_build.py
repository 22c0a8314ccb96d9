"""Wheel, sdist and editable install hold the same four packages with their data."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "spanruns": "instrumentation",
    "spanruns_receiver": "receiver",
    "spanruns_schema": "schema",
    "spanruns_grafana": "grafana",
}
DATA_SUFFIXES = {".sql", ".toml", ".json", ".yaml", ".html", ".css", ".js", ".typed", ".svg"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and an sdist of a copy of what git tracks, without a Rust toolchain: the compiled decoder is optional."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        target = source / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    uv = Path(sys.executable).with_name("uv")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CARGO": "/nonexistent/cargo"}
    command = [str(uv), "build", "--quiet", "--python", sys.executable, "--out-dir", str(folder / "dist"), str(source)]
    subprocess.run(command, env={**_network(), **env}, check=True, timeout=200)
    return folder / "dist"


def _network() -> dict[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_", "HTTP", "http", "REQUESTS_"))}


def _expected() -> set[str]:
    """Every module and data file of the packages, as a path inside the wheel."""
    return {
        f"{package}/{file.relative_to(ROOT / folder / package)}"
        for package, folder in PACKAGES.items()
        for file in (ROOT / folder / package).rglob("*")
        if file.suffix in DATA_SUFFIXES | {".py", ".pyi"} and "__pycache__" not in file.parts
    }


def test_wheel_holds_every_module_and_data_file(built: Path) -> None:
    """A wheel made from a clean checkout has all four packages, their SQL, data and pages, nothing beside them, and
    serves every version of Python.
    """
    wheel = next(built.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert _tracked(_expected()) - names == set()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert "-cp311-abi3-" in wheel.name


def test_sdist_can_build_the_wheel_again(built: Path) -> None:
    """The sdist has the sources of the packages and of the compiled decoder."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {f"{PACKAGES[name.split('/')[0]]}/{name}" for name in _tracked(_expected())}
    assert expected - names == set()
    assert {"receiver/native/Cargo.toml", "receiver/native/Cargo.lock", "receiver/native/src/lib.rs"} <= names


def test_editable_install_serves_the_checkout() -> None:
    """What this very environment imports is the checkout, from four folders."""
    import spanruns
    import spanruns_grafana
    import spanruns_receiver
    import spanruns_schema

    found = {
        module.__name__: Path(str(module.__file__)).parents[1]
        for module in (spanruns, spanruns_grafana, spanruns_receiver, spanruns_schema)
    }
    assert found == {name: ROOT / folder for name, folder in PACKAGES.items()}


def _tracked(names: set[str]) -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    tracked = set(listed.splitlines())
    return {name for name in names if f"{PACKAGES[name.split('/')[0]]}/{name}" in tracked}
