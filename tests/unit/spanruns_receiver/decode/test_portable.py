"""What is stored of OTLP requests, read back from the real tables; the same for both decoders."""

from __future__ import annotations

from typing import Any, cast

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from spanruns_receiver.decode import Block, Checked, Decoded, Limits, Signal, TooLarge, compiled, portable
from spanruns_receiver.decode.block import varint
from spanruns_receiver.decode.values import AHEAD_NS
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.errors import Malformed
from spanruns_schema.store import rows

TRACE, SPAN, PARENT = bytes(range(16)), bytes(range(1, 9)), bytes(range(9, 17))
START = 1_795_218_006_967_299_222
END = START + 38_132_689
STARTED, ENDED = "2026-11-20 23:40:06.967299222", "2026-11-20 23:40:07.005431911"


def text(key: str, value: str) -> KeyValue:
    """A string attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


RESOURCE = Resource(attributes=[text("service.name", "shop"), text("host.name", "h1")])
SCOPE = InstrumentationScope(
    name="lib", version="2.1", attributes=[text("scope.key", "scope value")], dropped_attributes_count=3
)


def spans(*given: Span, resource: Resource = RESOURCE) -> bytes:
    """A request with these spans."""
    scope = ScopeSpans(scope=SCOPE, spans=given, schema_url="scope url")
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope], schema_url="url")]
    )
    return request.SerializeToString()


def logs(*given: LogRecord) -> bytes:
    """A request with these log records."""
    scope = ScopeLogs(scope=SCOPE, log_records=given, schema_url="scope url")
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=RESOURCE, scope_logs=[scope], schema_url="url")]
    ).SerializeToString()


def points(*given: metrics.Metric) -> bytes:
    """A request with these metrics."""
    scope = metrics.ScopeMetrics(scope=SCOPE, metrics=given, schema_url="scope url")
    return ExportMetricsServiceRequest(
        resource_metrics=[metrics.ResourceMetrics(resource=RESOURCE, scope_metrics=[scope], schema_url="url")]
    ).SerializeToString()


class Decoder:
    """One of the two decoders, and the store that its blocks go into."""

    def __init__(self, module: Any, store: EmbeddedStore) -> None:
        self.module = module
        self.store = store

    def decode(
        self, signal: Signal, *payloads: bytes, limits: Limits | None = None, received: tuple[int, ...] = ()
    ) -> Decoded:
        decoded: Decoded = self.module.decode(signal, payloads, limits or Limits(), received)
        return decoded

    def validate(self, signal: Signal, payload: bytes, limits: Limits | None = None) -> Checked:
        checked: Checked = self.module.validate(signal, payload, limits or Limits())
        return checked

    def rows(self, signal: Signal, *payloads: bytes) -> dict[str, list[dict[str, Any]]]:
        """By table, the rows that come out of it."""
        return {table: self.stored(table, block) for table, block in self.decode(signal, *payloads).blocks.items()}

    def stored(self, table: str, block: Block) -> list[dict[str, Any]]:
        """The rows of `block` after it has gone through `table`."""
        self.store.command(f"TRUNCATE TABLE {table}")
        self.store.insert(table, block.columns, block.native)
        found = rows(self.store, f"SELECT * FROM {table}")
        assert len(found) == block.rows
        return found


@pytest.fixture(params=[portable, compiled], ids=["portable", "compiled"])
def decoder(request: pytest.FixtureRequest, store: EmbeddedStore) -> Decoder:
    """Both decoders, one after the other."""
    if request.param is compiled and not compiled.AVAILABLE:
        pytest.skip("the compiled decoder is not installed")
    return Decoder(request.param, store)


def test_a_span_becomes_a_row(decoder: Decoder) -> None:
    """Everything that the exporter's table has a column for is in the row."""
    span = Span(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=PARENT,
        trace_state="a=b",
        name="chat gpt",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=START,
        end_time_unix_nano=END,
        attributes=[text("gen_ai.system", "openai"), text("b", "2")],
        status=Status(code=Status.STATUS_CODE_ERROR, message="no\n\nluck"),
        events=[
            Span.Event(time_unix_nano=START, name="exception", attributes=[text("exception.type", "E")]),
            Span.Event(time_unix_nano=END, name="end"),
        ],
        links=[Span.Link(trace_id=TRACE, span_id=PARENT, trace_state="c=d", attributes=[text("l", "1")])],
    )

    assert decoder.rows("traces", spans(span)) == {
        "otel_traces": [
            {
                "Timestamp": STARTED,
                "TraceId": "000102030405060708090a0b0c0d0e0f",
                "SpanId": "0102030405060708",
                "ParentSpanId": "090a0b0c0d0e0f10",
                "TraceState": "a=b",
                "SpanName": "chat gpt",
                "SpanKind": "Client",
                "ServiceName": "shop",
                "ResourceAttributes": {"service.name": "shop", "host.name": "h1"},
                "ScopeName": "lib",
                "ScopeVersion": "2.1",
                "SpanAttributes": {"gen_ai.system": "openai", "b": "2"},
                "Duration": END - START,
                "StatusCode": "Error",
                "StatusMessage": "no\n\nluck",
                "Events.Timestamp": [STARTED, ENDED],
                "Events.Name": ["exception", "end"],
                "Events.Attributes": [{"exception.type": "E"}, {}],
                "Links.TraceId": ["000102030405060708090a0b0c0d0e0f"],
                "Links.SpanId": ["090a0b0c0d0e0f10"],
                "Links.TraceState": ["c=d"],
                "Links.Attributes": [{"l": "1"}],
            }
        ]
    }


