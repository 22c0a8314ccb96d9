"""Joins the service's own OpenTelemetry set-up instead of fighting it.

An SDK provider that is there gets our processor; where there is none, we make one. One that the service (or
another distribution) sets later takes over: it gets our processor too, and spans of tracers handed out before
reach both. An exporter of the service that already sends to our endpoint is left to it; then we send nothing
ourselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from spanruns import _foreign, _guard
from spanruns._otlp import Finished, clean_span
from spanruns._setters import GlobalProvider

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from spanruns._pipeline import Pipeline


def attach(pipeline: Pipeline) -> None:
    """Connect the pipeline with the tracer provider of this process, now and if it changes later."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        pipeline.provider = _new_provider(pipeline)
        GlobalProvider(trace, "tracer", lambda later: _give_way(pipeline, later)).set(pipeline.provider)
    elif not join(pipeline, provider):
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
    if not _foreign.has(provider, pipeline.processor):
        add(pipeline.processor)
    resource = getattr(provider, "resource", None)
    if resource is not None:
        pipeline.resource = resource
    pipeline.provider = provider
    share(pipeline)
    return True


def share(pipeline: Pipeline) -> None:
    """Leave sending to exporters of the service that go to our endpoint, those added since included."""
    pending = pipeline.processor.pending

    def clean(span: ReadableSpan) -> ReadableSpan:
        context = span.get_span_context()
        item = pending.take(context.span_id) if context is not None else None
        return clean_span(item or Finished(span), pipeline.cleaner, pipeline.instance)

    found = _foreign.take_over(_foreign.processors_of(pipeline.provider), pipeline.settings.urls["traces"], clean)
    pipeline.processor.sends = not found
    pipeline.their_processors = tuple(found)


def _new_provider(pipeline: Pipeline) -> Any:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=pipeline.resource)
    provider.add_span_processor(pipeline.processor)
    return provider


def _give_way(pipeline: Pipeline, later: Any) -> None:
    """`later` replaces the provider we made.

    Spans of the old one's tracers are shown to its processors as well.
    """
    from spanruns import _pipeline

    earlier: Any = pipeline.provider
    if join(pipeline, later):
        earlier.add_span_processor(_forwarder(lambda: _foreign.processors_of(later), pipeline.processor))
        _pipeline.forget_tracer()


def _forwarder(processors: Callable[[], tuple[Any, ...]], ours: object) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class Forwarder(SpanProcessor):
        """Shows spans of the provider we made to the processors of the one that replaced it."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            for processor in processors():
                if processor is not ours:
                    processor.on_start(span, parent_context)

        def on_end(self, span: ReadableSpan) -> None:
            for processor in processors():
                if processor is not ours:
                    processor.on_end(span)

    return Forwarder()
