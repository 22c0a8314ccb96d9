"""The dialects' data compiled to a program."""

from __future__ import annotations

from spanruns_schema.dialects import load
from spanruns_schema.dialects.dialect import BASE, Dialect, Implied, Marker, Role
from spanruns_schema.dialects.program import (
    Affix,
    Condition,
    DialectProgram,
    ImpliedProgram,
    Patterns,
    RowProgram,
    Source,
    compile_program,
    patterns,
    row_program,
)

ONE = Dialect(
    "one",
    1,
    attributes=["one.kind"],
    scopes=["one*"],
    roles=[Role("tool", {"one.kind": ["t", "*x"], "$span_name": ["*"]}, shadow=True)],
    fields={
        "agent_name": ["name", "prefix:one.", "one.json#a.2", "$span_name"],
        "model": ["event:e/one.model", "last_event:e/k"],
    },
    strip_prefix=["run "],
    implied=[Implied({"one.kind": ["m"], "$scope_version": ["2.*"]}, ["reasoning_tokens"], "openai", "chat")],
    marker=Marker({"one.json#a": ["$span_name"]}, "one.parent"),
    json_values=True,
    cancelled=[{"one.json#a.-1": [""]}],
    blamed=[{"one.json#a.-1": ["b"]}],
    ok_is_default=True,
    operations={"chat": ["talk"]},
)
BASE_DIALECT = Dialect(
    BASE,
    1000,
    fields={"agent_name": ["g.name", "$span_name"], "model": ["resource:g.model", "$status_message"]},
    failed=[{"g.failed": ["yes"], "$status": ["ok"]}],
    strip_suffix=[".end"],
    frameworks=["langchain"],
    providers={"openai": ["oai"]},
    span_names=[],
)


def test_every_part_of_a_dialect() -> None:
    """What the data says in words comes out as numbers and tuples; what is tied to one dialect is left out of the other."""
    found = row_program([ONE, BASE_DIALECT])
    keys = (b"g.name", b"one.kind", b"one.json", b"one.parent", b"g.failed")
    own, kind, json, parent, failed = (found.keys[key] // found.ranks for key in keys)
    assert len({1, own, kind, json, parent, failed}) == 6
    affixes = (Affix(b"run ", False), Affix(b".end", True))
    base_fails = (
        Condition(Source("slot", failed), Patterns((b"yes",), False, (), ())),
        Condition(Source("status"), Patterns((b"ok",), False, (), ())),
    )
    marker = (Condition(Source("inside", json, path=("a",)), Patterns((b"$span_name",), False, (), ()), affixes),)
    is_model = (
        Condition(Source("slot", kind), Patterns((b"m",), False, (), ())),
        Condition(Source("scope_version"), Patterns((), False, (b"2.",), ())),
    )
    name = Source("slot", own)
    model = (Source("resource", name=b"g.model"), Source("status_message"))
    assert found == RowProgram(
        dialects=(
            DialectProgram(
                name=b"one",
                json_values=True,
                affixes=affixes,
                bare={b"name": found.ranks},
                roles=(
                    (
                        b"shadow",
                        (
                            Condition(Source("slot", kind), Patterns((b"t",), False, (), (b"x",))),
                            Condition(Source("span_name"), Patterns((), True, (), ())),
                        ),
                    ),
                ),
                failed=(base_fails,),
                implied=(ImpliedProgram(is_model, ("reasoning_tokens",), b"openai", b"chat"),),
                cancelled=((Condition(Source("inside", json, path=("a", -1)), Patterns((b"",), False, (), ())),),),
                blamed=((Condition(Source("inside", json, path=("a", -1)), Patterns((b"b",), False, (), ())),),),
                ok_is_default=True,
                markers=(marker,),
                marker_parent=(Source("slot", parent),),
                fields={
                    "agent_name": (
                        Source("slot", 1),
                        Source("prefix", name=b"one."),
                        Source("inside", json, path=("a", 2)),
                        name,
                        Source("own_name"),
                    ),
                    "model": (
                        Source("event", name=b"e", key=b"one.model"),
                        Source("last_event", name=b"e", key=b"k"),
                        *model,
                    ),
                },
            ),
            DialectProgram(
                name=BASE.encode(),
                json_values=False,
                affixes=affixes[1:],
                bare={},
                roles=(),
                failed=(base_fails,),
                implied=(),
                cancelled=(),
                blamed=(),
                ok_is_default=False,
                markers=(marker,),
                marker_parent=(Source("slot", parent),),
                fields={
                    "agent_name": (
                        Source("slot", 1),
                        Source("inside", json, path=("a", 2)),
                        name,
                        Source("own_name"),
                    ),
                    "model": model,
                },
            ),
        ),
        ranks=found.ranks,
        keys=found.keys,
        no_values=(b"", b"null", b"<REDACTED>", b"_OTHER", b'{"text":"","files":[]}'),
        detected_keys={b"one.kind": 0},
        detected_scopes=((0, Patterns((), False, (b"one",), ())),),
        detected_names=(),
        operations={b"talk": b"chat"},
        providers={b"langchain": b"", b"oai": b"openai"},
    )


def test_text_inside_a_value() -> None:
    """What stands between two texts, behind one, and without a path."""
    sources = ["one.json#a.2~<~>", "one.json#a~<", "one.json#~<~>"]
    (found, _) = row_program([Dialect("one", 1, fields={"input": sources}), BASE_DIALECT]).dialects
    slot = found.fields["input"][0].slot
    assert found.fields["input"] == (
        Source("inside", slot, b"<", b">", ("a", 2)),
        Source("inside", slot, b"<", b"", ("a",)),
        Source("inside", slot, b"<", b">"),
    )


def test_patterns() -> None:
    """A literal, empty, anything, a start, an end."""
    assert patterns(["a", "", "*", "b*", "*c"]) == Patterns((b"a", b""), True, (b"b",), (b"c",))


def test_lower_order_wins_a_key() -> None:
    """A key that two dialects show stands for the one that is tried first."""
    both = [Dialect("a", 1, attributes=["k", "l"]), Dialect("b", 2, attributes=["k", "m"]), BASE_DIALECT]
    assert row_program(both).detected_keys == {b"k": 0, b"l": 0, b"m": 1}


def test_the_packages_program() -> None:
    """Spans of every dialect, records of our own only."""
    program = compile_program(load())
    assert [dialect.name.decode() for dialect in program.spans.dialects] == [dialect.name for dialect in load()]
    assert program.records.dialects[program.record_dialect].name == b"spanruns"
    assert len(program.records.dialects) == 2
    assert program.lifecycle[b"spanruns.run.progress"] == b"progress"
