"""Which instrumentation goes with which framework, switched on right after the framework has been imported.

Nothing is imported that the service does not import itself. A framework is never instrumented twice: what the
service (or another distribution) has switched on, or switches on later, wins over ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import wrapt

from spanruns import _entrances, _guard, _smolagents
from spanruns._imports import when_imported
from spanruns._settings import Settings

CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ANTHROPIC: Final = "ANTHROPIC_OPEN_TELEMETRY"


@dataclass(frozen=True)
class Instrumentor:
    """A class with `instrument()` in some package; the first one installed is used."""

    module: str
    name: str
    package: str

    def loaded(self) -> Any:
        """Its one instance if its module has been imported already."""
        kind = getattr(sys.modules.get(self.module), self.name, None)
        return None if kind is None else kind()

    def load(self) -> Any:
        """Its one instance; None if it is not installed."""
        try:
            if importlib.util.find_spec(self.module) is None:
                return None
        except (ImportError, ValueError):
            return None
        return getattr(importlib.import_module(self.module), self.name)()

    @property
    def is_active(self) -> bool:
        """True if somebody has switched it on."""
        return bool(getattr(self.loaded(), "is_instrumented_by_opentelemetry", False))


@dataclass(frozen=True)
class Framework:
    """A framework that needs an instrumentor."""

    name: str
    trigger: str
    """The module whose import shows that the framework is used."""
    instrumentors: tuple[Instrumentor, ...]
    packages: tuple[str, ...] = ()
    """Other packages of the framework: it is complete when no import of any of them is under way."""
    taken: Callable[[], bool] = lambda: False
    """True if something that is no instrumentor instruments it already."""


def _genai(module: str, name: str) -> Instrumentor:
    package = f"opentelemetry-instrumentation-genai-{module.replace('_', '-')}"
    return Instrumentor(f"opentelemetry.instrumentation.genai.{module}", name, package)


def _openinference(module: str, name: str) -> Instrumentor:
    package = f"openinference-instrumentation-{module.replace('_', '-')}"
    return Instrumentor(f"openinference.instrumentation.{module}", name, package)


def _traceloop(module: str, name: str) -> Instrumentor:
    package = f"opentelemetry-instrumentation-{module.replace('_', '-')}"
    return Instrumentor(f"opentelemetry.instrumentation.{module}", name, package)


def _logfire_has_agents() -> bool:
    setup = sys.modules.get("agents.tracing.setup") or sys.modules.get("agents.tracing")
    provider = getattr(setup, "GLOBAL_TRACE_PROVIDER", None)
    return "Logfire" in type(provider).__name__


def _logfire_has_openai() -> bool:
    client = getattr(sys.modules.get("openai"), "OpenAI", None)
    return bool(getattr(client, "_is_instrumented_by_logfire", False))


def _anthropic_is_taken() -> bool:
    """Newer clients speak OpenTelemetry themselves, unless told not to."""
    client = getattr(sys.modules.get("anthropic"), "Anthropic", None)
    itself = "anthropic._tracing" in sys.modules and os.environ.get(ANTHROPIC, "").lower() != "false"
    return itself or bool(getattr(client, "_is_instrumented_by_logfire", False))


def _langsmith_traces() -> bool:
    return os.environ.get("LANGSMITH_OTEL_ENABLED", "").lower() == "true"


FRAMEWORKS: Final = (
    Framework(
        "langchain",
        "langchain_core.callbacks",
        (
            _genai("langchain", "LangChainInstrumentor"),
            _openinference("langchain", "LangChainInstrumentor"),
            _traceloop("langchain", "LangchainInstrumentor"),
        ),
        packages=("langgraph", "langchain", "langchain_classic", "langchain_community", "langchain_openai"),
        taken=_langsmith_traces,
    ),
    Framework(
        "openai_agents",
        "agents",
        (
            _genai("openai_agents", "OpenAIAgentsInstrumentor"),
            _openinference("openai_agents", "OpenAIAgentsInstrumentor"),
            _traceloop("openai_agents", "OpenAIAgentsInstrumentor"),
        ),
        taken=_logfire_has_agents,
    ),
    Framework(
        "openai",
        "openai",
        (
            _genai("openai", "OpenAIInstrumentor"),
            _openinference("openai", "OpenAIInstrumentor"),
            _traceloop("openai", "OpenAIInstrumentor"),
        ),
        taken=_logfire_has_openai,
    ),
    Framework(
        "anthropic",
        "anthropic",
        (
            _genai("anthropic", "AnthropicInstrumentor"),
            _openinference("anthropic", "AnthropicInstrumentor"),
            _traceloop("anthropic", "AnthropicInstrumentor"),
        ),
        taken=_anthropic_is_taken,
    ),
    Framework(
        "smolagents",
        "smolagents",
        (
            # the OpenTelemetry one (genai-smolagents) records agents only, no tool and no model calls
            _openinference("smolagents", "SmolagentsInstrumentor"),
            _genai("smolagents", "SmolagentsInstrumentor"),
        ),
    ),
    Framework(
        "llama_index",
        "llama_index.core",
        (
            _openinference("llama_index", "LlamaIndexInstrumentor"),
            _genai("llama_index", "LlamaIndexInstrumentor"),
            _traceloop("llamaindex", "LlamaIndexInstrumentor"),
        ),
    ),
    Framework(
        "dspy",
        "dspy",
        (_openinference("dspy", "DSPyInstrumentor"), _genai("dspy", "DSPyInstrumentor")),
    ),
    Framework(
        "crewai",
        "crewai",
        (_openinference("crewai", "CrewAIInstrumentor"), _traceloop("crewai", "CrewAIInstrumentor")),
    ),
    Framework("agno", "agno", (_genai("agno", "AgnoInstrumentor"), _openinference("agno", "AgnoInstrumentor"))),
)
"""pydantic-ai, the MCP SDK from 2, newer Anthropic clients, Strands, Google ADK and Microsoft's agents need
none.

