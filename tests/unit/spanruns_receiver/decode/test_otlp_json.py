"""OTLP/JSON: what it becomes in protobuf, and what is said of what cannot become any."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_receiver.decode import Signal, decode, wire
from spanruns_receiver.decode.otlp_json import to_protobuf
from spanruns_schema.errors import Malformed

OTLP = Path(__file__).parents[3] / "fixtures" / "otlp"
CAPTURES = sorted(path for path in OTLP.glob("*.pb") if path.with_suffix(".json").exists())
METRICS = sorted(OTLP.glob("*.metrics.json"))


def span(**fields: Any) -> bytes:
    """A JSON request with one span."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def read(body: bytes) -> Any:
    """The one span that `body` becomes."""
    return ExportTraceServiceRequest.FromString(to_protobuf("traces", body)).resource_spans[0].scope_spans[0].spans[0]


def attribute(value: dict[str, Any]) -> Any:
    """What `value` becomes as an attribute's value."""
    return read(span(attributes=[{"key": "k", "value": value}])).attributes[0].value


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_captured_requests_are_the_same_in_both_encodings(path: Path) -> None:
    """The JSON of a capture becomes the very bytes of its protobuf."""
    assert to_protobuf("traces", path.with_suffix(".json").read_bytes()) == path.read_bytes()


@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.stem)
def test_captured_metrics_say_the_same_in_both_encodings(path: Path) -> None:
    """What protobuf's own converter makes of them, once their ids are hex as OTLP has them."""
    expected = json_format.Parse(path.read_text(), ExportMetricsServiceRequest())
    body = re.sub(
        r'"(traceId|spanId)": "([^"]*)"',
        lambda found: f'"{found[1]}": "{base64.b64decode(found[2]).hex()}"',
        path.read_text(),
    )

    assert ExportMetricsServiceRequest.FromString(to_protobuf("metrics", body.encode())) == expected


def test_ids_are_hex_in_either_case() -> None:
    """Not base64, as bytes are elsewhere."""
    found = read(span(traceId="5B8EFFF798038103D269B633813FC60C", spanId="eee19b7ec3c1b174", parentSpanId=""))

    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id) == (
        "5b8efff798038103d269b633813fc60c",
        "eee19b7ec3c1b174",
        b"",
    )


@pytest.mark.parametrize("text", ["W47/95gDgQPSabYzgT/GDA==", "zz", "5b8e fff7", "5"])
def test_ids_that_are_not_hex_cost_only_their_span(text: str) -> None:
    """They become ids of a wrong length, which the decoder rejects and counts."""
    good = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [good, good | {"traceId": text}]}]}]})

    decoded = decode("traces", [to_protobuf("traces", body.encode())], received_ns=[1])

    assert decoded.blocks["otel_traces"].rows == 1
    assert decoded.rejected == {"trace id is not 16 bytes": 1}


@pytest.mark.parametrize(
    ("kind", "number"),
    [(3, 3), ("SPAN_KIND_CLIENT", 3), ("3", 3), ("SPAN_KIND_OF_TOMORROW", 0), (99, 99)],
)
def test_enums_are_numbers_or_names(kind: int | str, number: int) -> None:
    """OTLP sends numbers, protobuf's own JSON names; unknown names are ignored, unknown numbers kept."""
    assert read(span(kind=kind)).kind == number


@pytest.mark.parametrize("value", [1795218006967299222, "1795218006967299222"])
def test_64_bit_integers_are_strings_or_numbers(value: int | str) -> None:
    """In times and in values."""
    assert read(span(startTimeUnixNano=value)).start_time_unix_nano == 1795218006967299222
    assert attribute({"intValue": value}).int_value == 1795218006967299222


