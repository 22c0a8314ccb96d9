"""Classes and fingerprints of errors: asked once, and without the store the same as from it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spanruns_receiver.resolver import errors
from spanruns_receiver.resolver.errors import ErrorBook
from spanruns_receiver.resolver.table import compiled_module, string
from spanruns_schema.classes import error_classes

from tests.support.resolving import Bench

WORDS = [
    *(
        "RateLimitError",
        "429",
        " 429 ",
        "a429",
        "time out",
        "TimeoutError",
        "time\nlimit",
        "KeyError",
        "'API_KEY'",
        "keyerror: 'a'",
    ),
    *(
        "not found",
        "invalid",
        " api key",
        "ünïcode",
        "\u017f",
        "\u212a",
        "\x00",
        "connection",
        "\\",
        "'",
        "5030",
        " 503",
        "cancelled",
        "CANCELED",
    ),
]
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=6).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=20))
@example([("", "invalidünïcode000\x80\x80𐀀 api key"), ("time\né", "timeéout")])
def test_both_ways_give_the_same_class(shared_bench: Bench, found: list[tuple[str, str]]) -> None:
    """The compiled rules and the store's are the same, for any text."""
    if not compiled_module():
        pytest.skip("nothing is compiled here")
    packed = [[string(error[part].encode()) for error in found] for part in (0, 1)]
    ours = ErrorBook(shared_bench.store).classes(*packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "compiled_module", lambda: None)
        assert ours == ErrorBook(shared_bench.store).classes(*packed)
    assert set(ours) <= {string(item.name.encode()) for item in error_classes()}


def test_errors_are_asked_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked up when it is first seen, few at once, and again when too many were remembered."""
    monkeypatch.setattr(errors, "AT_ONCE", 2)
    monkeypatch.setattr(errors, "REMEMBERED", 4)
    asked: list[list[str]] = []
    query = bench.store.query

    def counted(text: str, parameters: dict[str, list[str]]) -> bytes:
        asked.append(parameters["messages"])
        return query(text, parameters)

    monkeypatch.setattr(bench.store, "query", counted)
    book = ErrorBook(bench.store)
    messages = [string(text) for text in (b"order 1", b"order 2", b"no", b"order 1")]
    first = book.fingerprints([string(b"E")] * 4, messages)
    assert first[0] == first[1] == first[3] != first[2]
    assert book.fingerprints([string(b"E")] * 4, messages) == first
    assert asked == [["order 1", "order 2"], ["no"]]
    more = [string(text) for text in (b"other", b"again", b"no")]
    assert book.fingerprints([string(b"E")] * 3, more)[2] == first[2]
    assert asked[2:] == [["other", "again"], ["no"]]