def test_a_log_record_becomes_a_row(decoder: Decoder) -> None:
    """Everything that the exporter's table has a column for is in the row; a body that is a map is JSON."""
    record = LogRecord(
        time_unix_nano=START,
        observed_time_unix_nano=END,
        severity_number=SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        body=AnyValue(kvlist_value=KeyValueList(values=[text("b", "2"), text("a", "1")])),
        attributes=[text("k", "v")],
        flags=0x101,
        trace_id=TRACE,
        span_id=SPAN,
        event_name="spanruns.run.started",
    )

    assert decoder.rows("logs", logs(record)) == {
        "otel_logs": [
            {
                "Timestamp": STARTED,
                "TraceId": "000102030405060708090a0b0c0d0e0f",
                "SpanId": "0102030405060708",
                "TraceFlags": 1,
                "SeverityText": "INFO",
                "SeverityNumber": 9,
                "ServiceName": "shop",
                "Body": '{"a":"1","b":"2"}',
                "ResourceSchemaUrl": "url",
                "ResourceAttributes": {"service.name": "shop", "host.name": "h1"},
                "ScopeSchemaUrl": "scope url",
                "ScopeName": "lib",
                "ScopeVersion": "2.1",
                "ScopeAttributes": {"scope.key": "scope value"},
                "LogAttributes": {"k": "v"},
                "EventName": "spanruns.run.started",
            }
        ]
    }


