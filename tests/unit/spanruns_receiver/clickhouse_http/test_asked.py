"""Requests of the interface, taken apart."""

from __future__ import annotations

import pytest
from spanruns_receiver.clickhouse_http.asked import parse
from spanruns_schema.errors import Malformed


def test_a_request_of_the_grafana_plugin() -> None:
    """SQL in the body, what concerns it in the address."""
    query = "client_protocol_version=54460&database=spanruns&default_format=Native&max_execution_time=65&query_id=q1"
    asked = parse(query, {"user-agent": "grafana/13"}, b"SELECT 1")
    assert (asked.sql, asked.database, asked.format, asked.native_protocol, asked.query_id, asked.compress) == (
        "SELECT 1",
        "spanruns",
        "Native",
        54460,
        "q1",
        False,
    )
    assert asked.settings == {"max_execution_time": "65"}


def test_a_request_of_curl() -> None:
    """SQL in the address, more of it in the body, parameters as they are spelled there."""
    asked = parse("query=SELECT+{a:Array(String)}&param_a=%5B%27x%27%5D&limit=5&param_empty=", {}, b"FORMAT CSV")
    assert asked.sql == "SELECT {a:Array(String)}\nFORMAT CSV"
    assert asked.parameters == {"a": "['x']", "empty": ""}
    assert (asked.format, asked.settings) == ("TabSeparated", {"limit": "5"})


def test_a_form() -> None:
    """Long parameters come in a form."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nline\\nline\r\n--x--\r\n'
    )
    asked = parse("database=spanruns", {"content-type": "multipart/form-data; boundary=x"}, body)
    assert (asked.sql, asked.parameters) == ("SELECT {a:String}", {"a": "line\\nline"})


def test_headers_name_format_and_database() -> None:
    """As Java's client sends them."""
    headers = {
        "x-clickhouse-format": "RowBinaryWithNamesAndTypes",
        "x-clickhouse-database": "spanruns",
        "x-clickhouse-query-id": "q2",
    }
    asked = parse("compress=1", headers, b"SELECT 1")
    assert (asked.format, asked.database, asked.query_id, asked.compress) == (
        "RowBinaryWithNamesAndTypes",
        "spanruns",
        "q2",
        True,
    )


def test_settings_that_do_nothing_here_are_left_out() -> None:
    """What is harmless, or a limit, is kept; the rest is the client's or the transport's."""
    query = "readonly=0&allow_ddl=1&max_memory_usage=1&output_format_json_quote_denormals=1&wait_end_of_query=1"
    assert parse(query, {}, b"SELECT 1").settings == {
        "max_memory_usage": "1",
        "output_format_json_quote_denormals": "1",
    }


@pytest.mark.parametrize(
    ("query", "body"),
    [("client_protocol_version=-1", b"S"), ("client_protocol_version=9e9", b"S"), ("", b"\xff")],
)
def test_what_cannot_be_read_is_refused(query: str, body: bytes) -> None:
    """As the caller's mistake."""
    with pytest.raises(Malformed):
        parse(query, {}, body)
