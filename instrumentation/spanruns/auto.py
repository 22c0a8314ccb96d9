"""`import spanruns.auto`: send everything, set up from the environment.

Import it once, anywhere: before or after the frameworks, before or after the service's own OpenTelemetry set-
up.
"""

from __future__ import annotations

from spanruns import _frameworks, _guard, _pipeline
from spanruns._configure import configure

__all__: list[str] = []

configure()
with _guard.guarded("instrumenting frameworks"):
    if (_pipeline_now := _pipeline.current()) is not None:
        _frameworks.watch(_pipeline_now.settings)
