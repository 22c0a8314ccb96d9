"""The facts that the compiled decoder makes are those that Python makes, byte for byte."""

from __future__ import annotations

import json
import re
import shutil
import time
from importlib import resources
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Decoded, Limits, Signal, compiled, portable
from spanruns_receiver.facts import NAMES, TABLE, FactMaker, package_facts
from spanruns_receiver.facts.json_text import MAX_NESTING
from spanruns_receiver.facts.rows import MOST_COPIES
from spanruns_schema.dialects import load
from spanruns_schema.dialects.program import compile_program

from tests.support.odd_requests import OddRequests
from tests.support.spans import attributes, content, exception, logs_request, record, span, spans_request

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="the compiled decoder is not installed")

ROOT = Path(__file__).parents[4]
PAYLOADS = sorted((ROOT / "tests" / "fixtures" / "otlp").glob("*.pb"))
DIALECTS = resources.files("spanruns_schema").joinpath("dialects")
RECEIVED = [1_795_218_006_000_000_000]
TIGHT = Limits(value_bytes=300, name_bytes=30, attributes=12, nesting=3, members=3)

# A seed cannot be made simpler.
QUICK = settings(deadline=None, max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def same(signal: Signal, payload: bytes, limits: Limits | None = None, facts: FactMaker | None = None) -> Decoded:
    """Assert that both decoders make the same, and return it."""
    arguments = (signal, [payload], limits or Limits(), RECEIVED, facts or package_facts())
    found, expected = compiled.decode(*arguments), portable.decode(*arguments)
    assert found == expected
    return found


@pytest.mark.parametrize("file", PAYLOADS, ids=lambda file: file.stem)
def test_captures(file: Path) -> None:
    """What real frameworks sent."""
    found = same("traces", file.read_bytes())
    assert found.blocks[TABLE].rows == found.blocks["otel_traces"].rows > 0
    assert found.blocks[TABLE].columns == NAMES


@pytest.mark.parametrize("file", sorted((ROOT / "tests/fixtures/logs").glob("*.pb")), ids=lambda file: file.stem)
def test_captured_records(file: Path) -> None:
    """Contents that real frameworks sent as log records: more than one, where there is more than one record."""
    payload = file.read_bytes()
    held = [scope for of in ExportLogsServiceRequest.FromString(payload).resource_logs for scope in of.scope_logs]
    records = sum(len(scope.log_records) for scope in held)
    assert same("logs", payload).blocks[TABLE].rows >= min(records, 2) > 0


@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["default", "tight"])
def test_odd_spans(limits: Limits) -> None:
    """Spans with what the data names, right and wrong, and cut short."""

    @QUICK
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        assert same("traces", OddRequests(Random(seed)).spans(50), limits).blocks[TABLE].rows == 50

    check()


@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["default", "tight"])
def test_odd_records(limits: Limits) -> None:
    """Records of the life cycle, and others that look like them."""

    @QUICK
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        same("logs", OddRequests(Random(seed)).records(50), limits)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda members: st.lists(members, max_size=4) | st.dictionaries(st.sampled_from("abß\n"), members, max_size=4),
    max_leaves=12,
)
BROKEN = st.text(alphabet='{}[]",:0123456789.eE+-\\u dDaA8ntfrulse\n\t\u2028"', max_size=30)


def test_documents() -> None:
    """Whatever stands inside a value, what is found in it is the same: valid JSON, nearly valid, none at all."""

    @settings(deadline=None, max_examples=300)
    @given(texts=st.lists(JSON.map(json.dumps) | JSON.map(lambda it: json.dumps(it, ensure_ascii=False)) | BROKEN))
    def check(texts: list[str]) -> None:
        kinds = ("LLM", "TOOL", "AGENT", "CHAIN")
        spans = [
            span(
                number,
                "a",
                {
                    "openinference.span.kind": kinds[number % 4],
                    "input.value": f'{{"kwargs":{text}}}' if number % 3 else text,
                    "metadata": f'{{"user_id":{text}}}',
                    "tag.tags": text,
                    "llm.provider": text,
                },
            )
            for number, text in enumerate(texts, 1)
        ]
        same("traces", spans_request(spans))

    check()