HEAD = {
    "ResourceAttributes": {"service.name": "shop", "host.name": "h1"},
    "ResourceSchemaUrl": "url",
    "ScopeName": "lib",
    "ScopeVersion": "2.1",
    "ScopeAttributes": {"scope.key": "scope value"},
    "ScopeDroppedAttrCount": 3,
    "ScopeSchemaUrl": "scope url",
    "ServiceName": "shop",
    "MetricName": "m",
    "MetricDescription": "what it is",
    "MetricUnit": "s",
    "Attributes": {"k": "v"},
    "StartTimeUnix": STARTED,
    "TimeUnix": ENDED,
    "Flags": 1,
}
EXEMPLARS = {
    "Exemplars.FilteredAttributes": [{"e": "1"}],
    "Exemplars.TimeUnix": [STARTED],
    "Exemplars.Value": [7],
    "Exemplars.SpanId": ["0102030405060708"],
    "Exemplars.TraceId": ["000102030405060708090a0b0c0d0e0f"],
}
POINT: dict[str, Any] = {
    "attributes": [text("k", "v")],
    "start_time_unix_nano": START,
    "time_unix_nano": END,
    "flags": 1,
}
EXEMPLAR = metrics.Exemplar(
    filtered_attributes=[text("e", "1")], time_unix_nano=START, as_int=7, span_id=SPAN, trace_id=TRACE
)
CUMULATIVE = metrics.AGGREGATION_TEMPORALITY_CUMULATIVE
METRICS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gauge": (
        {"gauge": metrics.Gauge(data_points=[metrics.NumberDataPoint(**POINT, as_double=1.5, exemplars=[EXEMPLAR])])},
        {"Value": 1.5, **EXEMPLARS},
    ),
    "sum": (
        {
            "sum": metrics.Sum(
                data_points=[metrics.NumberDataPoint(**POINT, as_int=-3, exemplars=[EXEMPLAR])],
                aggregation_temporality=CUMULATIVE,
                is_monotonic=True,
            )
        },
        {"Value": -3, "AggregationTemporality": 2, "IsMonotonic": True, **EXEMPLARS},
    ),
    "histogram": (
        {
            "histogram": metrics.Histogram(
                data_points=[
                    metrics.HistogramDataPoint(
                        **POINT,
                        count=3,
                        sum=6.5,
                        bucket_counts=[1, 2],
                        explicit_bounds=[2.5],
                        exemplars=[EXEMPLAR],
                        min=1,
                        max=3.5,
                    )
                ],
                aggregation_temporality=CUMULATIVE,
            )
        },
        {
            "Count": 3,
            "Sum": 6.5,
            "BucketCounts": [1, 2],
            "ExplicitBounds": [2.5],
            "Min": 1,
            "Max": 3.5,
            "AggregationTemporality": 2,
            **EXEMPLARS,
        },
    ),
    "exp_histogram": (
        {
            "exponential_histogram": metrics.ExponentialHistogram(
                data_points=[
                    metrics.ExponentialHistogramDataPoint(
                        **POINT,
                        count=9,
                        sum=10.25,
                        scale=-2,
                        zero_count=1,
                        positive=metrics.ExponentialHistogramDataPoint.Buckets(offset=-4, bucket_counts=[1, 300]),
                        negative=metrics.ExponentialHistogramDataPoint.Buckets(offset=5, bucket_counts=[2**63]),
                        exemplars=[EXEMPLAR],
                        min=-1,
                        max=4,
                    )
                ],
                aggregation_temporality=CUMULATIVE,
            )
        },
        {
            "Count": 9,
            "Sum": 10.25,
            "Scale": -2,
            "ZeroCount": 1,
            "PositiveOffset": -4,
            "PositiveBucketCounts": [1, 300],
            "NegativeOffset": 5,
            "NegativeBucketCounts": [2**63],
            "Min": -1,
            "Max": 4,
            "AggregationTemporality": 2,
            **EXEMPLARS,
        },
    ),
    "summary": (
        {
            "summary": metrics.Summary(
                data_points=[
                    metrics.SummaryDataPoint(
                        **POINT,
                        count=5,
                        sum=9.5,
                        quantile_values=[
                            metrics.SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.25),
                            metrics.SummaryDataPoint.ValueAtQuantile(quantile=0.99, value=4),
                        ],
                    )
                ]
            )
        },
        {"Count": 5, "Sum": 9.5, "ValueAtQuantiles.Quantile": [0.5, 0.99], "ValueAtQuantiles.Value": [1.25, 4]},
    ),
}


@pytest.mark.parametrize("kind", METRICS)
def test_a_data_point_of_every_kind_becomes_a_row(decoder: Decoder, kind: str) -> None:
    """Everything that the exporter's table for that kind has a column for is in the row."""
    data, expected = METRICS[kind]

    found = decoder.rows("metrics", points(metrics.Metric(name="m", description="what it is", unit="s", **data)))

    assert found == {f"otel_metrics_{kind}": [HEAD | expected]}


def test_points_of_different_kinds_go_into_their_own_tables(decoder: Decoder) -> None:
    """One request may hold all five kinds; a metric without data makes no row."""
    given = [metrics.Metric(name=kind, **data) for kind, (data, _) in METRICS.items()]

    decoded = decoder.decode("metrics", points(*given, metrics.Metric(name="empty")), points(*given))

    assert {table: block.rows for table, block in decoded.blocks.items()} == {
        f"otel_metrics_{kind}": 2 for kind in METRICS
    }


