"""One store for the resolver's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spanruns_schema.embedded import EmbeddedStore

from tests.support.resolving import Bench


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A store that all tests of a module use; with the parameter True facts are kept, not read."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield Bench(store, keeps=getattr(request, "param", False))
    store.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The module's store, empty."""
    shared_bench.clear()
    return shared_bench
