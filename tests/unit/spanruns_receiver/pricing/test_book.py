"""The table of prices, over a real store: what is looked up, what is left alone, what changes with the package."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
from spanruns_receiver.pricing import book, catalog
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

from tests.support.resolving import Bench
from tests.support.spans import span, spans_request


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A store that all tests of the module use."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield Bench(store)
    store.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The module's store, empty."""
    shared_bench.clear()
    shared_bench.store.command("TRUNCATE TABLE model_prices")
    shared_bench.books.prices = book.PriceBook(shared_bench.store)
    return shared_bench


def receive(bench: Bench, *models: tuple[str, str], **usage: int) -> None:
    """A run with one call of each model."""
    tokens = {
        f"gen_ai.usage.{name}": count for name, count in (usage or {"input_tokens": 1000, "output_tokens": 100}).items()
    }
    calls = [
        span(
            number,
            "chat",
            {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model} | tokens,
            parent=1,
        )
        for number, (provider, model) in enumerate(models, 2)
    ]
    bench.receive(spans_request([span(1, "invoke_agent a", {"gen_ai.operation.name": "invoke_agent"}), *calls]))
    bench.resolve()


def told(bench: Bench) -> list[tuple[Any, ...]]:
    """Model, cost and its source of every call."""
    return [(call["model"], call["cost_usd"], call["cost_source"]) for call in bench.rows("model_calls")]


def sources(bench: Bench) -> list[tuple[str, str, str]]:
    """Provider, model and source of every price in the table."""
    found = rows(bench.store, "SELECT DISTINCT provider, model, source FROM model_prices FINAL ORDER BY ALL")
    return [(row["provider"], row["model"], row["source"]) for row in found]


def test_models_are_looked_up_when_they_are_first_seen(bench: Bench) -> None:
    """What the package knows is priced and in the table from then on; what it does not know has no cost, and is listed."""
    receive(bench, ("openai", "gpt-4o"), ("Azure", "gpt-4o"), ("nobody", "home-made"), ("openai", "no-such-model"))
    assert told(bench) == [
        ("gpt-4o", pytest.approx(0.0035), "prices"),
        ("gpt-4o", pytest.approx(0.0035), "prices"),
        ("home-made", None, ""),
        ("no-such-model", None, ""),
    ]
    mine = catalog.source()
    assert sources(bench) == [("azure.ai.openai", "gpt-4o", mine), ("openai", "gpt-4o", mine)]
    run = bench.rows("runs")[0]
    assert (run["cost_usd"], run["unpriced_call_count"]) == (pytest.approx(0.007), 2)
    listed = rows(bench.store, "SELECT provider, model, calls, input_tokens FROM unpriced_models ORDER BY model")
    assert listed == [
        {"provider": "nobody", "model": "home-made", "calls": 1, "input_tokens": 1000},
        {"provider": "openai", "model": "no-such-model", "calls": 1, "input_tokens": 1000},
    ]


def test_a_price_of_ones_own(bench: Bench) -> None:
    """A price that somebody put into the table is used, also for a model that the package knows; the rest stays as it is."""
    receive(bench, ("openai", "gpt-4o"), ("ollama", "llama"))
    bench.store.command(
        "INSERT INTO model_prices (provider, model, input_usd_per_mtok, output_usd_per_mtok) VALUES ('openai', 'gpt-4o', 1, 0), ('ollama', 'llama', 0, 0)"
    )
    bench.books.prices = book.PriceBook(bench.store)
    bench.resolve()
    assert told(bench) == [("gpt-4o", pytest.approx(0.001), "prices"), ("llama", 0, "prices")]


