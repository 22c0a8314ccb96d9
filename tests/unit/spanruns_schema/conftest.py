"""Stores for tests: the embedded engine, and the same engine behind ClickHouse's HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.server import ServerStore
from spanruns_schema.store import Store, open_store

from tests.support.clickhouse_http import ClickHouseProcess, clickhouse_http


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An embedded store of its own for the module. (The engine opens one directory at a time in a process.)"""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    """A ClickHouse HTTP interface in a process of its own."""
    with clickhouse_http(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture(scope="module")
def server(clickhouse: ClickHouseProcess) -> Iterator[ServerStore]:
    """A store over the HTTP interface."""
    store = open_store(clickhouse.url)
    assert isinstance(store, ServerStore)
    yield store
    store.close()


@pytest.fixture(params=["embedded", "server"])
def store(request: pytest.FixtureRequest) -> Store:
    """Both stores, one after the other: what a test says must hold for either."""
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A place for a store that does not exist yet."""
    return tmp_path / "store"
