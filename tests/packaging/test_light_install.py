"""What a service carries that installs us without extras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "grpcio",
    "chdb",
    "fastapi",
    "clickhouse-connect",
    "uvicorn",
    "starlette",
    "numpy",
    "pydantic",
    "rich",
    "typer",
)
TIMES = """
import json, time
start = time.thread_time()
import opentelemetry.sdk.trace
sdk = time.thread_time()
import spanruns
ours = time.thread_time()
import spanruns.auto
auto = time.thread_time()
print(json.dumps({"sdk": sdk - start, "spanruns": ours - sdk, "auto": auto - start}))
"""


def run(*command: object, **env: str) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with nothing but `pip install .`, made of a copy of the sources."""
    place = tmp_path_factory.mktemp("bare")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for name in ("instrumentation", "receiver", "schema", "grafana"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("target", "__pycache__", "*.so"))
    run(sys.executable, "-m", "venv", "--without-pip", place / "env")
    python = place / "env" / "bin" / "python"
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    no_compiler = os.pathsep.join(["/usr/bin", "/bin"])  # the optional compiled part is not the point here
    run(uv, "pip", "install", "--quiet", "--python", python, source, PATH=no_compiler)
    yield python
    shutil.rmtree(place, ignore_errors=True)


def test_no_server_no_database(bare: Path) -> None:
    """None of the packages of the receiver, the store or a web server is there."""
    listed = run(bare, "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()), sep='\\n')")
    installed = {name.lower().replace("_", "-") for name in listed.split()}
    assert "spanruns" in installed
    assert sorted(installed & set(HEAVY)) == []
    assert len(installed) <= 25


@pytest.mark.timed
def test_import_is_light(bare: Path) -> None:
    """`import spanruns` costs about as much again as the SDK's own import, which is 65 ms of CPU where the two together with
    `spanruns.auto` are 160; never more than a quarter beyond that, all of it never three and a half times that.

    The importing thread's CPU time, the best of several: other processes of the machine may take time too, and slow it down.
    """
    run(bare, "-c", TIMES)  # writes the bytecode
    times = [json.loads(run(bare, "-c", TIMES)) for _ in range(5)]
    assert min(time["spanruns"] / time["sdk"] for time in times) < 1.25
    assert min(time["auto"] / time["sdk"] for time in times) < 3.5


def test_import_has_no_effect(bare: Path) -> None:
    """Importing the package alone sets nothing up: no thread, no provider, nothing patched."""
    script = """
import logging, sys, threading
before = logging.Logger.callHandlers
import spanruns
from opentelemetry import trace
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
assert threading.active_count() == 1
assert logging.Logger.callHandlers is before
assert "requests" not in sys.modules and "opentelemetry.sdk.trace" not in sys.modules

@spanruns.tool
def work(n):
    return n

with spanruns.run("r") as run:
    run.set_output(work(1))
assert not run
print("ok")
"""
    assert run(bare, "-W", "error", "-c", script) == "ok\n"


def test_services_can_be_instrumented(bare: Path) -> None:
    """The light install is all a service needs: it runs with the import and ends by itself with nobody listening."""
    script = "import spanruns.auto, spanruns\nwith spanruns.run('r'):\n    print('ok')"
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SPANRUNS_EXIT_SECONDS": "0.2", "SPANRUNS_RAISE": "1"}
    assert run(bare, "-c", script, **env) == "ok\n"
