"""Joins the service's own OpenTelemetry set-up instead of fighting it.

An SDK provider that is there gets our processor; where there is none, we make one. One that the service (or
another distribution) sets later takes over: it gets our processor too, and spans of tracers handed out before
reach both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import wrapt
from opentelemetry import trace

from spanruns import _guard

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from spanruns._pipeline import Pipeline

LOCAL: Final = ("127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - compared with, never bound to

_ours: Any = None
"""The provider we made, while it is the global one."""


def attach(pipeline: Pipeline) -> None:
    """Connect the pipeline with the tracer provider of this process, now and if it changes later."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        _set_own(pipeline)
        return
    if not join(pipeline, provider):
        pipeline.provider = _new_provider(pipeline)
        _guard.warn_once(
            "provider",
            "spanruns: the tracer provider %s takes no span processor; only our own runs and tools are sent",
            type(provider).__qualname__,
        )


def join(pipeline: Pipeline, provider: Any) -> bool:
    """Add our processor to a provider of the service; False if it takes none."""
    add = getattr(provider, "add_span_processor", None)
    if not callable(add):
        return False
    if not _has(provider, pipeline.processor):
        add(pipeline.processor)
    resource = getattr(provider, "resource", None)
    if resource is not None:
        pipeline.resource = resource
    pipeline.provider = provider
    return True


def _new_provider(pipeline: Pipeline) -> Any:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=pipeline.resource, shutdown_on_exit=False)
    provider.add_span_processor(pipeline.processor)
    return provider


def _set_own(pipeline: Pipeline) -> None:
    global _ours
    provider = _new_provider(pipeline)
    trace.set_tracer_provider(provider)
    pipeline.provider = provider
    _ours = provider
    _watch_setter(pipeline)


def _processors(provider: Any) -> tuple[Any, ...]:
    provider = getattr(provider, "provider", provider)  # a proxy of another distribution
    return tuple(getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ()))


def _has(provider: Any, processor: object) -> bool:
    return any(found is processor for found in _processors(provider))


def _watch_setter(pipeline: Pipeline) -> None:
    """Let a provider that the service sets after us win, as if we had come second."""

    def set_provider(wrapped: Any, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        later = args[0] if args else kwargs.get("tracer_provider")
        if _ours is None or later is _ours or trace.get_tracer_provider() is not _ours:
            return wrapped(*args, **kwargs)
        with _guard.guarded("joining a provider that was set later"):
            if _give_way(pipeline, later):
                return None
        return wrapped(*args, **kwargs)

    if not hasattr(trace.set_tracer_provider, "__wrapped__"):
        wrapt.wrap_function_wrapper(trace, "set_tracer_provider", set_provider)


def _give_way(pipeline: Pipeline, later: Any) -> bool:
    """Make `later` the global provider.

    Spans of our own provider's tracers are shown to its processors as well.
    """
    global _ours
    from opentelemetry.util._once import Once

    from spanruns import _pipeline

    earlier = _ours
    if earlier is None or not join(pipeline, later):
        return False
    earlier.add_span_processor(_forwarder(later, pipeline.processor))
    _ours = None
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    trace.set_tracer_provider(later)
    _pipeline.forget_tracer()
    return True


def _forwarder(later: Any, ours: object) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class Forwarder(SpanProcessor):
        """Shows spans of the provider we made to the processors of the one that replaced it."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            for processor in _processors(later):
                if processor is not ours:
                    processor.on_start(span, parent_context)

        def on_end(self, span: ReadableSpan) -> None:
            for processor in _processors(later):
                if processor is not ours:
                    processor.on_end(span)

    return Forwarder()


def same_endpoint(one: str, other: str) -> bool:
    """True if both URLs lead to the same OTLP receiver; its gRPC port 4317 and HTTP port 4318 count as one."""

    def place(url: str) -> tuple[str, int]:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = "localhost" if parts.hostname in LOCAL else parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return host, 4318 if port == 4317 else port

    return place(one) == place(other)
