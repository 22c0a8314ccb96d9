"""OTLP/JSON to OTLP/protobuf, so that everything behind the doors sees one encoding.

The JSON mapping of the OTLP specification is protobuf's own, with differences: trace and span ids are hex,
unknown fields are ignored, enums are integers (names are taken as well), 64-bit integers come as strings or
as numbers. Fields under their original names (`trace_id`) are taken too, as the Collector takes them: unknown, they would be lost
without a word. Protobuf's own converter cannot do this: it takes ids for base64, refuses a request for one
wrong value, and costs a millisecond a span. So the wire bytes are written here, by the generated descriptors.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from spanruns_schema.errors import Malformed

from spanruns_receiver.decode.block import varint
from spanruns_receiver.decode.model import Signal

# Arrays and maps nested deeper than this are left empty: far beyond what the decoder keeps, so it counts
# them.
MAX_NESTING = 70
_NESTED = ("opentelemetry.proto.common.v1.ArrayValue", "opentelemetry.proto.common.v1.KeyValueList")
_NOT_AN_ID = b"\0"

_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_UINT64 = (1 << 64) - 1
_INT64 = range(-(1 << 63), 1 << 63)


class _BadError(Exception):
    """What is wrong; `path` collects where, from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: list[str] = []


def to_protobuf(signal: Signal, body: bytes) -> bytes:
    """The protobuf `Export*ServiceRequest` that says the same as the JSON `body`.

    Values that only the decoder can judge (wrong ids, impossible times) pass, to be cleaned and counted
    there. Raises `Malformed`, saying what is wrong where.
    """
    try:
        # Wrong bytes travel as lone surrogates and come out as they were, for the decoder to clean.
        request = json.loads(body.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape"))
    except RecursionError as error:
        raise Malformed(f"not an OTLP {signal} request: JSON is nested too deeply") from error
    except ValueError as error:
        raise Malformed(f"not an OTLP {signal} request: {error}") from error
    try:
        return _message(_REQUESTS[signal], request, 0)
    except _BadError as error:
        place = "".join(reversed(error.path)).lstrip(".") or "the request"
        raise Malformed(f"not an OTLP {signal} request: {place}: {error}") from error


class _Field:
    """How one field goes from a JSON value to wire bytes, its tag included."""

    def __init__(self, field: FieldDescriptor, repeated: bool) -> None:
        self.repeated = repeated
        self.nested = False
        self.message: Descriptor | None = field.message_type
        self.scalar: Callable[[Any], bytes]
        if self.message is not None:
            self.nested = self.message.full_name in _NESTED
            wire_type, self.scalar = _LEN, _string
        elif field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id"):
            wire_type, self.scalar = _LEN, _identifier
        elif field.enum_type is not None:
            wire_type, self.scalar = _VARINT, _enum(field.enum_type)
        else:
            wire_type, self.scalar = _SCALARS[field.type]
        self.tag = varint(field.number << 3 | wire_type)
        self.double_tag = _double_beside(field)

    def encode(self, value: Any, depth: int) -> bytes:
        if self.message is None:
            if self.double_tag and (number := _integer(value)) not in _INT64:
                return self.double_tag + _double(number)
            return self.tag + self.scalar(value)
        if self.nested and depth >= MAX_NESTING:
            return self.tag + b"\0"
        inner = _message(self.message, value, depth + self.nested)
        return self.tag + varint(len(inner)) + inner

    def encode_all(self, values: Any, depth: int) -> bytes:
        if not isinstance(values, list):
            raise _BadError(f"expected an array, not {_kind(values)}")
        parts = []
        for position, value in enumerate(values):
            try:
                parts.append(self.encode(value, depth))
            except _BadError as error:
                error.path.append(f"[{position}]")
                raise
        return b"".join(parts)


def _double_beside(field: FieldDescriptor) -> bytes:
    """The tag of the double that an integer may be instead; empty for other fields.

    JavaScript's SDK calls every number without a fraction an integer, 1e21 too.
    """
    if field.type not in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SFIXED64) or not field.containing_oneof:
        return b""
    doubles = [other for other in field.containing_oneof.fields if other.type == FieldDescriptor.TYPE_DOUBLE]
    return varint(doubles[0].number << 3 | _I64)


def _message(descriptor: Descriptor, value: Any, depth: int) -> bytes:
    if not isinstance(value, dict):
        raise _BadError(f"expected an object, not {_kind(value)}")
    fields = _fields(descriptor)
    parts = []
    for name, member in value.items():
        field = fields.get(name)
        if field is None or member is None:
            continue
        try:
            parts.append(field.encode_all(member, depth) if field.repeated else field.encode(member, depth))
        except _BadError as error:
            error.path.append(f".{name}")
            raise
    return b"".join(parts)