def test_a_new_version_of_the_package(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its prices replace those of the old one; one's own stay."""
    with monkeypatch.context() as older:
        older.setattr(catalog, "source", lambda: "genai-prices 0.0.1")
        receive(bench, ("openai", "gpt-4o"))
    bench.store.command("INSERT INTO model_prices (provider, model, input_usd_per_mtok) VALUES ('ollama', 'llama', 0)")
    assert sources(bench) == [("ollama", "llama", "own"), ("openai", "gpt-4o", "genai-prices 0.0.1")]
    bench.books.prices = book.PriceBook(bench.store)
    bench.resolve()
    assert sources(bench) == [("ollama", "llama", "own"), ("openai", "gpt-4o", catalog.source())]


def test_a_changed_price_is_seen_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is read again after a while, not at every pass."""
    receive(bench, ("nobody", "home-made"))
    bench.store.command(
        "INSERT INTO model_prices (provider, model, input_usd_per_mtok, output_usd_per_mtok) VALUES ('nobody', 'home-made', 1, 1)"
    )
    bench.resolve()
    assert told(bench) == [("home-made", None, "")]
    monkeypatch.setattr(book, "REFRESH_S", 0.0)
    bench.resolve()
    assert told(bench) == [("home-made", pytest.approx(0.0011), "prices")]


def test_tokens_that_are_no_text(bench: Bench) -> None:
    """Captured calls cost what one reckons by hand from what the package says of their models, also where a span says it itself;
    where no price of its own is known, audio costs as text does, and without any nobody knows what."""
    bench.receive_captures(
        "openai_audio_otel", "pydantic_ai_modalities", "google_genai_modalities_otel", "livekit_realtime"
    )
    home_made = {"input_tokens": 1000, "audio.input_tokens": 600}
    receive(bench, ("nobody", "home-made"), ("openai", "gpt-4o"), **home_made)
    bench.resolve()
    # Text, audio and images in, then cached, then text, audio and images out; a million each.
    audio = 400 * 2.5 + 600 * 32 + 100 * 10 + 200 * 64
    gemini = 100 * 0.3 + 400 * 1 + 100 * 0.03 + 400 * 0.1 + 300 * 2.5
    image = 300 * 0.3 + 20 * 2.5 + 1290 * 30
    realtime = 600 * 4 + 800 * 32 + 200 * 5 + 400 * 0.4 + 2000 * 0.4 + 100 * 16 + 400 * 64
    assert sorted(told(bench), key=itemgetter(0, 2)) == [
        ("gemini-2.5-flash", pytest.approx(gemini / 1e6), "prices"),
        ("gemini-2.5-flash", pytest.approx(gemini / 1e6), "span"),
        ("gemini-2.5-flash-image", pytest.approx(image / 1e6), "prices"),
        ("gemini-2.5-flash-image", pytest.approx(image / 1e6), "span"),
        ("gpt-4o", pytest.approx(1000 * 2.5 / 1e6), "prices"),
        ("gpt-audio", pytest.approx(audio / 1e6), "prices"),
        ("gpt-audio", pytest.approx(audio / 1e6), "span"),
        ("gpt-realtime", pytest.approx(realtime / 1e6), "prices"),
        ("home-made", None, ""),
    ]
    radio = [run["cost_usd"] for run in bench.rows("runs") if run["agent_name"] == "radio"]
    assert sorted(radio) == [pytest.approx(cost / 1e6) for cost in (gemini, audio, image)]


def test_a_price_of_ones_own_for_audio(bench: Bench) -> None:
    """The table has a column for each kind; what is cached costs as other cached input where it has no price of its own."""
    bench.store.command(
        "INSERT INTO model_prices (provider, model, input_usd_per_mtok, output_usd_per_mtok, cache_read_usd_per_mtok, "
        "audio_input_usd_per_mtok, audio_output_usd_per_mtok) VALUES ('acme', 'voice', 1000, 2000, 100, 5000, 7000)"
    )
    usage = {"input_tokens": 1000, "audio.input_tokens": 600, "output_tokens": 100, "audio.output_tokens": 80}
    cached = {"cache_read.input_tokens": 400, "audio.cache_read.input_tokens": 200}
    receive(bench, ("acme", "voice"), **usage, **cached)
    (call,) = bench.rows("model_calls")
    assert [call[f"audio_{name}_tokens"] for name in ("input", "output", "cache_read")] == [600, 80, 200]
    assert call["cost_usd"] == pytest.approx(200 / 1000 + 400 * 5 / 1000 + 400 / 10_000 + 20 * 2 / 1000 + 80 * 7 / 1000)


def test_more_kinds_of_prices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices that were looked up when fewer kinds were read make way, though the package is the same."""
    with monkeypatch.context() as older:
        older.setattr(catalog, "TOKEN_PRICES", dict(list(catalog.TOKEN_PRICES.items())[:5]))
        bench.receive_captures("openai_audio_otel")
        bench.resolve()
    assert told(bench) == [("gpt-audio", pytest.approx(0.0055), "prices")]
    bench.books.prices = book.PriceBook(bench.store)
    bench.receive_captures("openai_audio_otel")
    bench.resolve()
    assert told(bench) == [("gpt-audio", pytest.approx(0.034), "prices")]


def test_names_without_end_cost_little(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many new models are looked up in one pass, and only so many remembered; the rest follow in the next passes."""
    monkeypatch.setattr(book, "LOOKUPS", 2)
    monkeypatch.setattr(book, "REMEMBERED", 3)
    names = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "o3"]
    receive(bench, *(("openai", name) for name in names))
    assert sum(cost is not None for _, cost, _ in told(bench)) == 2
    bench.resolve()
    assert [source for _, _, source in told(bench)] == ["prices"] * 4
    receive(bench, ("openai", "o4-mini"))
    assert len(bench.books.prices._asked) <= 3 + 2


def test_the_price_of_the_day_through_the_store(bench: Bench) -> None:
    """A call costs what its model cost when the call was made, whatever it costs now; cached and reasoning tokens are parts."""
    bench.store.command(
        "INSERT INTO model_prices (provider, model, valid_from, input_usd_per_mtok, output_usd_per_mtok, "
        "cache_read_usd_per_mtok, reasoning_usd_per_mtok) VALUES "
        "('acme', 'm', '1970-01-01 00:00:00', 1000, 2000, 100, 4000), ('acme', 'm', '2100-01-01 00:00:00', 9000, 9000, NULL, NULL)"
    )
    usage = {"input_tokens": 1000, "cache_read.input_tokens": 400, "output_tokens": 100, "reasoning.output_tokens": 50}
    receive(bench, ("acme", "m"), **usage)
    (call,) = bench.rows("model_calls")
    assert (call["cache_read_tokens"], call["reasoning_tokens"]) == (400, 50)
    assert call["cost_usd"] == pytest.approx(0.6 + 0.04 + 0.1 + 0.2)


def test_a_cost_that_nobody_knows_is_null_everywhere(bench: Bench) -> None:
    """Never 0: not in the call, not in the run, not in the sum of runs; a known part is summed and the rest counted."""
    receive(bench, ("nobody", "home-made"))
    (call,), (run,) = bench.rows("model_calls"), bench.rows("runs")
    assert (call["cost_usd"], call["cost_source"], run["cost_usd"], run["unpriced_call_count"]) == (None, "", None, 1)
    assert rows(bench.store, "SELECT sum(cost_usd) AS cost FROM runs") == [{"cost": None}]


def test_runs_that_claim_other_usage_are_listed(bench: Bench) -> None:
    """The view has what was claimed beside the sums, of those runs where they differ."""
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.operation.name": "chat", "gen_ai.request.model": "home-made"}
    claims = [("right", 100), ("wrong", 150)]
    for number, (name, claimed) in enumerate(claims, 1):
        agent = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.usage.input_tokens": claimed,
        }
        pieces = [span(1, "agent", agent, trace=number), span(2, "chat", usage, parent=1, trace=number)]
        bench.receive(spans_request(pieces))
    bench.resolve()
    listed = rows(bench.store, "SELECT agent_name, reported_input_tokens, input_tokens, cost_usd FROM usage_mismatches")
    assert listed == [{"agent_name": "wrong", "reported_input_tokens": 150, "input_tokens": 100, "cost_usd": None}]