@pytest.mark.parametrize("value", [-1, "-1", 10**30, "1e400"])
def test_times_out_of_range_become_impossible_ones(value: int | str) -> None:
    """For the decoder to clean; one bad time does not cost its request."""
    if value == "1e400":
        with pytest.raises(Malformed, match=r"startTimeUnixNano: expected an integer, not '1e400'"):
            read(span(startTimeUnixNano=value))
    else:
        assert read(span(startTimeUnixNano=value)).start_time_unix_nano == 2**64 - 1


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ({"stringValue": "Zürich 🚀"}, "string_value", "Zürich 🚀"),
        ({"boolValue": True}, "bool_value", True),
        ({"boolValue": False}, "bool_value", False),
        ({"intValue": "-9223372036854775808"}, "int_value", -(2**63)),
        ({"intValue": 5.0}, "int_value", 5),
        ({"doubleValue": 1}, "double_value", 1.0),
        ({"doubleValue": "1.5"}, "double_value", 1.5),
        ({"doubleValue": "-Infinity"}, "double_value", float("-inf")),
        ({"bytesValue": "AP8Q"}, "bytes_value", b"\x00\xff\x10"),
        ({"bytesValue": "_-8"}, "bytes_value", b"\xff\xef"),
        ({"bytesValue": "/+8="}, "bytes_value", b"\xff\xef"),
        ({"arrayValue": {}}, "array_value", None),
        ({"stringValue": None}, None, None),
        ({}, None, None),
    ],
)
def test_values_of_every_type(value: dict[str, Any], kind: str | None, expected: object) -> None:
    """Each `AnyValue` comes out as its type, and null as nothing."""
    found = attribute(value)

    assert found.WhichOneof("value") == kind
    if expected is not None and kind is not None:
        assert getattr(found, kind) == expected


@pytest.mark.parametrize(
    ("sent", "double"),
    [(1e21, 1e21), ("9223372036854775808", 2.0**63), (-(2**63) - 1, -(2.0**63)), (10**300, 1e300)],
)
def test_integers_that_do_not_fit_are_doubles(sent: object, double: float) -> None:
    """JavaScript's SDK sends every number without a fraction as an integer; one of them must not cost the request."""
    (attribute,) = read(span(attributes=[{"key": "k", "value": {"intValue": sent}}])).attributes
    assert attribute.value.double_value == double
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"asInt": sent}]}}]}]}]}
    payload = to_protobuf("metrics", json.dumps(body).encode())
    (resource,) = ExportMetricsServiceRequest.FromString(payload).resource_metrics
    assert resource.scope_metrics[0].metrics[0].gauge.data_points[0].as_double == double


def test_original_names_are_taken() -> None:
    """They would be lost without a word otherwise."""
    body = b'{"resource_spans": [{"scope_spans": [{"spans": [{"name": "a", "start_time_unix_nano": "7"}]}]}]}'
    found = read(body)
    assert (found.name, found.start_time_unix_nano) == ("a", 7)


def test_unknown_fields_are_ignored() -> None:
    """Newer senders may send more; OTLP says so."""
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a", "mood": {"x": [1]}}]}]}], "more": 1}'

    assert read(body).name == "a"


def test_wrong_bytes_and_half_surrogates_are_left_to_the_decoder() -> None:
    """Text that is not UTF-8 is cleaned and counted there, as in protobuf."""
    body = span(
        traceId="5b8efff798038103d269b633813fc60c",
        spanId="eee19b7ec3c1b174",
        name="raw!",
        traceState="\ud83d",
        startTimeUnixNano=1_785_000_000_000_000_001,
        endTimeUnixNano=1_785_000_000_000_000_002,
    ).replace(b"raw!", b"raw\xff")

    decoded = decode("traces", [to_protobuf("traces", body)])

    assert decoded.cleaned == {"invalid_utf8": 2}
    assert b"raw\xef\xbf\xbd" in decoded.blocks["otel_traces"].native