VALUES: list[tuple[AnyValue | None, str]] = [
    (None, ""),
    (AnyValue(), ""),
    (AnyValue(string_value="<a&b>"), "<a&b>"),
    (AnyValue(bool_value=True), "true"),
    (AnyValue(bool_value=False), "false"),
    (AnyValue(int_value=-(2**63)), "-9223372036854775808"),
    (AnyValue(double_value=1.0), "1"),
    (AnyValue(double_value=-0.0), "-0"),
    (AnyValue(double_value=0.1), "0.1"),
    (AnyValue(double_value=1e-6), "0.000001"),
    (AnyValue(double_value=1.5e-7), "1.5e-7"),
    (AnyValue(double_value=1e20), "100000000000000000000"),
    (AnyValue(double_value=1e21), "1e+21"),
    (AnyValue(double_value=1822726658590086.25), "1822726658590086.2"),
    (AnyValue(double_value=float("nan")), "NaN"),
    (AnyValue(double_value=float("-inf")), "-Infinity"),
    (AnyValue(bytes_value=b"\x00\xff\x10"), "AP8Q"),
    (AnyValue(bytes_value=b"\x00"), "AA=="),
    (AnyValue(array_value=ArrayValue()), "[]"),
    (AnyValue(kvlist_value=KeyValueList()), "{}"),
    (
        AnyValue(
            array_value=ArrayValue(
                values=[
                    AnyValue(string_value='"<\n\x01'),
                    AnyValue(int_value=2),
                    AnyValue(double_value=2.5),
                    AnyValue(double_value=float("inf")),
                    AnyValue(bool_value=True),
                    AnyValue(bytes_value=b"\xff"),
                    AnyValue(),
                    AnyValue(kvlist_value=KeyValueList(values=[text("z", "1"), text("ä", "2"), text("a", "3")])),
                ]
            )
        ),
        '["\\"<\\n\\u0001",2,2.5,"Infinity",true,"/w==",null,{"a":"3","z":"1","ä":"2"}]',
    ),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[expected or "empty" for _, expected in VALUES])
def test_values_are_stored_as_the_exporter_writes_them(decoder: Decoder, value: AnyValue | None, expected: str) -> None:
    """A value of any type is text, written as the Collector writes it."""
    span = Span(
        trace_id=TRACE,
        span_id=SPAN,
        start_time_unix_nano=START,
        end_time_unix_nano=END,
        attributes=[KeyValue(key="k", value=value)],
    )

    found = decoder.rows("traces", spans(span))["otel_traces"][0]

    assert found["SpanAttributes"] == {"k": expected}


def cleaned(decoder: Decoder, limits: Limits | None = None, **given: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """The row of a span with these fields, and what was cleaned."""
    fields: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
    }
    decoded = decoder.decode("traces", spans(Span(**fields | given)), limits=limits)
    return decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0], dict(decoded.cleaned)


@pytest.mark.parametrize(
    ("start", "end", "received", "timestamp", "duration"),
    [
        (0, END, (), ENDED, 0),
        (START, 0, (), STARTED, 0),
        (END, START, (), ENDED, 0),
        (2**64 - 5, END, (), ENDED, 0),
        (START, 7_258_118_400 * 10**9, (), STARTED, 0),
        (0, 0, (START,), STARTED, 0),
        (0, 0, (), "1970-01-01 00:00:00.000000000", 0),
        (0, 0, (-5,), "1970-01-01 00:00:00.000000000", 0),
        (START // 10**6, END // 10**6, (START,), STARTED, 0),
        (START + AHEAD_NS, END + AHEAD_NS, (START,), STARTED, 0),
    ],
)
def test_impossible_times_are_replaced_by_the_nearest_possible_one(
    decoder: Decoder, start: int, end: int, received: tuple[int, ...], timestamp: str, duration: int
) -> None:
    """A span's other end, else the time of receipt, stands in for a time that cannot be; and it is counted."""
    span = Span(trace_id=TRACE, span_id=SPAN, start_time_unix_nano=start, end_time_unix_nano=end)

    decoded = decoder.decode("traces", spans(span), received=received)
    found = decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0]

    assert (found["Timestamp"], found["Duration"], decoded.cleaned) == (timestamp, duration, {"time": 1})


