"""Beside other OpenTelemetry distributions, in an environment that has them: nothing lost, nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_receiver.demo.fake_openai import running_fake_openai

from tests.support.sink import SinkServer

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "tests" / "integration" / "spanruns" / "services" / "distribution_service.py"
PACKAGES = (
    "logfire>=5,<6",
    "traceloop-sdk>=0.62,<0.63",
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-exporter-otlp-proto-http",
    "pydantic-ai-slim>=2.60,<3",
    "openai>=3,<4",
    "httpx",
    "wrapt",
)
CALLS = {"logfire": "Chat Completion with {request_data[model]!r}", "traceloop": "openai.chat"}
"""The span each of them makes for a call of the OpenAI client."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with the distributions, and our sources."""
    env = tmp_path_factory.mktemp("distributions") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    python = env / "bin" / "python"
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--prerelease=if-necessary-or-explicit", "--python", str(python), *PACKAGES],
        check=True,
    )
    (site,) = (env / "lib").glob("python*/site-packages")
    (site / "spanruns-sources.pth").write_text(str(ROOT / "instrumentation"))
    yield python
    shutil.rmtree(env, ignore_errors=True)


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("distribution", ["logfire", "traceloop"])
def test_both_have_everything_once(python: Path, first: str, distribution: str) -> None:
    """Both see every span once, whoever was set up first; the distribution's own instrumentation wins over ours."""
    server = SinkServer()
    with running_fake_openai() as openai_url:
        env = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.sink.url,
            "OPENAI_BASE_URL": openai_url,
            "TRACELOOP_TELEMETRY": "false",
            "SPANRUNS_RAISE": "1",
        }
        done = subprocess.run(
            [str(python), str(SERVICE), first, distribution], env=env, capture_output=True, text=True, check=False
        )
    server.close()
    assert done.returncode == 0, done.stderr
    assert "Overriding" not in done.stderr
    names = ["chat test", "invoke_agent weather_agent", "outer", CALLS[distribution]]
    assert f"theirs: {sorted(names)}" in done.stdout
    assert Counter(span.name for span in server.sink.spans) == Counter(names)
    assert len(server.sink.events("started")) == 2