They speak OpenTelemetry.
"""

_ours: dict[str, Any] = {}
"""Instrumentors that we have switched on, by framework."""
_watched: set[str] = set()
_given_up: set[str] = set()
"""Frameworks that somebody else instruments in a way of their own."""


def watch(settings: Settings) -> None:
    """Instrument the frameworks that are imported already, and every other one when it is imported."""
    _set_capture(settings)
    for framework in FRAMEWORKS:
        if framework.name not in settings.disabled_frameworks:
            _on_import(framework.trigger, framework.name, partial(_activate, framework), *framework.packages)
    if "pydantic_ai" not in settings.disabled_frameworks:
        _on_import("pydantic_ai", "pydantic_ai", lambda: _activate_pydantic_ai(settings))
    if "celery" not in settings.disabled_frameworks:
        _on_import("celery.signals", "celery", _activate_celery)
    if "rq" not in settings.disabled_frameworks:
        _on_import("rq.worker", "rq", _activate_rq)
    _entrances.install(settings.disabled_frameworks)
    _on_import("opentelemetry.instrumentation.instrumentor", "instrumentors", _watch_instrumentors)
    _on_import("logfire", "logfire", _watch_logfire)


def _set_capture(settings: Settings) -> None:
    """The instrumentors of the GenAI family and Anthropic's client read from the environment what to capture."""
    content = settings.content != "metadata_only"
    os.environ.setdefault(CAPTURE, "SPAN_ONLY" if content else "NO_CONTENT")
    os.environ.setdefault(f"{ANTHROPIC}_TRACES_CONTENT_MODE", "content" if content else "metadata_only")


def _on_import(module: str, name: str, activate: Callable[[], None], *more: str) -> None:
    if name not in _watched:
        _watched.add(name)
        when_imported(module, (module.partition(".")[0], *more), activate)


def _activate(framework: Framework) -> None:
    if framework.name in _ours or framework.name in _given_up:
        return
    active = [found for found in framework.instrumentors if found.is_active]
    if active or framework.taken():
        names = ", ".join(found.package for found in active)
        _guard.log.debug("spanruns: %s is instrumented already (%s)", framework.name, names)
        for found in active:
            _complete(found.loaded())
        return
    for candidate in framework.instrumentors:
        instrumentor = candidate.load()
        if instrumentor is not None:
            _ours[framework.name] = instrumentor
            instrumentor.instrument(skip_dep_check=True)
            _complete(instrumentor)
            return
    _guard.info_once(
        f"missing {framework.name}",
        "spanruns: %s is used but not instrumented; pip install --pre %s",
        framework.name,
        framework.instrumentors[0].package,
    )


def _activate_pydantic_ai(settings: Settings) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    if not getattr(Agent, "_instrument_default", False):
        Agent.instrument_all(InstrumentationSettings(include_content=settings.content != "metadata_only"))


def _activate_celery() -> None:
    from spanruns import _celery

    _celery.install()


def _activate_rq() -> None:
    from spanruns import _rq

    _rq.install()


def _watch_instrumentors() -> None:
    """When the service switches on another instrumentor for a framework, ours is switched off."""
    kind = sys.modules["opentelemetry.instrumentation.instrumentor"].BaseInstrumentor

    def instrument(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _guard.guarded("giving way to another instrumentor"):
            for framework in FRAMEWORKS:
                modules = [candidate.module for candidate in framework.instrumentors]
                if type(instance).__module__ in modules:
                    give_way(framework.name, to=instance)  # before: taking off what is beneath would take off both
        done = wrapped(*args, **kwargs)
        _complete(instance)
        return done

    wrapt.wrap_function_wrapper(kind, "instrument", instrument)


def _complete(instrumentor: object) -> None:
    """Add what an instrumentor lacks."""
    if type(instrumentor).__module__ == _smolagents.MODULE:
        with _guard.guarded("completing an instrumentor"):
            _smolagents.install()


def give_way(name: str, to: object = None) -> None:
    """Switch our instrumentor of a framework off unless it is `to` itself."""
    ours = _ours.get(name)
    if ours is not None and ours is not to:
        del _ours[name]
        ours.uninstrument()
        _guard.log.info("spanruns: %s is instrumented by %s now", name, type(to).__module__)


def _watch_logfire() -> None:
    """Logfire instruments by functions of its own."""
    logfire = sys.modules["logfire"]
    for function, name in (
        ("instrument_openai", "openai"),
        ("instrument_openai_agents", "openai_agents"),
        ("instrument_anthropic", "anthropic"),
    ):
        for place in (logfire, getattr(logfire, "Logfire", None)):
            if place is not None and hasattr(place, function):
                wrapt.wrap_function_wrapper(place, function, _giving_way(name))


def _giving_way(name: str) -> Any:
    def call(wrapped: Any, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _guard.guarded("giving way to Logfire"):
            _given_up.add(name)
            give_way(name, to=call)
        return wrapped(*args, **kwargs)

    return call
