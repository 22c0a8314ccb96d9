"""Contents of log records in the rows of the spans that they tell of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from spanruns_schema.dialects.rules import CONTENT_LIMIT
from spanruns_schema.store import rows

from tests.support.resolving import Bench, records_of
from tests.support.spans import content, logs_request, span, spans_request

pytestmark = pytest.mark.parametrize("shared_bench", [False, True], ids=["read", "kept"], indirect=True, scope="module")

DETAILS = "gen_ai.client.inference.operation.details"
MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
RUN = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "boss"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get", "gen_ai.tool.call.id": "c1"}


def told(bench: Bench, *records: LogRecord, of: dict[str, Any] | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run with a model call and a tool call, and these records; `of` stands on the model's span."""
    spans = [
        span(1, "invoke_agent boss", RUN),
        span(2, "chat m", MODEL | (of or {}), parent=1),
        span(3, "execute_tool get", TOOL, parent=1),
    ]
    bench.receive(spans_request(spans))
    bench.receive(logs_request(records), signal="logs")
    bench.resolve()
    return bench.everything()


def contents(row: dict[str, Any], *names: str) -> list[Any]:
    """Contents and their sizes."""
    return [row[name + part] for name in names or ("input", "output") for part in ("", "_size")]


def said(event: str, text: str, at_ms: int, number: int = 2) -> LogRecord:
    """A message of the older conventions."""
    held = {"message": {"content": text}} if event == "gen_ai.choice" else {"content": text}
    return content(event, number, held, at_ms=at_ms)


def test_whole_contents(bench: Bench) -> None:
    """Structured as on a span; of several records for one span the first input and the last output; messages beside them give way."""
    first = {"gen_ai.input.messages": [{"role": "user"}], "gen_ai.output.messages": "one"}
    second = {"gen_ai.input.messages": "again", "gen_ai.output.messages": "two"}
    found = told(
        bench,
        content(DETAILS, 2, of=second, at_ms=30),
        content(DETAILS, 2, of=first, at_ms=20),
        said("gen_ai.user.message", "no", 5),
    )
    assert contents(found["model_calls"][0]) == ['[{"role":"user"}]', 17, "two", 3]
    assert contents(found["runs"][0]) == ['[{"role":"user"}]', 17, "two", 3]


@pytest.mark.parametrize("own", ["{}", "[]", ""])
def test_an_empty_object_on_the_span_is_no_content(bench: Bench, own: str) -> None:
    """So frameworks say that they do not tell it there."""
    record = content(DETAILS, 2, of={"gen_ai.input.messages": "asked"}, at_ms=5)
    found = told(bench, record, of={"gen_ai.input.messages": own, "gen_ai.output.messages": "ok"})
    assert contents(found["model_calls"][0]) == ["asked", 5, "ok", 2]


def test_an_empty_object_stays_where_no_record_knows_more(bench: Bench) -> None:
    """A record that says nothing of the input leaves it as it is."""
    record = content(DETAILS, 2, of={"gen_ai.output.messages": "told"}, at_ms=5)
    found = told(bench, record, of={"gen_ai.input.messages": "{}"})
    assert contents(found["model_calls"][0]) == ["{}", 2, "told", 4]


def test_contents_of_a_span_win(bench: Bench) -> None:
    """Input and output each for itself."""
    record = content(DETAILS, 2, of={"gen_ai.input.messages": "asked", "gen_ai.output.messages": "told"}, at_ms=5)
    found = told(bench, record, of={"gen_ai.output.messages": "ok"})
    assert contents(found["model_calls"][0]) == ["asked", 5, "ok", 2]
    assert contents(found["runs"][0]) == ["asked", 5, "ok", 2]


def test_a_span_around_several_calls(bench: Bench) -> None:
    """Its records have the messages of all calls: the first one's question and the last one's answers are its own."""
    found = told(
        bench,
        *(said("gen_ai.user.message", text, at, number=1) for text, at in (("q1", 1), ("q1", 3), ("q2", 4))),
        *(said("gen_ai.choice", text, at, number=1) for text, at in (("a1", 2), ("a2", 5), ("a3", 6))),
        said("gen_ai.user.message", "q3", 7, number=1),
    )
    input_, answers = (
        '[{"role":"user","content":"q1"}]',
        '[{"role":"assistant","content":"a2"},{"role":"assistant","content":"a3"}]',
    )
    assert contents(found["runs"][0]) == [input_, len(input_), answers, len(answers)]
    assert contents(found["model_calls"][0]) == ["", 0, "", 0]


def test_messages_of_one_moment(bench: Bench) -> None:
    """A clock may be coarse: none is lost, and what the system says comes first, the answer last."""
    found = told(
        bench,
        *(said("gen_ai.user.message", text, 5) for text in ("a", "b", "c")),
        said("gen_ai.system.message", "s", 5),
        said("gen_ai.choice", "x", 5),
    )
    first, *others = json.loads(found["model_calls"][0]["input"])
    assert first == {"role": "system", "content": "s"}
    assert sorted(message["content"] for message in others) == ["a", "b", "c"]
    assert found["model_calls"][0]["output"] == '[{"role":"assistant","content":"x"}]'