def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    fields = _FIELDS.get(descriptor.full_name)
    if fields is None:
        fields = {}
        proto = DescriptorProto()
        descriptor.CopyToProto(proto)
        repeated = {field.number for field in proto.field if field.label == field.LABEL_REPEATED}
        for field in descriptor.fields:
            fields[field.name] = fields[field.json_name] = _Field(field, field.number in repeated)
        _FIELDS[descriptor.full_name] = fields
    return fields


_FIELDS: dict[str, dict[str, _Field]] = {}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _BadError(f"expected a string, not {_kind(value)}")
    try:
        raw = value.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, escaped in the JSON
        raw = value.encode(errors="surrogatepass")
    return varint(len(raw)) + raw


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _BadError(f"expected base64, not {_kind(value)}")
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _BadError("not base64") from error
    return varint(len(raw)) + raw


def _identifier(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _BadError(f"expected hex digits, not {_kind(value)}")
    try:
        raw = bytes.fromhex(value) if not any(map(str.isspace, value)) else _NOT_AN_ID
    except ValueError:
        raw = _NOT_AN_ID
    return varint(len(raw)) + raw


def _integer(value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str) and len(value) <= 30 else value
    except ValueError:
        number = value
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        what = repr(value) if isinstance(value, str) and len(value) <= 30 else _kind(value)
        raise _BadError(f"expected an integer, not {what}")
    return number


def _signed(value: Any, bits: int) -> int:
    number = _integer(value)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise _BadError(f"does not fit into {bits} bits")
    return number


def _unsigned(value: Any, bits: int) -> int:
    number = _integer(value)
    if not 0 <= number < 1 << bits:
        raise _BadError(f"does not fit into {bits} unsigned bits")
    return number


def _fixed64(value: Any) -> bytes:
    # Times: what is out of range becomes impossible, for the decoder to clean.
    number = _integer(value)
    return struct.pack("<Q", number if 0 <= number <= _UINT64 else _UINT64)


def _zigzag(value: Any) -> bytes:
    number = _signed(value, 32)
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _double(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _BadError(f"expected a number, not {_kind(value)}")
    try:
        return struct.pack("<d", float(value))
    except (ValueError, OverflowError) as error:
        raise _BadError("not a number that fits into 64 bits") from error


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise _BadError(f"expected true or false, not {_kind(value)}")
    return b"\1" if value else b"\0"


def _enum(descriptor: EnumDescriptor) -> Callable[[Any], bytes]:
    numbers = {name: value.number for name, value in descriptor.values_by_name.items()}

    def encode(value: Any) -> bytes:
        # An unknown name is what an unknown field is: ignored.
        if isinstance(value, str) and not value.lstrip("-").isdecimal():
            value = numbers.get(value, 0)
        return varint(_signed(value, 32) & _UINT64)

    return encode


_SCALARS: dict[int, tuple[int, Callable[[Any], bytes]]] = {
    FieldDescriptor.TYPE_STRING: (_LEN, _string),
    FieldDescriptor.TYPE_BYTES: (_LEN, _bytes),
    FieldDescriptor.TYPE_BOOL: (_VARINT, _bool),
    FieldDescriptor.TYPE_DOUBLE: (_I64, _double),
    FieldDescriptor.TYPE_FIXED64: (_I64, _fixed64),
    FieldDescriptor.TYPE_SFIXED64: (_I64, lambda value: struct.pack("<q", _signed(value, 64))),
    FieldDescriptor.TYPE_FIXED32: (_I32, lambda value: struct.pack("<I", _unsigned(value, 32))),
    FieldDescriptor.TYPE_INT32: (_VARINT, lambda value: varint(_signed(value, 32) & _UINT64)),
    FieldDescriptor.TYPE_INT64: (_VARINT, lambda value: varint(_signed(value, 64) & _UINT64)),
    FieldDescriptor.TYPE_UINT32: (_VARINT, lambda value: varint(_unsigned(value, 32))),
    FieldDescriptor.TYPE_UINT64: (_VARINT, lambda value: varint(_unsigned(value, 64))),
    FieldDescriptor.TYPE_SINT32: (_VARINT, _zigzag),
}

_REQUESTS: dict[Signal, Descriptor] = {
    "traces": ExportTraceServiceRequest.DESCRIPTOR,
    "logs": ExportLogsServiceRequest.DESCRIPTOR,
    "metrics": ExportMetricsServiceRequest.DESCRIPTOR,
}