@pytest.mark.parametrize(
    "text",
    [
        "role='a' goal=",
        " role='a",
        " role='a' goal=",
        " role='' goal=",
        " role='é\n' goal= role='b' goal=",
        " role='",
        "",
    ],
)
def test_text_between_others(text: str) -> None:
    """What stands between two texts of a value, in JSON or not, decoded or as it is."""
    inside = {"openinference.span.kind": "AGENT", "input.value": json.dumps({"agent": text})}
    plain = {"haystack.component.type": "ToolInvoker", "haystack.component.output": f"{text}, id='1', arguments={text}"}
    same("traces", spans_request([span(1, "Task", inside), span(2, "haystack.component.run", plain)]))


def test_numbers() -> None:
    """Whatever stands where a number is read."""
    alphabet = st.text(alphabet="0123456789+-.eE_ nafity\n", max_size=24)
    numbers = st.integers().map(str) | st.floats().map(repr) | alphabet

    @settings(deadline=None, max_examples=300)
    @given(texts=st.lists(st.tuples(numbers, numbers, numbers)))
    def check(texts: list[tuple[str, str, str]]) -> None:
        spans = [
            span(
                number,
                "a",
                {
                    "spanruns.kind": "run",
                    "spanruns.run.queued_at": one,
                    "spanruns.run.waiting_ms": two,
                    "spanruns.run.rows_processed": three,
                    "spanruns.run.sla_ms": one,
                    "spanruns.run.spans.ended": two,
                    "spanruns.run.heartbeat_interval_ms": three,
                    "gen_ai.usage.input_tokens": one,
                    "gen_ai.usage.output_tokens": two,
                    "operation.cost": three,
                },
            )
            for number, (one, two, three) in enumerate(texts, 1)
        ]
        same("traces", spans_request(spans))

    check()


def test_errors() -> None:
    """Types in messages, tracebacks behind them, and what only looks like them."""
    parts = (
        "KeyError",
        "a.b.",
        "('",
        "')",
        ": ",
        "x",
        "\n",
        " ",
        "é",
        '("',
        '",)',
        "Timeout",
        "Traceback (most recent call last):",
        "\n\nNoneType: None",
    )
    messages = st.lists(st.sampled_from(parts), max_size=8).map("".join)
    types = st.sampled_from(("", "_OTHER", "Exception", "x", "asyncio.CancelledError", "Cancellation", "cancelled\n"))

    @settings(deadline=None, max_examples=300)
    @given(failures=st.lists(st.tuples(messages, types, st.sampled_from(("", "ok", "error")))))
    def check(failures: list[tuple[str, str, str]]) -> None:
        spans = [
            span(number, "a", {"error.type": kind} if number % 2 else {}, status=status, message=message,
                 events=[exception(kind, message)] if number % 3 else [])
            for number, (message, kind, status) in enumerate(failures, 1)
        ]  # fmt: skip
        same("traces", spans_request(spans))

    check()


