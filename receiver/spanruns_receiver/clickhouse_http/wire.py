"""Bytes that ClickHouse's own tools expect.

Grafana's plugin (clickhouse-go over HTTP) begins a connection with one query, and decodes its answer in the framing of the
protocol version that it has asked for. The answer says revision 0; from then on it decodes blocks as `FORMAT Native` gives them.
"""

from __future__ import annotations

import struct

from spanruns_receiver.decode.block import varint

HELLO = "SELECT displayName(), version(), revision(), timezone()"
# BlockInfo: field 1 is_overflows = 0, field 2 bucket_num = -1, end.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_NO_CUSTOM_SERIALIZATION = b"\x00"
DISPLAY_NAME = "spanruns"


def is_hello(sql: str) -> bool:
    """Whether a statement is the one that a connection of clickhouse-go begins with."""
    return " ".join(sql.split()).rstrip("; ") == HELLO


def hello(version: str) -> bytes:
    """Its answer: one row of a Native block in the framing of protocol 54460, with revision 0."""
    columns = (
        ("displayName()", "String", _text(DISPLAY_NAME)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", _text("UTC")),
    )
    head = _BLOCK_INFO + varint(len(columns)) + varint(1)
    return head + b"".join(_text(name) + _text(kind) + _NO_CUSTOM_SERIALIZATION + data for name, kind, data in columns)


def _text(value: str) -> bytes:
    data = value.encode()
    return varint(len(data)) + data