def test_events_with_impossible_times_happened_at_the_start(decoder: Decoder) -> None:
    """An event cannot have happened in 1970."""
    found, counts = cleaned(decoder, events=[Span.Event(name="e")])

    assert (found["Events.Timestamp"], counts) == ([STARTED], {"time": 1})


@pytest.mark.parametrize(
    ("time", "observed", "expected", "counts"),
    [
        (0, END, ENDED, {}),
        (2**63, END, ENDED, {"time": 1}),
        (0, 0, STARTED, {"time": 1}),
    ],
)
def test_log_records_without_a_time_have_the_one_they_were_observed_at(
    decoder: Decoder, time: int, observed: int, expected: str, counts: dict[str, int]
) -> None:
    """Time 0 means unknown in a log record and is not counted as long as the time of observation is known."""
    record = LogRecord(time_unix_nano=time, observed_time_unix_nano=observed)

    decoded = decoder.decode("logs", logs(record), received=(START,))

    assert decoder.stored("otel_logs", decoded.blocks["otel_logs"])[0]["Timestamp"] == expected
    assert decoded.cleaned == counts


def test_ids_of_the_wrong_length_are_left_empty(decoder: Decoder) -> None:
    """A bad parent or link id costs itself only; an id of zeros is none."""
    found, counts = cleaned(
        decoder, parent_span_id=b"\1" * 7, links=[Span.Link(trace_id=bytes(16), span_id=b"\1" * 16)]
    )

    assert (found["ParentSpanId"], found["Links.TraceId"], found["Links.SpanId"]) == ("", [""], [""])
    assert counts == {"id_length": 2}


def test_kinds_and_codes_without_a_meaning_are_the_unset_ones(decoder: Decoder) -> None:
    """Numbers that no version of OTLP has named."""
    found, counts = cleaned(decoder, kind=17, status=Status(code=cast("Status.StatusCode.ValueType", -1)))

    assert (found["SpanKind"], found["StatusCode"], counts) == ("Unspecified", "Unset", {"enum": 2})


def test_the_first_of_repeated_attributes_stays(decoder: Decoder) -> None:
    """What a map lookup in ClickHouse would have found anyway."""
    found, counts = cleaned(decoder, attributes=[text("a", "1"), text("b", "2"), text("a", "3")])

    assert (found["SpanAttributes"], counts) == ({"a": "1", "b": "2"}, {"duplicate_attribute": 1})


def test_the_last_of_repeated_keys_inside_a_map_stays(decoder: Decoder) -> None:
    """What the Collector makes of it."""
    nested = AnyValue(kvlist_value=KeyValueList(values=[text("a", "1"), text("a", "2")]))

    found, counts = cleaned(decoder, attributes=[KeyValue(key="k", value=nested)])

    assert (found["SpanAttributes"], counts) == ({"k": '{"a":"2"}'}, {"duplicate_attribute": 1})


def test_attributes_beyond_the_limit_are_dropped_and_counted(decoder: Decoder) -> None:
    """100,000 attributes of one span cost those beyond the first thousand."""
    found, counts = cleaned(decoder, attributes=[text(f"key {number}", "v") for number in range(100_000)])

    assert list(found["SpanAttributes"]) == [f"key {number}" for number in range(1000)]
    assert counts == {"attributes_dropped": 99_000}


def test_long_values_and_names_are_cut_between_characters(decoder: Decoder) -> None:
    """Never in the middle of a character, so that what is stored stays UTF-8."""
    found, counts = cleaned(
        decoder,
        Limits(value_bytes=5, name_bytes=4),
        name="abcdef",
        attributes=[text("ääää", "ääää"), KeyValue(key="b", value=AnyValue(bytes_value=b"123456"))],
    )

    assert (found["SpanName"], found["SpanAttributes"]) == ("abcd", {"ää": "ää", "b": "MTIzN"})
    # The resource's attributes are longer than these limits, too: two keys, and the scope's name is not.
    assert counts == {"name_truncated": 4, "value_truncated": 2}


