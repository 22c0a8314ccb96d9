"""The prices that the package `genai-prices` knows for a model, as rows of `model_prices`. Pure: names in, rows out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from importlib.metadata import version
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S = 86_400

PROVIDERS = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "microsoft.foundry": "azure",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
"""The package's name for the convention's, where they differ."""

BEDROCK_MAKERS = ("amazon", "meta", "mistral", "cohere", "ai21", "deepseek")
"""Who stands before a model's name there; those whose models the package knows without need not."""

TOKEN_PRICES = {
    "input_usd_per_mtok": "input_mtok",
    "output_usd_per_mtok": "output_mtok",
    "cache_read_usd_per_mtok": "cache_read_mtok",
    "cache_write_usd_per_mtok": "cache_write_mtok",
    "reasoning_usd_per_mtok": "output_reasoning_mtok",
    "audio_input_usd_per_mtok": "input_audio_mtok",
    "audio_output_usd_per_mtok": "output_audio_mtok",
    "audio_cache_read_usd_per_mtok": "cache_audio_read_mtok",
    "image_input_usd_per_mtok": "input_image_mtok",
    "image_output_usd_per_mtok": "output_image_mtok",
    "image_cache_read_usd_per_mtok": "cache_image_read_mtok",
}
"""The package's name for each of our columns."""


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens (None where the package has no price) and per call, and when they hold."""

    valid_from: datetime = EPOCH
    day_from_s: int = 0
    day_until_s: int = DAY_S
    above_input_tokens: int = 0
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None
    cache_read_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None
    reasoning_usd_per_mtok: float | None = None
    audio_input_usd_per_mtok: float | None = None
    audio_output_usd_per_mtok: float | None = None
    audio_cache_read_usd_per_mtok: float | None = None
    image_input_usd_per_mtok: float | None = None
    image_output_usd_per_mtok: float | None = None
    image_cache_read_usd_per_mtok: float | None = None
    request_usd: float | None = None


def source() -> str:
    """What rows of this catalogue are marked with: the package, its version, and how many of its prices are read."""
    return f"genai-prices {_version()}, {len(TOKEN_PRICES)} prices"


@cache
def _version() -> str:
    return version("genai-prices")


def prices(provider: str, model: str) -> list[Price]:
    """All prices of a model, oldest first; empty when the package does not know it.

    `provider` is the convention's name (`gcp.vertex_ai`) or any other; empty where the spans name none: then the model's name
    has to tell. A provider that the package does not know has no prices, whatever its models are called.
    """
    found = _find(provider, model)
    if found is None:
        return []
    conditional = found if isinstance(found, list) else None
    if conditional is None:
        return list(_tiers(found, EPOCH, 0, DAY_S))
    rows: dict[tuple[datetime, int, int], Price] = {}
    starts = [EPOCH]
    for place, item in enumerate(conditional):
        for price in _conditional(item, place, starts):
            rows[price.valid_from, price.day_from_s, price.above_input_tokens] = price
    return [rows[key] for key in sorted(rows)]


def _find(provider: str, model: str) -> Any:
    # Two tenths of a second, and most processes never ask.
    from genai_prices.data_snapshot import get_snapshot

    known = PROVIDERS.get(provider, provider) or None
    for name in _names(provider, model):
        try:
            return get_snapshot().find_provider_model(name, None, known, None)[1].prices
        except LookupError:
            continue
    return None


def _names(provider: str, model: str) -> list[str]:
    """What the model may be called: as it is; where no provider is told without one in front (`googleai/gemini-2.5-pro`); on Bedrock
    with its maker, whom OpenLLMetry takes away."""
    if provider == "aws.bedrock":
        return [model, *(f"{maker}.{model}" for maker in BEDROCK_MAKERS)] if model else []
    bare = model.rpartition("/")[2]
    return [name for name in ([model] if provider else [model, bare]) if name]


def _conditional(item: Any, place: int, starts: list[datetime]) -> Iterator[Price]:
    """Rows of one entry of the package's list, in which later entries stand over earlier ones; `starts` collects the dates."""
    begins = getattr(item.constraint, "start_date", None)
    if hasattr(item.constraint, "start_time") and place:
        hours = _seconds(item.constraint.start_time), _seconds(item.constraint.end_time)
        for start in starts:
            for day_from, day_until in _within_a_day(*hours):
                yield from _tiers(item.prices, start, day_from, day_until)
        return
    # The first entry holds where no other does.
    start = datetime.combine(begins, time(), UTC) if begins and place else EPOCH
    if start not in starts:
        starts.append(start)
    yield from _tiers(item.prices, start, 0, DAY_S)


def _within_a_day(start: int, end: int) -> list[tuple[int, int]]:
    return [(start, end)] if start <= end else [(start, DAY_S), (0, end)]


def _seconds(at: time) -> int:
    if at.tzinfo is not None:
        at = datetime.combine(EPOCH, at).astimezone(UTC).time()
    return at.hour * 3600 + at.minute * 60 + at.second


def _tiers(found: Any, valid_from: datetime, day_from_s: int, day_until_s: int) -> Iterator[Price]:
    """One row for the base and one for each number of input tokens above which another price holds."""
    tiers = [getattr(getattr(found, name, None), "tiers", ()) for name in TOKEN_PRICES.values()]
    for above in sorted({0, *(tier.start for several in tiers for tier in several)}):
        known = {ours: _at(getattr(found, theirs, None), above) for ours, theirs in TOKEN_PRICES.items()}
        requests = getattr(found, "requests_kcount", None)
        yield Price(
            valid_from,
            day_from_s,
            day_until_s,
            above,
            **known,
            request_usd=None if requests is None else float(_at(requests, above) or 0) / 1000,
        )


def _at(price: Any, above: int) -> float | None:
    """The price for calls with more input tokens than `above`."""
    if price is None:
        return None
    if not hasattr(price, "tiers"):
        return float(price)
    reached = [tier.price for tier in price.tiers if tier.start <= above] if above else []
    return float(reached[-1] if reached else price.base)