def test_what_is_nested_beyond_the_decoders_limit_is_cut_for_it_to_count() -> None:
    """The rest of the request is kept."""
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(150):
        value = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
    body = span(
        traceId="5b8efff798038103d269b633813fc60c",
        spanId="eee19b7ec3c1b174",
        startTimeUnixNano=1_785_000_000_000_000_001,
        endTimeUnixNano=1_785_000_000_000_000_002,
        attributes=[{"key": "deep", "value": value}],
    )

    decoded = decode("traces", [to_protobuf("traces", body)])

    assert (decoded.blocks["otel_traces"].rows, decoded.cleaned) == (1, {"nesting": 1})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value: line 1 column 1"),
        (b'{"resourceSpans": [', "Expecting value: line 1 column 20"),
        (b"[]", "the request: expected an object, not an array"),
        (b"null", "the request: expected an object, not null"),
        (b'{"resourceSpans": {}}', "resourceSpans: expected an array, not an object"),
        (b'{"resourceSpans": [7]}', r"resourceSpans\[0\]: expected an object, not a number"),
        (
            span(name=5),
            r"resourceSpans\[0\].scopeSpans\[0\].spans\[0\].name: expected a string, not a number",
        ),
        (span(endTimeUnixNano="soon"), "endTimeUnixNano: expected an integer, not 'soon'"),
        (span(endTimeUnixNano=True), "endTimeUnixNano: expected an integer, not a boolean"),
        (span(endTimeUnixNano=1.5), "endTimeUnixNano: expected an integer, not a number"),
        (span(traceId=7), "traceId: expected hex digits, not a number"),
        (span(flags=2**32), "flags: does not fit into 32 unsigned bits"),
        (span(kind=2**31), "kind: does not fit into 32 bits"),
        (span(attributes=[{"value": {"boolValue": "true"}}]), "boolValue: expected true or false, not a string"),
        (span(attributes=[{"value": {"bytesValue": "a*b"}}]), "bytesValue: not base64"),
        (span(attributes=[{"value": {"doubleValue": "one"}}]), "doubleValue: not a number"),
        (span(attributes=[{"value": {"doubleValue": 10**400}}]), "doubleValue: not a number that fits"),
        (b"[" * 100_000, "JSON is nested too deeply"),
    ],
)
def test_bad_json_is_refused_with_what_is_wrong_where(body: bytes, message: str) -> None:
    """A person can find the place from the message."""
    with pytest.raises(Malformed, match=f"^not an OTLP traces request: .*{message}"):
        to_protobuf("traces", body)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    {
        field.json_name
        for message in wire._pool.FindFileByName("spanruns/wire.proto").message_types_by_name.values()
        for field in message.fields
    }
    | {"resourceLogs", "scopeLogs", "logRecords", "timeUnixNano", "severityNumber", "traceId", "stringValue"}
)
SHAPED = st.recursive(
    ANYTHING, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
)


@settings(deadline=None)
@given(st.sampled_from(("traces", "logs", "metrics")), st.dictionaries(st.sampled_from(NAMES), SHAPED, max_size=3))
def test_any_json_becomes_protobuf_or_a_clear_error(signal: Signal, body: dict[str, Any]) -> None:
    """Whatever it is: never another exception, and never bytes that do not decode."""
    try:
        payload = to_protobuf(signal, json.dumps(body).encode())
    except Malformed:
        return
    decode(signal, [payload])


def test_a_log_record_with_every_field_comes_out_whole() -> None:
    """Logs go the same way as traces."""
    record = {
        "timeUnixNano": "5",
        "observedTimeUnixNano": 6,
        "severityNumber": "SEVERITY_NUMBER_INFO",
        "severityText": "info",
        "body": {"stringValue": "hello"},
        "flags": 1,
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "eventName": "spanruns.run.started",
        "droppedAttributesCount": 2,
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()

    found = ExportLogsServiceRequest.FromString(to_protobuf("logs", body)).resource_logs[0].scope_logs[0].log_records[0]

    assert json_format.MessageToDict(found) == record | {
        "timeUnixNano": "5",
        "observedTimeUnixNano": "6",
        "traceId": base64.b64encode(bytes.fromhex("5b8efff798038103d269b633813fc60c")).decode(),
        "spanId": base64.b64encode(bytes.fromhex("eee19b7ec3c1b174")).decode(),
    }
