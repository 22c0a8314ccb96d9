"""The API on a real store with rows of a fixed day."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spanruns_receiver.api import create_app
from spanruns_schema import migrate
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import Store
from starlette.testclient import TestClient

from tests.support.seeds import at, call, insert, keep_forever, run, span


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a few runs on two days."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    migrate.apply(store)
    keep_forever(store)
    insert(
        store,
        "runs_data",
        run(
            "a",
            0,
            2,
            trigger="api",
            tags=["red"],
            cost_usd=0.5,
            input="What?",
            input_size=5,
            parameters='{"n":1}',
            reported_cost_usd=0.9,
            usage_mismatch=True,
            unpriced_call_count=2,
        ),
        run("a.1", 1, 1, parent_run_id="a", root_run_id="a", agent_name="writer", cost_usd=0.2, trigger="agent"),
        run("b/c d?", 60, 4, status="failed", error_type="ValueError", error_message="x" * 300, trigger="cli"),
        run("c", 120.25, 1, status="cancelled", kind="job", agent_name="na/me"),
        run("d", 86400, None, status="waiting", waiting_for="Ann", waiting_since=at(86401)),
    )
    insert(
        store,
        "tool_calls_data",
        *(call(f"t{n}", "a", n / 10, 0.05, tool_name="search", arguments="{}", result="[]") for n in range(5)),
    )
    insert(
        store,
        "model_calls_data",
        call(
            "m1",
            "a",
            0.1,
            0.2,
            model="gpt-x",
            input_tokens=60,
            audio_input_tokens=40,
            cost_usd=0.3,
            cost_source="prices",
        ),
    )
    insert(
        store,
        "otel_traces",
        span("span-a", "", 0, 2, trace="trace-a", StatusCode="Ok"),
        span("t0", "span-a", 0.1, trace="trace-a"),
        span("deeper", "t0", 0.2, trace="trace-a"),
        span("orphan", "never-came", 0.3, trace="trace-a"),
    )
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> TestClient:
    """A client of a new application (nothing cached) on the store."""
    return TestClient(create_app(store))