def test_a_value_of_many_megabytes_is_cut_at_the_limit(decoder: Decoder) -> None:
    """By default a mebibyte of it stays."""
    found, counts = cleaned(decoder, attributes=[text("k", "x" * 5_000_000)])

    assert (len(found["SpanAttributes"]["k"]), counts) == (1 << 20, {"value_truncated": 1})


def sized(number: int, content: bytes) -> bytes:
    """The field `number` of a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def nested(depth: int) -> bytes:
    """A request with a list in a list in a list …, which protobuf's own classes cannot hold."""
    value = AnyValue(int_value=1).SerializeToString()
    for _ in range(depth):
        value = sized(5, sized(1, value))
    span = Span(trace_id=TRACE, span_id=SPAN, start_time_unix_nano=START, end_time_unix_nano=END)
    attribute = sized(9, sized(1, b"k") + sized(2, value))
    return sized(1, sized(2, sized(2, span.SerializeToString() + attribute)))


def test_what_is_nested_too_deeply_is_replaced_by_a_marker(decoder: Decoder) -> None:
    """200 lists in one another cost the innermost ones only."""
    decoded = decoder.decode("traces", nested(200))
    found = decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0]

    assert found["SpanAttributes"] == {"k": "[" * 64 + '"[too deep]"' + "]" * 64}
    assert decoded.cleaned == {"nesting": 1}


def test_nesting_up_to_the_limit_is_kept(decoder: Decoder) -> None:
    """64 lists in one another are written as they are."""
    decoded = decoder.decode("traces", nested(64))
    found = decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0]

    assert (found["SpanAttributes"], decoded.cleaned) == ({"k": "[" * 64 + "1" + "]" * 64}, {})


def test_invalid_utf8_becomes_replacement_characters(decoder: Decoder) -> None:
    """Wrong bytes in any text cost only themselves."""
    payload = spans(
        Span(
            trace_id=TRACE,
            span_id=SPAN,
            name="NAME!",
            start_time_unix_nano=START,
            end_time_unix_nano=END,
            attributes=[text("KEY!", "VALUE!")],
        )
    ).replace(b"!", b"\xff")

    decoded = decoder.decode("traces", payload)
    found = decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0]

    assert (found["SpanName"], found["SpanAttributes"]) == ("NAME\ufffd", {"KEY\ufffd": "VALUE\ufffd"})
    assert decoded.cleaned == {"invalid_utf8": 3}


def test_a_malformed_array_costs_only_itself(decoder: Decoder) -> None:
    """What is inside a value cannot make its request malformed."""
    bad = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="ARRAY")]))
    payload = spans(
        Span(
            trace_id=TRACE,
            span_id=SPAN,
            start_time_unix_nano=START,
            end_time_unix_nano=END,
            attributes=[KeyValue(key="k", value=bad), text("l", "v")],
        )
    ).replace(b"\x0a\x05ARRAY", b"\x0f\x05ARRAY")

    decoded = decoder.decode("traces", payload)
    found = decoder.stored("otel_traces", decoded.blocks["otel_traces"])[0]

    assert (found["SpanAttributes"], decoded.cleaned) == ({"k": '"[malformed]"', "l": "v"}, {"nested_malformed": 1})


def test_spans_without_a_valid_id_are_rejected_and_the_rest_kept(decoder: Decoder) -> None:
    """A span that cannot be identified cannot be stored; its neighbours can."""
    payload = spans(
        Span(trace_id=TRACE, span_id=SPAN, start_time_unix_nano=START, end_time_unix_nano=END),
        Span(trace_id=TRACE[:15], span_id=SPAN),
        Span(trace_id=bytes(16), span_id=SPAN),
        Span(trace_id=TRACE, span_id=SPAN + SPAN),
        Span(trace_id=TRACE, span_id=bytes(8)),
        Span(trace_id=TRACE),
    )

    decoded = decoder.decode("traces", payload)

    assert (decoded.blocks["otel_traces"].rows, decoded.cleaned, decoded.rejected) == (
        1,
        {},
        {
            "span id is not 8 bytes": 2,
            "span id is zero": 1,
            "trace id is not 16 bytes": 1,
            "trace id is zero": 1,
        },
    )
    assert decoder.validate("traces", payload) == Checked(
        6,
        5,
        "2 spans: span id is not 8 bytes, 1 spans: span id is zero, 1 spans: trace id is not 16 bytes, "
        "1 spans: trace id is zero",
    )


