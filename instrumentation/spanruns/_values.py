"""Values of the service as attributes: JSON text, and its size beside it where it had to be cut."""

from __future__ import annotations

from opentelemetry.trace import Span

from spanruns import _guard
from spanruns._encode import to_sized_json


def as_json(key: str, value: object, limit: int) -> dict[str, str | int]:
    """The attributes that hold a value, of which `limit` bytes are kept."""
    text, size = to_sized_json(value, limit)
    return {key: text} if size is None else {key: text, f"{key}.size": size}


def set_json(span: Span, key: str, value: object, limit: int) -> None:
    """Keep a value in a span; never raises."""
    try:
        if span.is_recording():
            text, size = to_sized_json(value, limit)
            span.set_attribute(key, text)
            if size is not None:
                span.set_attribute(f"{key}.size", size)
    except Exception:
        _guard.swallow("capturing a value")