def test_dialect_that_only_a_file_knows(tmp_path: Path) -> None:
    """The made-up dialect of the guide is read from its file alone."""
    document = (ROOT / "docs" / "dialects.md").read_text()
    example = re.search(r"```toml\n(.*?)```", document, re.DOTALL)
    assert example
    with resources.as_file(DIALECTS) as own:
        shutil.copytree(own, tmp_path / "dialects", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (tmp_path / "dialects" / "parley.toml").write_text(example[1])
    facts = FactMaker(compile_program(load(tmp_path / "dialects")))
    say = {"parley.kind": "say", "parley.model": "voice-1", "parley.usage": {"in": 20, "out": 7}}
    speaker = {"parley.kind": "speaker", "parley.heard": '{"text": "hi"}', "parley.said": "welcome"}
    payload = spans_request(
        [
            span(1, "speaker:host", speaker),
            span(2, "say", say, parent=1),
            span(3, "act", {"parley.kind": "act"}, parent=1),
        ],
        scope="parley.core",
    )
    native = same("traces", payload, facts=facts).blocks[TABLE].native
    assert all(text in native for text in (b"parley", b"host", b"voice-1", b"hi", b"welcome"))
    assert b"voice-1" not in same("traces", payload).blocks[TABLE].native
    words = logs_request([content("parley.word", 2, of={"parley.heard": "well?"}, at_ms=2)])
    assert b"well?" in same("logs", words, facts=facts).blocks[TABLE].native
    assert TABLE not in same("logs", words).blocks


def test_objects_made_of_prefixes() -> None:
    """Ten thousand keys under one prefix, with everything that JSON escapes, and values that are `{}` themselves."""
    held: dict[str, Any] = {
        f'gen_ai.prompt.{n}."\\/\u2028\x01{n}': "{}" if n % 2 else 'a/"b\n\u2029é' for n in range(10_000)
    }
    held |= {"gen_ai.operation.name": "chat"}
    payload = spans_request(
        [span(1, "chat", held), span(2, "chat", {"gen_ai.prompt.": "{}", "gen_ai.operation.name": "chat"})]
    )
    same("traces", payload)
    found = same("traces", payload, Limits(attributes=20_000))
    assert b'{"":"{}"}' in found.blocks[TABLE].native


@pytest.mark.parametrize("keys", [*permutations(("10.role", "2.role", "2.content", "all"))])
def test_objects_made_of_prefixes_have_one_order(keys: tuple[str, ...]) -> None:
    """Whoever sends the attributes may have sorted them or not; the tenth message comes after the second."""
    held = {"gen_ai.operation.name": "chat"} | {f"gen_ai.prompt.{key}": "x" for key in keys}
    found = same("traces", spans_request([span(1, "chat", held)]))
    assert b'{"all":"x","2.content":"x","2.role":"x","10.role":"x"}' in found.blocks[TABLE].native


@pytest.mark.parametrize("depth", [MAX_NESTING - 2, MAX_NESTING - 1, MAX_NESTING, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_deep_documents(depth: int, opening: str, closing: str) -> None:
    """At the same depth both take a document for none."""
    text = '{"kwargs":' + opening * depth + "1" + closing * depth + "}"
    held = {"openinference.span.kind": "TOOL", "input.value": text, "tag.tags": opening * depth}
    native = same("traces", spans_request([span(1, "a", held)])).blocks[TABLE].native
    whole = text[:16384].encode()
    assert (whole in native) == (depth >= MAX_NESTING)


def test_large_values() -> None:
    """A megabyte in every field costs no more than a multiple of reading it."""
    sources = {source.partition("#")[0] for dialect in load() for keys in dialect.fields.values() for source in keys}
    held = {source: "[1," * 350_000 for source in sorted(sources) if ":" not in source and source[0] != "$"}
    held |= {"spanruns.kind": "run"}
    payload = spans_request([span(1, "a", held, status="error", message="e" * 2**20)])
    started = time.thread_time()
    compiled.decode("traces", [payload], Limits(), RECEIVED)
    plain = time.thread_time()
    compiled.decode("traces", [payload], Limits(), RECEIVED, package_facts())
    assert time.thread_time() - plain < 10 * (plain - started) + 0.1
    same("traces", payload)


def test_record_that_stands_for_many_runs() -> None:
    """A heartbeat for a thousand runs has a fact for each; where it says much itself, for as many as its size allows."""
    refs = [f"{number:032x}-{number:016x}" for number in range(1, 1001)]
    light = record("heartbeat", 1, {"spanruns.run.spans": refs, "spanruns.run.heartbeat_interval_ms": 10_000}, at_ms=1)
    heavy = record("heartbeat", 1, {"spanruns.run.spans": refs, "spanruns.run.parameters": "x" * 100_000}, at_ms=1)
    listed = len(json.dumps(refs, separators=(",", ":")))
    most = MOST_COPIES * (256 + 100_000 + listed) // (256 + 100_000)
    assert 1 < most < 1000
    assert same("logs", logs_request([light])).blocks[TABLE].rows == 1000
    assert same("logs", logs_request([heavy])).blocks[TABLE].rows == most


def test_rows_of_many_scopes_and_resources() -> None:
    """What is remembered of a scope, a resource, a name or a key is not another's."""
    request = ExportTraceServiceRequest()
    for number in range(1, 200):
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(
            attributes({"service.name": f"s{number % 3}", "service.version": f"v{number % 7}"})
        )
        for scope in ("crewai.x", "tests", "langsmith")[: 1 + number % 3]:
            scoped = resource.scope_spans.add()
            scoped.scope.name = scope
            held = (
                {"gen_ai.operation.name": "invoke_agent"}
                if number % 2
                else {"langsmith.span.kind": "chain", "name": "n"}
            )
            scoped.spans.append(span(number, ("call llm", "x")[number % 2], held))
    same("traces", request.SerializeToString())


def test_no_facts_without_rows() -> None:
    """No block where there is nothing to map, and none of metrics."""
    assert same("logs", logs_request([record("ended", 1, {}, at_ms=1)])).blocks.keys() == {"otel_logs"}
    assert same("traces", b"").blocks == {}
    assert same("metrics", b"").blocks == {}