def test_records_that_come_again(bench: Bench) -> None:
    """A repeated request changes nothing."""
    records = [said("gen_ai.user.message", "q", 5), said("gen_ai.choice", "a", 6), said("gen_ai.choice", "b", 7)]
    once = told(bench, *records)
    bench.receive(logs_request(records[:2]), signal="logs")
    bench.resolve()
    assert bench.everything() == once
    assert [len(json.loads(once["model_calls"][0][name])) for name in ("input", "output")] == [1, 2]


def test_long_contents(bench: Bench) -> None:
    """They are cut as those of spans are, and keep their sizes."""
    text = "é" * (CONTENT_LIMIT + 10)
    found = told(
        bench, said("gen_ai.user.message", text, 5), content(DETAILS, 2, of={"gen_ai.output.messages": text}, at_ms=6)
    )
    (call,) = found["model_calls"]
    whole = f'[{{"role":"user","content":"{text}"}}]'
    assert contents(call) == [whole[:CONTENT_LIMIT], len(whole.encode()), text[:CONTENT_LIMIT], len(text.encode())]


def test_tool_calls_are_told_by_messages(bench: Bench) -> None:
    """Arguments and results go to the tool call with the id that the model gave to it, if its own span has none."""
    asked = {"id": "c1", "function": {"name": "get", "arguments": '{"a":1}'}}
    found = told(
        bench,
        content("gen_ai.choice", 2, {"message": {"tool_calls": [asked]}}, at_ms=5),
        content("gen_ai.tool.message", 2, {"id": "c1", "content": "sunny"}, at_ms=6),
        content("gen_ai.tool.message", 2, {"id": "c2", "content": "rainy"}, at_ms=7),
    )
    assert contents(found["tool_calls"][0], "arguments", "result") == ['{"a":1}', 7, "sunny", 5]


def test_a_call_that_failed(bench: Bench) -> None:
    """A record without an answer gives the question, and the run has it too."""
    found = told(bench, said("gen_ai.user.message", "hi", 5), of={"error.type": "Timeout"})
    text = '[{"role":"user","content":"hi"}]'
    assert contents(found["model_calls"][0]) == contents(found["runs"][0]) == [text, len(text), "", 0]


def failure(type_: str, message: str, at_ms: int, number: int = 2) -> LogRecord:
    """What the conventions have for an exception of a call."""
    held = {"exception.type": type_, "exception.message": message, "exception.stacktrace": "at line 1"}
    return content("gen_ai.client.operation.exception", number, of=held, at_ms=at_ms)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"error.type": "429"}, ("429", "slow down")),
        ({"error.type": "_OTHER"}, ("openai.RateLimitError", "slow down")),
        ({}, ("", "")),  # it went well in the end
    ],
)
def test_an_error_in_a_record(bench: Bench, of: dict[str, Any], expected: tuple[str, str]) -> None:
    """A call that failed has the type and the message of its last exception, each where its span has none; so has its run."""
    first, last = failure("TimeoutError", "too slow", 5), failure("openai.RateLimitError", "slow down", 6)
    question = said("gen_ai.user.message", "hi", 4)
    found = told(bench, last, question, first, failure("ValueError", "of no span", 7, number=9), of=of)
    (call,) = found["model_calls"]
    assert (call["error_type"], call["error_message"]) == expected
    assert call["input"] == '[{"role":"user","content":"hi"}]'
    assert {run["status"] for run in found["runs"]} == {"success"}


def test_an_error_in_a_record_explains_the_run(bench: Bench) -> None:
    """A run that failed without a word is told by the record of its own span, and classed by it; what its span says itself stays."""
    spans = [
        span(1, "invoke_agent boss", RUN, status="error"),
        span(2, "invoke_agent clerk", RUN, status="error", message="own words", trace=2),
    ]
    bench.receive(spans_request(spans))
    bench.receive(logs_request([failure("openai.RateLimitError", "slow down", 5, number=1)]), signal="logs")
    late = failure("ValueError", "other words", 5)
    late.trace_id = (2).to_bytes(16, "big")
    bench.receive(logs_request([late]), signal="logs")
    bench.resolve()
    found = {run["trace_id"][-1]: run for run in bench.everything()["runs"]}
    told_of = [(run["error_type"], run["error_message"], run["error_class"]) for _, run in sorted(found.items())]
    assert told_of == [
        ("openai.RateLimitError", "slow down", "rate_limit"),
        ("ValueError", "own words", "data"),
    ]


def test_records_alone_make_nothing(bench: Bench) -> None:
    """No run, no call, and no parent for what hangs below a span that has not come."""
    bench.receive(logs_request([said("gen_ai.user.message", "hi", 5, number=9)]), signal="logs")
    bench.resolve()
    assert bench.everything() == {"runs": [], "tool_calls": [], "model_calls": []}
    bench.receive(spans_request([span(10, "chat m", MODEL, parent=9)]))
    bench.resolve()
    found = bench.everything()
    assert (found["runs"], len(found["model_calls"])) == ([], 1)


def test_ordinary_records_make_no_facts(bench: Bench) -> None:
    """Of what a service logs only the events that are named make facts."""
    bench.receive(*records_of("semantic_kernel_events"), signal="logs")
    counts = "SELECT (SELECT count() FROM otel_logs) AS records, count() AS facts, countIf(event = 'content') AS held FROM span_facts"
    (found,) = rows(bench.store, counts)
    assert (int(found["records"]), int(found["facts"]), int(found["held"])) == (15, 8, 8)