@pytest.mark.parametrize(
    ("signal", "payload", "items"),
    [
        ("traces", spans(Span(trace_id=TRACE, span_id=SPAN)), 1),
        ("logs", logs(LogRecord(), LogRecord()), 2),
        ("metrics", points(*(metrics.Metric(name=kind, **data) for kind, (data, _) in METRICS.items())), 5),
        ("traces", b"", 0),
        ("logs", b"", 0),
        ("metrics", b"", 0),
    ],
)
def test_items_are_counted_before_anything_is_stored(
    decoder: Decoder, signal: Signal, payload: bytes, items: int
) -> None:
    """Items are spans, log records and data points; an empty request is a good one."""
    assert decoder.validate(signal, payload) == Checked(items)


def test_an_empty_request_has_no_blocks(decoder: Decoder) -> None:
    """Nothing in, nothing out."""
    assert decoder.decode("traces", b"", spans()) == Decoded({}, {}, {})


def test_bytes_that_are_not_protobuf_are_refused_by_name(decoder: Decoder) -> None:
    """The error says which payload of the batch it was, and what it should have been."""
    good = spans(Span(trace_id=TRACE, span_id=SPAN))
    message = "not an OTLP traces request: malformed protobuf"

    with pytest.raises(Malformed, match=f"^payload 1: {message}$"):
        decoder.decode("traces", good, good[:-1])
    with pytest.raises(Malformed, match=f"^{message}$"):
        decoder.validate("traces", good[:-1])


def test_more_items_than_the_limit_are_refused(decoder: Decoder) -> None:
    """Two bytes make a row: a small request must not make a huge one."""
    limits = Limits(items=10)
    enough = logs(*(LogRecord() for _ in range(8)))  # and the resource and the scope

    assert decoder.decode("logs", enough, limits=limits).blocks["otel_logs"].rows == 8
    too_many: list[tuple[Signal, bytes]] = [
        ("logs", logs(*(LogRecord() for _ in range(9)))),
        ("traces", spans(Span(events=[Span.Event()] * 8))),
        ("metrics", points(*(metrics.Metric(name="m") for _ in range(9)))),
    ]
    for signal, payload in too_many:
        with pytest.raises(TooLarge, match="too many items"):
            decoder.decode(signal, payload, limits=limits)
        with pytest.raises(TooLarge, match="too many items"):
            decoder.validate(signal, payload, limits)


def test_resources_that_would_be_copied_too_often_are_refused(decoder: Decoder) -> None:
    """A resource of 100 KB over 10,000 empty spans would be a gigabyte of rows."""
    resource = Resource(attributes=[text("big", "x" * 100_000)])
    payload = spans(*(Span() for _ in range(10_000)), resource=resource)

    with pytest.raises(TooLarge, match="repeat too much"):
        decoder.decode("traces", payload)
    with pytest.raises(TooLarge, match="repeat too much"):
        decoder.validate("traces", payload)


def test_payloads_share_one_block_in_their_order(decoder: Decoder) -> None:
    """Rows come in the order of payloads and of spans in them."""
    payloads = [
        spans(
            *(
                Span(trace_id=TRACE, span_id=SPAN, name=f"{p}{n}", start_time_unix_nano=START, end_time_unix_nano=END)
                for n in range(3)
            )
        )
        for p in "abc"
    ]

    block = decoder.decode("traces", *payloads).blocks["otel_traces"]
    found = decoder.stored("otel_traces", block)

    assert sorted(row["SpanName"] for row in found) == [f"{p}{n}" for p in "abc" for n in range(3)]
    assert block.native.index(b"\2a0") < block.native.index(b"\2b0") < block.native.index(b"\2c2")
