"""Tokens to dollars, for arrays of calls. Pure; nothing is guessed: where a price is missing the cost is NaN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PARTS = (
    ("audio_cache_read", ("cache_read", "audio_input"), "input"),
    ("image_cache_read", ("cache_read", "image_input"), "input"),
    ("cache_read", (), "input"),
    ("cache_write", (), "input"),
    ("audio_input", (), "input"),
    ("image_input", (), "input"),
    ("audio_output", (), "output"),
    ("image_output", (), "output"),
    ("reasoning", (), "output"),
)
"""Tokens that others contain, the smallest parts first: a part, the larger ones it is in, and the whole. Without a price of its own
it costs as the first of these that has one."""

PRICES = (*(f"{name}_usd_per_mtok" for name in ("input", "output", *(part for part, _, _ in PARTS))), "request_usd")

# name, numpy type, SQL over model_prices
COLUMNS = [
    ("model_key", "<u8", "cityHash64(provider, model)"),
    ("valid_from_us", "<i8", "toInt64(toUnixTimestamp(valid_from)) * 1000000"),
    ("is_own", "u1", "(NOT startsWith(source, 'genai-prices '))::UInt8"),
    ("day_from_s", "<u4", "day_from_s"),
    ("day_until_s", "<u4", "day_until_s"),
    ("above_input_tokens", "<u8", "above_input_tokens"),
    *((name, "<f8", f"ifNull({name}, nan)") for name in PRICES),
]
PRICE = np.dtype([(name, kind) for name, kind, _ in COLUMNS])
NO_PRICES = np.zeros(0, PRICE)

DAY_US = 86_400_000_000

Floats = NDArray[np.float64]
Tokens = Mapping[str, NDArray[np.uint64]]


def costs(
    prices: NDArray[np.void], model_key: NDArray[np.uint64], started_us: NDArray[np.int64], tokens: Tokens
) -> Floats:
    """What each call costs in USD, NaN where that is not known: no tokens, no price for the model, or none for such tokens.

    `prices` is of dtype PRICE; `tokens` has `input_tokens` and `output_tokens` (all of them), and the parts of these by
    the names of `PARTS`, as `cache_read_tokens`.
    """
    used = (tokens["input_tokens"] > 0) | (tokens["output_tokens"] > 0)
    wanted = used & np.isin(model_key, prices["model_key"])
    each = np.full((len(PRICES), len(model_key)), np.nan)
    if wanted.any():
        calls = np.flatnonzero(wanted)
        _fill(each, calls, prices, model_key, started_us, tokens["input_tokens"])
    return np.where(wanted, _sum(dict(zip(PRICES, each, strict=True)), tokens), np.nan)


def _fill(
    each: Floats,
    calls: NDArray[np.int64],
    prices: NDArray[np.void],
    model_key: NDArray[np.uint64],
    started_us: NDArray[np.int64],
    input_tokens: NDArray[np.uint64],
) -> None:
    """Put the prices that hold for each call into its column; of several rows that hold the last counts."""
    order = ["model_key", "is_own", "valid_from_us", "day_from_s", "above_input_tokens"]
    mine = np.sort(prices[np.isin(prices["model_key"], model_key[calls])], order=order)
    second = started_us[calls] // 1_000_000 % 86_400
    for row in mine:
        holds = (
            (model_key[calls] == row["model_key"])
            & (started_us[calls] >= row["valid_from_us"])
            & (second >= row["day_from_s"])
            & (second < row["day_until_s"])
            & ((input_tokens[calls] > row["above_input_tokens"]) | (row["above_input_tokens"] == 0))
        )
        each[:, calls[holds]] = np.array([row[name] for name in PRICES])[:, None]


def _sum(price: Mapping[str, Floats], tokens: Tokens) -> Floats:
    """Parts leave what contains them, so that every token is counted once, at the price of the smallest part it is in. Of parts
    that nobody told to overlap (cached, audio) as few tokens do as possible."""
    parts = [(part, larger, whole) for part, larger, whole in PARTS if tokens[f"{part}_tokens"].any()]
    counted = {name for part, larger, whole in parts for name in (part, *larger, whole)} | {"input", "output"}
    left = {name: tokens[f"{name}_tokens"].astype(np.float64) for name in counted}
    total = np.nan_to_num(price["request_usd"])
    for part, larger, whole in parts:
        own = price[f"{part}_usd_per_mtok"]
        for name in larger:
            own = np.where(np.isnan(own), price[f"{name}_usd_per_mtok"], own)
        around = [left[name] for name in (*larger, whole)]
        of_its_own = np.where(np.isnan(own), 0, np.minimum.reduce([left[part], *around]))
        for count in around:
            count -= of_its_own
        total += of_its_own * np.nan_to_num(own) / 1e6
    for whole in ("input", "output"):
        total += np.where(left[whole] > 0, left[whole] * price[f"{whole}_usd_per_mtok"], 0) / 1e6
    return np.asarray(total, np.float64)
