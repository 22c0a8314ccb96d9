"""Tokens to dollars, against the package that has the prices, and where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from spanruns_receiver.pricing.catalog import TOKEN_PRICES, Price, prices
from spanruns_receiver.pricing.cost import NO_PRICES, PRICE, PRICES, costs
from spanruns_receiver.resolver.columns import CALL_TOKENS

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def table(found: list[Price], key: int = 1, *, own: bool = False) -> NDArray[np.void]:
    """Prices as an array."""
    array = np.zeros(len(found), PRICE)
    for row, price in zip(array, found, strict=True):
        row["model_key"], row["is_own"] = key, own
        row["valid_from_us"] = int(price.valid_from.timestamp() * 1e6)
        for name in ("day_from_s", "day_until_s", "above_input_tokens"):
            row[name] = getattr(price, name)
        for name in PRICES:
            value = getattr(price, name)
            row[name] = np.nan if value is None else value
    return array


def cost(found: NDArray[np.void], at: datetime = AT, key: int = 1, **tokens: int) -> float:
    """What one call costs."""
    counts = {name: np.array([tokens.get(name, 0)], np.uint64) for name in CALL_TOKENS}
    started = np.array([int(at.timestamp() * 1e6)], np.int64)
    return float(costs(found, np.array([key], np.uint64), started, counts)[0])


def priced_by_tokens() -> list[tuple[str, str, Any]]:
    """Every model whose prices are per token of the kinds that spans tell apart; searches are not told."""
    kinds = {*TOKEN_PRICES.values(), "requests_kcount", "web_searches_kcount"}
    found = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            several = model.prices if isinstance(model.prices, list) else None
            every = [item.prices for item in several] if several is not None else [model.prices]
            if every and all({k for k, v in vars(price).items() if v is not None} <= kinds for price in every):
                found.append((provider.id, model.id, model))
    return found


MODELS = priced_by_tokens()
MODALITIES = [
    model
    for model in MODELS
    for price in prices(*model[:2])[:1]
    if price.audio_input_usd_per_mtok or price.image_output_usd_per_mtok
]
THEIRS = {
    theirs.replace("_mtok", "_tokens"): ours.replace("_usd_per_mtok", "_tokens")
    for ours, theirs in TOKEN_PRICES.items()
}
"""Our name for each of the package's kinds of tokens."""


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(MODELS) | st.sampled_from(MODALITIES),
    st.integers(0, 500_000),
    st.integers(0, 500_000),
    st.tuples(*[st.floats(0, 0.25)] * 4),
    st.tuples(*[st.floats(0, 0.33)] * 3),
    st.floats(0, 0.5),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
)
def test_as_the_package_counts(
    model: tuple[str, str, Any],
    input_tokens: int,
    output_tokens: int,
    inputs: tuple[float, ...],
    outputs: tuple[float, ...],
    overlap: float,
    at: datetime,
) -> None:
    """For any model, date, hour and usage the cost is the package's own, where the package has prices for all of the tokens."""
    provider, name, info = model
    moment = at.replace(tzinfo=UTC)
    used = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    for whole, parts, shares in (
        (input_tokens, ("cache_read", "cache_write", "audio_input", "image_input"), inputs),
        (output_tokens, ("reasoning", "audio_output", "image_output"), outputs),
    ):
        used |= {f"{part}_tokens": int(whole * share) for part, share in zip(parts, shares, strict=True)}
    for kind in ("audio", "image"):
        both = min(used["cache_read_tokens"], used[f"{kind}_input_tokens"])
        used[f"{kind}_cache_read_tokens"] = int(both * overlap)
    found = table(prices(provider, name))
    if not len(found) or get_snapshot().find_provider_model(name, None, provider, None)[1] is not info:
        return
    price = info.get_prices(moment)
    mine = cost(found, moment, **used)
    unknown = (price.input_mtok is None and input_tokens) or (price.output_mtok is None and output_tokens)
    if unknown or not (input_tokens or output_tokens):
        assert np.isnan(mine) or mine >= 0
        return
    # The package wants to be told only what it has a price for.
    priced = {
        theirs: ours
        for theirs, ours in THEIRS.items()
        if getattr(price, theirs.replace("_tokens", "_mtok")) is not None
    }
    usage = Usage(**{theirs: used[ours] for theirs, ours in priced.items()})
    assert mine == pytest.approx(float(price.calc_price(usage)["total_price"]), rel=1e-9, abs=1e-12)


def test_enough_models_are_compared() -> None:
    """The comparison above is over most of the package, with tiers, dates, hours and other modalities among them."""
    assert len(MODELS) > 1_500
    assert len(MODALITIES) > 10
    every = [price for provider, name, _ in MODELS for price in prices(provider, name)]
    assert any(price.above_input_tokens for price in every)
    assert any(price.valid_from.year > 2000 for price in every)
    assert any(price.day_from_s for price in every)


BASE = Price(input_usd_per_mtok=1.0, output_usd_per_mtok=10.0)


