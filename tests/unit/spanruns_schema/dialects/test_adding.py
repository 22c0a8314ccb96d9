"""A made-up dialect, word for word as docs/dialects.md shows it: a file in a folder, and its spans are runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from spanruns_schema.dialects import load, mapping_views
from spanruns_schema.dialects.dialect import ROLES
from spanruns_schema.embedded import EmbeddedStore

from tests.support.resolving import Bench
from tests.support.spans import content, exception, logs_request, span, spans_request

DOCUMENT = (Path(__file__).parents[4] / "docs" / "dialects.md").read_text()
FILES = resources.files("spanruns_schema").joinpath("dialects")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A store whose mapping knows the package's dialects and the document's."""
    folder = tmp_path / "dialects"
    with resources.as_file(FILES) as own:
        shutil.copytree(own, folder, ignore=lambda _, names: [name for name in names if not name.endswith(".toml")])
    example = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert example
    lines = [line for line in example[1].splitlines() if line]
    assert len(lines) < 32
    (folder / "parley.toml").write_text(example[1])
    store = EmbeddedStore(tmp_path / "store")
    bench = Bench(store, shared=True)
    for name, sql in mapping_views(load(folder)).items():
        store.command(f"ALTER TABLE {name} MODIFY QUERY {sql.partition(' AS' + chr(10))[2]}")
    yield bench
    store.close()


def test_the_example_of_the_document(bench: Bench) -> None:
    """Runs, tool calls, model calls, tokens, contents and a sub-run of a framework that nobody has heard of."""
    say = {"parley.kind": "say", "parley.model": "voice-1", "parley.usage": {"in": 20, "out": 7}}
    speaker = {"parley.kind": "speaker", "parley.speaker": "host", "parley.table": "t-1"}
    bench.receive(
        spans_request(
            [
                span(1, "speaker:host", speaker | {"parley.heard": '{"text": "hi"}', "parley.said": "welcome"}),
                span(2, "say", say, parent=1),
                span(3, "act", {"parley.kind": "act", "parley.act": "ask"}, parent=1),
                span(4, "speaker:guest", {"parley.kind": "speaker"}, parent=3),
                span(5, "say", say, parent=4),
                span(
                    6,
                    "act",
                    {"parley.kind": "act", "parley.act": "leave"},
                    parent=1,
                    status="error",
                    events=[exception("ValueError", "no")],
                ),
                span(7, "say", {"parley.kind": "say"}, parent=1),
            ],
            scope="parley.core",
        )
    )
    bench.receive(logs_request([content("parley.word", 2, "how are you?", at_ms=2)]), signal="logs")
    bench.resolve()
    assert bench.outcome() == {
        "runs": [
            {
                "agent_name": "host",
                "kind": "agent",
                "status": "success",
                "tools": [["ask", "success"], ["leave", "failed"]],
                "model_calls": 1,
                "input_tokens": 40,
                "output_tokens": 14,
                "parent": None,
            },
            {
                "agent_name": "guest",
                "kind": "agent",
                "status": "success",
                "tools": [],
                "model_calls": 1,
                "input_tokens": 20,
                "output_tokens": 7,
                "parent": "host",
            },
        ],
        "lone_model_calls": 0,
        "lone_model_calls_failed": 0,
        "lone_tool_calls": 0,
    }
    run = bench.rows("runs")[0]
    assert (run["session_id"], run["input"], run["output"]) == ("t-1", "hi", "welcome")
    assert [(call["model"], call["input"]) for call in bench.rows("model_calls")] == [
        ("voice-1", '[{"role":"user","content":"how are you?"}]'),
        ("voice-1", ""),
    ]


def test_the_document_names_every_dialect_field_and_role() -> None:
    """What the files use is told, and what is told is used."""
    told = set(re.findall(r"`(\w+)\.toml`", DOCUMENT))
    assert told == {file.name.removesuffix(".toml") for file in FILES.iterdir() if file.name.endswith(".toml")}
    fields = re.search(r"^Fields: (.*?)\n\n", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert fields
    assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", re.sub(r"`, and for runs `|Fields|\.", " ", fields[1]))) == {
        name for dialect in load() for name in dialect.fields
    }
    roles = re.search(r"^Roles: (.*?)\n\n", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert roles
    assert ROLES - {""} <= set(re.findall(r"`(\w+)`", roles[1]))
