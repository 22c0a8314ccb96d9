"""Exporters of the service to our endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from spanruns import _foreign
from spanruns._foreign import CleaningExporter, Pending, processors_of, same_endpoint, take_over

URL = "http://localhost:4318/v1/traces"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (URL, "http://127.0.0.1:4318/v1/traces", True),
        (URL, "http://localhost:4317", True),
        (URL, "localhost:4317", True),
        (URL, "http://localhost:4319/v1/traces", False),
        (URL, "http://collector:4318/v1/traces", False),
        ("https://api.example.org/v1/traces", "https://api.example.org:443/v1/traces/", True),
        ("https://api.example.org/a/v1/traces", "https://api.example.org:443/b/v1/traces", False),
        ("https://api.example.org/a/v1/traces", "https://api.example.org", True),
        ("https://api.example.org/a/v1/traces", "api.example.org:443", True),
        (URL, "http://localhost:4317/ignored", True),
        ("https://api.example.org", "http://api.example.org", False),
    ],
)
def test_same_receiver(one: str, other: str, same: bool) -> None:
    """Host, port and path decide; the gRPC port beside the HTTP one is the same receiver, and gRPC knows no path."""
    assert same_endpoint(one, other) is same


class Wrapper(SpanProcessor):
    """As distributions put a processor around another."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("kind", [BatchSpanProcessor, SimpleSpanProcessor])
def test_exporter_is_found_and_cleaned(kind: Any, depth: int) -> None:
    """Also inside processors inside processors; once, however often it is looked for."""
    inner = processor = kind(OTLPSpanExporter(endpoint=URL))
    for _ in range(depth):
        processor = Wrapper(processor)
    for _ in range(2):
        assert take_over([processor], URL, lambda item: item) == [processor]
    assert isinstance(inner.span_exporter, CleaningExporter)
    assert isinstance(inner.span_exporter._exporter, OTLPSpanExporter)
    inner.shutdown()


def test_exporter_to_somewhere_else_is_left_alone() -> None:
    """Only what goes to our endpoint is our business."""
    processor = SimpleSpanProcessor(OTLPSpanExporter(endpoint="http://elsewhere:4318/v1/traces"))
    assert take_over([processor], URL, lambda item: item) == []
    assert isinstance(processor.span_exporter, OTLPSpanExporter)
    processor.shutdown()


def test_cleaning_exporter_stands_for_the_other() -> None:
    """It cleans what it is given, and is the other one in everything else."""

    class Exporter:
        name = "theirs"

        def export(self, items: list[int]) -> list[int]:
            return items

    exporter = CleaningExporter(Exporter(), lambda item: item + 1)
    assert (exporter.export([1, 2]), exporter.name) == ([2, 3], "theirs")


def test_pending_items_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody takes does not fill the memory."""
    monkeypatch.setattr(_foreign, "MAX_PENDING", 2)
    pending = Pending()
    for number in range(3):
        pending.put(number, str(number))
    assert [pending.take(number) for number in (0, 1, 2, 2)] == [None, "1", "2", None]


def test_processors_of_a_provider_behind_a_proxy() -> None:
    """Distributions hand out proxies of their providers."""

    class Proxy:
        provider = TracerProvider(shutdown_on_exit=False)

    processor = Wrapper(None)
    Proxy.provider.add_span_processor(processor)
    assert processors_of(Proxy()) == (processor,)
    assert _foreign.has(Proxy(), processor)