@pytest.mark.parametrize(
    ("found", "tokens", "expected"),
    [
        ([BASE], {"input_tokens": 1000, "output_tokens": 100}, 0.002),
        ([BASE], {"input_tokens": 1000, "cache_read_tokens": 400, "reasoning_tokens": 5}, 0.001),
        ([BASE], {}, np.nan),
        ([Price(input_usd_per_mtok=1.0)], {"input_tokens": 1000}, 0.001),
        ([Price(input_usd_per_mtok=1.0)], {"input_tokens": 1000, "output_tokens": 1}, np.nan),
        ([Price()], {"input_tokens": 1}, np.nan),
        ([Price(input_usd_per_mtok=0.0)], {"input_tokens": 1000}, 0.0),
        ([Price(input_usd_per_mtok=1.0, request_usd=0.5)], {"input_tokens": 1000}, 0.501),
        (
            [Price(input_usd_per_mtok=1.0, cache_read_usd_per_mtok=0.1, cache_write_usd_per_mtok=2.0)],
            {"input_tokens": 1000, "cache_read_tokens": 500, "cache_write_tokens": 100},
            0.0004 + 0.00005 + 0.0002,
        ),
        (
            [Price(input_usd_per_mtok=1.0, cache_read_usd_per_mtok=0.1)],
            {"input_tokens": 100, "cache_read_tokens": 1000},
            0.00001,
        ),
        (
            [Price(output_usd_per_mtok=1.0, reasoning_usd_per_mtok=3.0)],
            {"output_tokens": 1000, "reasoning_tokens": 1000},
            0.003,
        ),
        (
            [BASE],
            {"input_tokens": 1000, "audio_input_tokens": 600, "output_tokens": 10, "image_output_tokens": 9},
            0.0011,
        ),
        (
            [Price(input_usd_per_mtok=1.0, audio_input_usd_per_mtok=9.0)],
            {"input_tokens": 1000, "audio_input_tokens": 600, "audio_cache_read_tokens": 100, "cache_read_tokens": 200},
            0.0004 + 0.0054,
        ),
        (
            [Price(input_usd_per_mtok=1.0, audio_input_usd_per_mtok=9.0, cache_read_usd_per_mtok=0.1)],
            {"input_tokens": 1000, "audio_input_tokens": 600, "audio_cache_read_tokens": 100, "cache_read_tokens": 200},
            0.0003 + 0.0045 + 0.00002,
        ),
        (
            [Price(input_usd_per_mtok=1.0, audio_input_usd_per_mtok=9.0, cache_read_usd_per_mtok=0.1)],
            {"input_tokens": 1000, "audio_input_tokens": 900, "cache_read_tokens": 500},
            0.0045 + 0.00005,
        ),
        (
            [Price(output_usd_per_mtok=1.0, image_output_usd_per_mtok=30.0)],
            {"output_tokens": 1310, "image_output_tokens": 1290},
            0.00002 + 0.0387,
        ),
        ([Price(audio_output_usd_per_mtok=9.0)], {"output_tokens": 10, "audio_output_tokens": 9}, np.nan),
        ([Price(audio_output_usd_per_mtok=9.0)], {"output_tokens": 10, "audio_output_tokens": 10}, 0.00009),
    ],
)
def test_one_call(found: list[Price], tokens: dict[str, int], expected: float) -> None:
    """Cached and reasoning tokens, audio and images are parts of the whole, never charged twice; what has no price has no cost."""
    assert cost(table(found), AT, 1, **tokens) == pytest.approx(expected, nan_ok=True)


def test_the_price_of_the_day() -> None:
    """A call costs what held when it was made; above a number of input tokens all of them cost the other price."""
    found = table(
        [
            BASE,
            Price(above_input_tokens=1000, input_usd_per_mtok=2.0),
            Price(valid_from=AT, input_usd_per_mtok=5.0),
            Price(valid_from=AT, day_from_s=80_000, input_usd_per_mtok=7.0),
        ]
    )
    before, evening = AT - timedelta(days=1), AT.replace(hour=23)
    assert cost(found, before, input_tokens=1000) == pytest.approx(0.001)
    assert cost(found, before, input_tokens=1001) == pytest.approx(0.002002)
    assert cost(found, AT, input_tokens=1000) == pytest.approx(0.005)
    assert cost(found, evening, input_tokens=1000) == pytest.approx(0.007)
    assert np.isnan(cost(found, key=2, input_tokens=1000))


def test_a_price_of_ones_own_wins() -> None:
    """Whoever puts a price into the table means it, whatever the package says from when on."""
    found = np.concatenate(
        [
            table([Price(input_usd_per_mtok=9.0)], own=True),
            table([Price(valid_from=AT - timedelta(1), input_usd_per_mtok=1.0)]),
        ]
    )
    assert cost(found, input_tokens=1000) == pytest.approx(0.009)


def test_no_prices() -> None:
    """Without a table nothing has a cost."""
    assert np.isnan(cost(NO_PRICES, input_tokens=1))


def test_a_model_named_with_its_provider() -> None:
    """Where spans tell no provider, the model's name may begin with one; where they tell one, the name is taken as it is."""
    assert prices("", "googleai/gemini-2.5-flash") == prices("", "gemini-2.5-flash") != []
    assert prices("openai", "googleai/gemini-2.5-flash") == prices("", "googleai/none") == prices("", "") == []


def test_a_model_of_bedrock_without_its_maker() -> None:
    """Bedrock's models are named with their makers, whom some leave out."""
    assert prices("aws.bedrock", "nova-lite-v1:0") == prices("aws.bedrock", "amazon.nova-lite-v1:0") != []
    assert prices("aws.bedrock", "none") == prices("aws.bedrock", "") == []
