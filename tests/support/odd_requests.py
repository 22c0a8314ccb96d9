"""Requests made at random from what the dialects' data names: right values, odd ones, and several dialects at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from spanruns_schema.dialects import Dialect, load
from spanruns_schema.dialects.rules import CONTENT_LIMIT, LIFECYCLE, content_records

from tests.support.spans import attributes, content, logs_request, record, span

Pairs = dict[str, Any]

NUMBERS = (
    *(
        "0",
        "7",
        "+7",
        "-7",
        "007",
        "7.0",
        "7.5",
        "-0",
        "-0.0",
        ".5",
        "5.",
        "1e3",
        "1e",
        "1e-3",
        "1E+2",
        "1e400",
        "1e-400",
    ),
    *("nan", "-inf", "Infinity", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "4294967296"),
    *(
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740993",
        "1760000000123456789",
        "-1500",
        "1_0",
        " 7",
        "7 ",
    ),
    *("0x7", "٣", "0.00012345", "123456.789", "0" * 30 + "7"),
)
TEXTS = (
    *(
        "",
        " ",
        "x",
        "Agent One",
        "unknown",
        "openai",
        "langchain",
        "true",
        "false",
        "ERROR",
        "{}",
        "[]",
        "null",
        '""',
        '"',
    ),
    *(
        '"quoted"',
        '"é\\u00e9\\n"',
        '"broken',
        '"a" b',
        '"\\ud83d"',
        "a/b",
        "a,b , c,,seq:step:1,graph:step:22",
        "é" * 33,
        "☃" * 40,
    ),
    *(
        '["a","seq:step:12",1,null,{"x":1.0},[2],"b/c",""]',
        "[null]",
        '["a"',
        "<not specified>x",
        "{}x{}",
        "line\u2028end\x7f\x01\t",
    ),
)
DOCUMENTS = (
    '{"inputs":{"a":1.0,"b":[1e25,-0.0,1e-7,true,null]},"input_str":"q\\"\\u2028/","kwargs":{},"total":0.25,"input":"7","output":8}',
    '{"lc_agent_name":"Agent One","ls_integration":"langchain_create_agent","langgraph_node":"","user_id":12345678901234567890123}',
    '{"lc_agent_name":"Agent One","lc_agent_name":"two","langgraph_node":"Agent One","ls_integration":"langgraph","user_id":"u"}',
    '{"replies":[{"meta":{"model":"m-1","usage":{"prompt_tokens":11,"completion_tokens":"12","input_tokens":1.5}}}]}',
    '{"replies":{"meta":{"meta":{"model":"m-2"}}}, "input_tokens":5,"output_tokens":6,"total_cost":1e-3,"total":null}',
    '{"input_token_details":{"cache_read":3,"cache_creation":4},"output_token_details":{"reasoning":5},"cache_read":6}',
    '\ufeff {"inputs": [ ], "input_str" : "\\ud83d\\ude00", "kwargs": 1e999}',
    '{"inputs":"x","kwargs":"\\ude00"}',
    '{"inputs":"x"} trailing',
    '{"user_id":NaN}',
    '{"inputs":"' + "long " * 5000 + '"}',
)
MESSAGES = (
    *(
        "KeyError('x')",
        "KeyError: no such key",
        "ValueError(",
        "a.b.MyError: said\nTraceback (most recent call last):\n  x",
        "KeyError",
    ),
    *(
        " \n Traceback (most recent call last): x",
        "Traceback (most recent call last): a Traceback (most recent call last): b",
    ),
    *(
        "CancelledError",
        "asyncio.CancelledError",
        "cancelled\n",
        "Canceled: x",
        'KeyError("a",)',
        "TimeoutError:x",
        "Exception",
    ),
    *("é" * (CONTENT_LIMIT + 3), "_OTHER", "AbortError", "ValueError: " + "y" * CONTENT_LIMIT),
)
POOL = (*NUMBERS, *TEXTS, *DOCUMENTS, *MESSAGES)
SPAN_NAMES = (
    "",
    "Agent One",
    "x",
    "invoke_agent Agent One",
    "invoke_agent invoke_agent x.tool.agent",
    "haystack.run",
    "Agent One.run\n",
)


class OddRequests:
    """Requests that follow from `random`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._dialects = load()

    def spans(self, count: int) -> bytes:
        """An export of spans 2 to `count` + 1, each in a scope of its own, from two resources."""
        scopes = [self._scope(number) for number in range(2, count + 2)]
        parts = (scopes[: count // 2], scopes[count // 2 :])
        resources = [ResourceSpans(resource=self._resource(), scope_spans=part) for part in parts]
        return ExportTraceServiceRequest(resource_spans=resources).SerializeToString()

    def records(self, count: int) -> bytes:
        """An export of `count` log records, most of them of the life cycle or with contents."""
        kinds = (self._record, self._content)
        return logs_request([self._random.choice(kinds)(number) for number in range(2, count + 2)])

    def _resource(self) -> Resource:
        keys = ("service.version", "spanruns.workspace", "deployment.environment.name", "deployment.environment")
        return Resource(
            attributes=attributes({"service.name": "shop"} | {key: self._value() for key in self._some(keys)})
        )

    def _scope(self, number: int) -> ScopeSpans:
        dialect = self._random.choice(self._dialects)
        named: Pairs = {"$scope": "tests", "$span_name": self._random.choice(SPAN_NAMES)}
        if dialect.scopes and self._chance(0.8):
            named["$scope"] = self._matching(dialect.scopes)
        if dialect.span_names and self._chance(0.8):
            named["$span_name"] = self._matching(dialect.span_names)
        held = {**self._fields(dialect), **self._detected(dialect), **self._rule(dialect)}
        named |= {key: held.pop(key) for key in [*held] if key in named}
        status, message = self._random.choice(("", "ok", "error")), self._random.choice(MESSAGES)
        made = span(
            number,
            named["$span_name"],
            self._shuffled(held),
            parent=self._random.choice((0, 1, number - 1, 999)),
            end_ms=number + self._random.randrange(5000),
            status=status,
            message=message if self._chance(0.5) else "",
            events=self._events(dialect),
        )
        made.kind = self._random.choice((0, 1, 2, 3, 4, 5))  # type: ignore[assignment]
        made.start_time_unix_nano += self._random.randrange(1000)
        return ScopeSpans(scope=InstrumentationScope(name=named["$scope"]), spans=[made])

    def _record(self, number: int) -> LogRecord:
        base = [dialect for dialect in self._dialects if dialect.name in ("genai", "spanruns")]
        held = self._fields(self._random.choice(base))
        refs = [f"{n:032X}-{n:016x}" for n in range(number, number + self._random.randrange(4))]
        if self._chance(0.3):
            held["spanruns.run.spans"] = self._random.choice([refs, ["short", *refs], "", "x", "[1]", '["a",null]'])
        if self._chance(0.3):
            held["gen_ai.operation.name"] = self._random.choice(("invoke_workflow", "invoke_agent"))
        if self._chance(0.3):
            held["spanruns.kind"] = self._random.choice(("run", "tool", ""))
        if self._chance(0.3):
            held["spanruns.run.started_at"] = self._random.choice(NUMBERS)
        event = self._random.choice((*LIFECYCLE, "ended"))
        made = record(event, number, self._shuffled(held), at_ms=number + 7, parent=self._random.choice((0, 3)))
        return self._misplaced(made)

    def _content(self, number: int) -> LogRecord:
        records = content_records(self._dialects)
        event = self._random.choice([*records, "gen_ai.other"])
        sources = [source for _, held in records.values() for source in held.sources if source != "$body"]
        held = {source: self._value() for source in self._some(sources, 0.3)}
        body: Any = self._random.choice(
            (None, {}, [], self._value(), {"content": self._value()}, {"message": {"a": 1}})
        )
        return self._misplaced(content(event, number, body, self._shuffled(held), at_ms=number + 7))

    def _misplaced(self, made: LogRecord) -> LogRecord:
        if self._chance(0.3):
            made.attributes.extend(attributes({"event.name": made.event_name}))
            made.event_name = self._random.choice(("", "other"))
        if self._chance(0.1):
            made.trace_id = b""
        return made

    def _fields(self, dialect: Dialect) -> Pairs:
        """Values for some of the keys that the dialect and the base read."""
        sources = [source for of in (dialect, self._dialects[-1]) for keys in of.fields.values() for source in keys]
        chosen = self._some(sources, 0.2) + self._some(sources, 0.02)
        held: Pairs = {}
        for source in chosen:
            kind, _, rest = source.partition(":")
            key, inside, _ = source.partition("#")
            if kind == "prefix":
                held |= {rest + end: self._value() for end in self._some(("0.content", "0.role", "1/x", "", "{}"))}
            elif inside:
                held[key] = self._random.choice(DOCUMENTS) if self._chance(0.8) else self._value()
            elif kind not in ("resource", "event", "last_event") and source[0] != "$":
                held[key] = self._value()
        return held

    def _events(self, dialect: Dialect) -> list[tuple[str, Mapping[str, Any]]]:
        sources = [source for of in (dialect, self._dialects[-1]) for keys in of.fields.values() for source in keys]
        named = [s.partition(":")[2].partition("/") for s in sources if s.startswith(("event:", "last_event:"))]
        made = [(name, {key: self._value()} if self._chance(0.8) else {}) for name, _, key in self._some(named, 0.3)]
        return [(name, held) for name, held in made for _ in range(self._random.randrange(3))]

    def _detected(self, dialect: Dialect) -> Pairs:
        others = self._random.sample(self._dialects, self._random.choice((0, 0, 0, 1, 2)))
        held: Pairs = {key: self._value() for of in others for key in self._some(of.attributes)}
        if dialect.attributes and self._chance(0.8):
            held[self._random.choice(dialect.attributes)] = self._value()
        return held

    def _rule(self, dialect: Dialect) -> Pairs:
        """What one of the dialect's rules asks for."""
        whens = [role.when for of in (dialect, self._dialects[-1]) for role in of.roles] + [*dialect.failed]
        whens += [dialect.marker.when] * 4 if dialect.marker else []
        held: Pairs = {}
        for when in self._random.sample(whens, min(len(whens), self._random.choice((0, 1, 1, 1, 2)))):
            for source, patterns in when.items():
                key, inside, _ = source.partition("#")
                held[key] = self._random.choice(DOCUMENTS) if inside else self._matching(patterns)
        if dialect.marker and self._chance(0.7):
            held[dialect.marker.parent] = self._random.choice(("0" * 16, "00ab", "", "0000000000000003"))
        return held

    def _matching(self, patterns: Sequence[str]) -> str:
        found = self._random.choice(patterns)
        found = "Agent One" if found == "$span_name" else found
        return found.replace("*", self._random.choice(("x", "", ".run", ".y")))

    def _value(self) -> Any:
        if self._chance(0.1):
            return self._random.choice(
                (True, 7, -7, 2.5, 1e25, ["a", 1, "b/c"], {"b": {"c": []}, "a": "\n"}, 2**63 - 1)
            )
        return self._random.choice(self._random.choice((NUMBERS, TEXTS, POOL)))

    def _shuffled(self, held: Pairs) -> Pairs:
        keys = [*held]
        self._random.shuffle(keys)
        return {key: held[key] for key in keys}

    def _some(self, of: Sequence[Any], share: float = 0.5) -> list[Any]:
        return [item for item in of if self._chance(share)]

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
