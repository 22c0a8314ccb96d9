"""A request of ClickHouse's HTTP interface, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from spanruns_schema.errors import Malformed
from spanruns_schema.gate import HARMLESS, LIMITS
from spanruns_schema.store import Verbatim

DEFAULT_FORMAT = "TabSeparated"


@dataclass(frozen=True)
class Asked:
    """One statement with everything that belongs to it."""

    sql: str
    database: str
    format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, Verbatim]
    compress: bool
    native_protocol: int
    query_id: str


def parse(query: str, headers: Mapping[str, str], body: bytes) -> Asked:
    """A request from its query string, its headers (names in lower case) and its body.

    Raises `Malformed` for what cannot be read.
    """
    fields = dict(parse_qsl(query, keep_blank_values=True))
    content_type = headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        fields |= _form(content_type, body)
        body = b""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("the query is not UTF-8") from error
    return Asked(
        sql="\n".join(part for part in (fields.get("query", ""), text) if part),
        database=headers.get("x-clickhouse-database") or fields.get("database", ""),
        format=headers.get("x-clickhouse-format") or fields.get("default_format") or DEFAULT_FORMAT,
        # Those that do anything; what else clients send is theirs or the transport's.
        settings={name: value for name, value in fields.items() if name in LIMITS or HARMLESS.fullmatch(name)},
        parameters={
            name.removeprefix("param_"): Verbatim(value) for name, value in fields.items() if name.startswith("param_")
        },
        compress=fields.get("compress") == "1",
        native_protocol=_number("client_protocol_version", fields.get("client_protocol_version", "0")),
        query_id=headers.get("x-clickhouse-query-id") or fields.get("query_id", ""),
    )


def _number(name: str, text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise Malformed(f"{name} is no number: {text!r}")
    return int(text)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in message.iter_parts():
        name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            fields[name] = value.decode(errors="replace")
    return fields
