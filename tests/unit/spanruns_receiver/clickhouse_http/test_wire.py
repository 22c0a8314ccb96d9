"""The answer that clickhouse-go begins a connection with."""

from __future__ import annotations

from spanruns_receiver.clickhouse_http.wire import hello, is_hello


def test_hello_is_one_row_in_the_framing_of_its_protocol() -> None:
    """Block info, four columns, one row; each column with the byte that says it has no custom serialization."""
    assert hello("26.9.2.1") == (
        b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01"
        b"\x0ddisplayName()\x06String\x00\x08spanruns"
        b"\x09version()\x06String\x00\x0826.9.2.1"
        b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00"
        b"\x0atimezone()\x06String\x00\x03UTC"
    )


def test_long_texts_have_long_lengths() -> None:
    """Lengths are variable-length numbers."""
    assert b"\xac\x02" + b"v" * 300 in hello("v" * 300)


def test_only_that_query_is_hello() -> None:
    """However it is spaced; nothing else is taken for it."""
    assert is_hello("SELECT displayName(),  version(),\n revision(), timezone();")
    assert not is_hello("SELECT displayName(), version(), revision(), timezone(), 1")
