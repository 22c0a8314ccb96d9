"""A store that is not there yet."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from spanruns_receiver import opening
from spanruns_receiver.opening import OpeningStore
from spanruns_schema import migrate
from spanruns_schema.errors import SchemaError, StoreUnavailable
from spanruns_schema.migrate import Step
from spanruns_schema.store import Store

from tests.support.stores import KeepingStore


def opener(*answers: Exception | KeepingStore) -> tuple[Callable[..., Store], list[tuple[str, bool]]]:
    """An `open_store` with these answers, one after the other, and what it was asked for, and whether to make that."""
    asked: list[tuple[str, bool]] = []
    left = list(answers)

    def open_it(url: str, *, create: bool) -> Store:
        asked.append((url, create))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return open_it, asked


def test_calls_wait_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing answers every call says so, without asking again each time; then all go through."""
    monkeypatch.setattr(opening, "_RETRY_S", 3600)
    store = KeepingStore()
    open_it, asked = opener(StoreUnavailable("nobody"), store)
    opening_store = OpeningStore("clickhouse://there", opener=open_it)
    with pytest.raises(StoreUnavailable, match="nobody"):
        opening_store.open()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        opening_store.insert("otel_traces", ["a"], b"")
    assert asked == [("clickhouse://there", True)]
    opening_store._not_before = float("-inf")
    opening_store.insert("otel_traces", ["a"], b"", token="t", settings={"x": 1})
    assert opening_store.query("SELECT 1") == b""
    assert opening_store.query_readonly("SELECT 1") == b""
    opening_store.command("OPTIMIZE TABLE x")
    opening_store.close()
    assert len(asked) == 2
    assert [(insert.table, insert.token, insert.settings) for insert in store.attempts] == [
        ("otel_traces", "t", (("x", 1),))
    ]


def test_calls_do_not_wait_for_one_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a store that says nothing is being opened, others are told so, and a close does not wait either."""
    monkeypatch.setattr(opening, "_RETRY_S", 0.1)
    monkeypatch.setattr(opening, "_CLOSE_S", 0.1)
    over = threading.Event()

    def silent(url: str, *, create: bool) -> Store:
        over.wait(30)
        return KeepingStore()

    opening_store = OpeningStore("clickhouse://there", applies_schema=False, opener=silent)
    thread = threading.Thread(target=opening_store.open)
    thread.start()
    with pytest.raises(StoreUnavailable, match="being opened"):
        opening_store.query("SELECT 1")
    opening_store.close()
    over.set()
    thread.join(10)
    assert opening_store.query("SELECT 1") == b""


def test_schema_is_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening applies the schema; opening again does nothing."""
    applied: list[Store] = []

    def apply(store: Store, *, shared: bool) -> list[Step]:
        applied.append(store)
        return []

    monkeypatch.setattr(migrate, "apply", apply)
    store = KeepingStore()
    open_it, asked = opener(store)
    opening_store = OpeningStore("here", opener=open_it)
    opening_store.open()
    opening_store.open()
    assert (applied, asked) == ([store], [("here", True)])


def test_schema_that_cannot_be_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema of a newer version is not waited for."""

    def refuse(store: Store, *, shared: bool) -> None:
        raise SchemaError("upgrade")

    monkeypatch.setattr(migrate, "apply", refuse)
    open_it, _ = opener(KeepingStore())
    with pytest.raises(SchemaError, match="upgrade"):
        OpeningStore("here", opener=open_it).open()


def test_who_only_reads_leaves_the_schema_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `applies_schema` the store is opened as it is, and not made."""
    monkeypatch.setattr(migrate, "apply", None)
    open_it, asked = opener(KeepingStore())
    OpeningStore("here", applies_schema=False, opener=open_it).open()
    assert asked == [("here", False)]
