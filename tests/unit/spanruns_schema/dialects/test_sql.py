"""The small pieces of SQL, asked of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spanruns_schema.dialects.sql import (
    between,
    decoded,
    every,
    first,
    match_any,
    of_event,
    quote,
    raw_at,
    stripped,
    translated,
    under_prefix,
)
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An engine."""
    found = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield found
    found.close()


EVENTS = "map('k', 'one') AS e1, map('k', 'two') AS e2, [('a', e1), ('b', map('k', 'other')), ('a', e2), ('a', map())] AS events_"
SOURCE = f"(SELECT {EVENTS}, events_.1 AS `Events.Name`, events_.2 AS `Events.Attributes`)"

DOCUMENT = quote('{"a": {"b": ["x\\"y", 2, {}]}, "n": null, "e": [], "s": ""}')


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        (quote("it's a \\ back"), "it's a \\ back"),
        (every(["1 = 1", "2 = 2", "3 = 3"]), True),
        (every(["1 = 1", "2 = 1", "3 = 3"]), False),
        (every(["1 = 1", "2 = 2", "3 = 1"]), False),
        (every(["1 = 2"]), False),
        (first(["''", "''"]), ""),
        (first(["''", "materialize('')", "'b'", "'c'"]), "b"),
        (match_any("'abc'", ["abc"]), 1),
        (match_any("'abc'", ["x", "abc"]), 1),
        (match_any("'abc'", ["ab*"]), 1),
        (match_any("'abc'", ["*bc", "z"]), 1),
        (match_any("'abc'", ["*"]), 1),
        (match_any("''", ["*"]), 0),
        (match_any("''", ["", "x"]), 1),
        (match_any("'abc'", ["b*", "*b"]), 0),
        (stripped("'chat.run.run'", ["\\.run$", "^chat"]), ".run"),
        (stripped("'as it is'", []), "as it is"),
        (translated("'LLM'", [{"chat": ["LLM", "x"]}, {"other": ["y"]}]), "chat"),
        (translated("'unheard'", [{"chat": ["LLM"]}]), "unheard"),
        (decoded(raw_at(DOCUMENT, "a.b.1")), 'x"y'),
        (decoded(raw_at(DOCUMENT, "a.b.2")), "2"),
        (decoded(raw_at(DOCUMENT, "a.b.3")), ""),
        (decoded(raw_at(DOCUMENT, "a.b.-2")), "2"),
        (decoded(raw_at(DOCUMENT, "a.b.-4")), ""),
        (decoded(raw_at(DOCUMENT, "-4.-1.1")), 'x"y'),
        (decoded(raw_at(DOCUMENT, "a.b")), '["x\\"y",2,{}]'),
        (decoded(raw_at(DOCUMENT, "n")), ""),
        (decoded(raw_at(DOCUMENT, "e")), ""),
        (decoded(raw_at(DOCUMENT, "s")), ""),
        (decoded(raw_at(DOCUMENT, "z.z")), ""),
        (decoded(raw_at("'no json'", "a")), ""),
        (raw_at("'no json'", ""), "no json"),
        (between("'a=1, b=2, b=3'", "b=", ","), "2"),
        (between("'a=1, b=2, b=3'", "b=", ""), "2, b=3"),
        (between("'a=1, b=2, b=3'", "b=3", ","), ""),
        (between("'a=1, b=2, b=3'", "c=", ""), ""),
        (between("'a(.\n[x'", "(.", "[x"), "\n"),
        (between("'as it is'", "", ""), "as it is"),
        (under_prefix("map('p.a', '1', 'q', '2', 'p.b.c', '3')", "p."), '{"a":"1","b.c":"3"}'),
        (under_prefix("map('q', '2')", "p."), ""),
        (under_prefix("map('p.a', '{}', 'p.b', '{}{}')", "p."), '{"a":"{}","b":"{}{}"}'),
        (under_prefix("map('p.{}', '')", "p."), '{"{}":""}'),
        (
            under_prefix("map('p.10.b', '1', 'p.2.c', '2', 'p.2.b', '3', 'p.a', '4')", "p."),
            '{"a":"4","2.b":"3","2.c":"2","10.b":"1"}',
        ),
        (of_event("a/k"), "one"),
        (of_event("a/k", last=True), "two"),
        (of_event("z/k"), ""),
        (of_event("a/z"), ""),
    ],
)
def test_piece(store: EmbeddedStore, sql: str, value: object) -> None:
    """Each piece gives what its description says."""
    assert rows(store, f"SELECT {sql} AS value FROM {SOURCE}") == [{"value": value}]
