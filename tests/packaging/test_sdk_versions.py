"""The supported versions of OpenTelemetry's SDK: older ones in environments of their own, the newest in every other test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.39.1", "1.44.0")
"""The oldest supported one, and the one google-adk is pinned to."""
NEEDED = (
    *("wrapt", "pytest", "pytest-timeout", "hypothesis", "pydantic", "structlog"),
    *("apscheduler<4", "fastapi", "flask", "httpx2"),
)
UNIT = "tests/unit/spanruns"
CORE = tuple(
    f"{UNIT}/test_{name}.py"
    for name in ("run", "processor", "events", "otlp", "logs", "metrics", "resource", "fork", "env")
)
"""What touches the SDK most."""
ALL = (UNIT, "tests/integration/spanruns/test_providers.py", "tests/integration/spanruns/test_service.py")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=VERSIONS, scope="module")
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with this version, and our sources."""
    version: str = request.param
    env = tmp_path_factory.mktemp("sdk") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    python = env / "bin" / "python"
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    pins = (f"opentelemetry-sdk=={version}", f"opentelemetry-exporter-otlp-proto-http=={version}")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *pins, *NEEDED], check=True)
    (site,) = (env / "lib").glob("python*/site-packages")
    (site / "spanruns-sources.pth").write_text(str(ROOT / "instrumentation"))
    yield python
    shutil.rmtree(env, ignore_errors=True)


@pytest.mark.parametrize("tests", [pytest.param(CORE, id="core"), pytest.param(ALL, id="all", marks=pytest.mark.slow)])
def test_instrumentation_with_this_version(python: Path, tests: tuple[str, ...]) -> None:
    """Our own tests pass there, except what needs a framework."""
    left_out = "not framework_is_not_opened and not instrument_command and not test_typing"
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not timed", "-k", left_out, *tests]
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
