"""Bodies: decoded piece by piece, and never beyond the limit."""

from __future__ import annotations

import asyncio
import gzip
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.doors.body import decoder_of, read_body
from spanruns_receiver.doors.status import NotOtlp
from spanruns_receiver.memory import MemoryBudget
from spanruns_schema.errors import Malformed, Overloaded, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = b"some spans and more spans " * 400


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the zlib header, as some clients send it."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def long_window(data: bytes) -> bytes:
    """zstd with a window of 128 MiB."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return compressor.compress(data) + compressor.flush()


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZIP", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstd.compress),
    ("zstd", lambda data: zstd.compress(data[:10]) + zstd.compress(data[10:])),
]


def read(
    body: bytes, encoding: str, *, limit: int = 20_000, piece: int = 1000, memory: MemoryBudget | None = None
) -> bytes:
    """Read `body` in pieces, as a server would get it."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), piece):
            yield body[at : at + piece]

    with (memory or MemoryBudget(10**9)).share() as share:
        result = asyncio.run(read_body(chunks(), decoder_of(encoding), limit, share))
        assert share.held_bytes == len(result)
    return result


@pytest.mark.parametrize(("encoding", "encode"), ENCODERS)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_round_trip(encoding: str, encode: Callable[[bytes], bytes], piece: int) -> None:
    """Every coding is undone, however the body is cut into pieces."""
    assert read(encode(DATA), encoding, piece=piece) == DATA


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd"])
def test_empty_body(encoding: str) -> None:
    """No body at all is an empty one."""
    assert read(b"", encoding) == b""


@pytest.mark.parametrize(("encoding", "encode"), ENCODERS)
def test_exactly_the_limit_is_let_in(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    """The limit itself is allowed, one byte more is not."""
    assert read(encode(DATA), encoding, limit=len(DATA)) == DATA
    with pytest.raises(TooLarge):
        read(encode(DATA), encoding, limit=len(DATA) - 1)


@pytest.mark.parametrize(
    ("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
def test_bomb_stops_at_the_limit(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    """A small body that would become a large one is given up at the limit, and its memory with it."""
    bomb = encode(bytes(200 * 2**20))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        read(bomb, encoding, limit=2**20, piece=64 * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


def test_large_window_is_refused() -> None:
    """zstd bodies cannot ask for a window larger than HTTP allows."""
    with pytest.raises(Malformed, match="content-encoding"):
        read(long_window(DATA * 100), "zstd", limit=10**7)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_wrong_bytes(encoding: str) -> None:
    """A body that is not what it says is malformed."""
    with pytest.raises(Malformed):
        read(b"\x08\x99 this is plain text", encoding)


@pytest.mark.parametrize(("encoding", "encode"), [e for e in ENCODERS if e[0] not in ("", "identity")])
def test_cut_body(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    """A compressed body that ends too early is malformed."""
    with pytest.raises(Malformed):
        read(encode(DATA)[:-3], encoding)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["gzip", "deflate", "zstd"]), st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes(encoding: str, body: bytes, piece: int) -> None:
    """Any bytes are decoded or refused; nothing hangs and nothing else is raised."""
    try:
        read(body, encoding, piece=piece)
    except (Malformed, TooLarge):
        return


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "lz4"])
def test_unknown_encoding(encoding: str) -> None:
    """A coding that is not known is 415, and the answer says which are."""
    with pytest.raises(NotOtlp) as refused:
        decoder_of(encoding)
    assert (refused.value.http, list(refused.value.headers)) == (
        415,
        [("accept-encoding", "gzip, deflate, zstd")],
    )


def test_memory_is_counted_while_reading() -> None:
    """Without memory for a body its reading stops, and what it held is free again."""
    memory = MemoryBudget(5000)
    with memory.share(1000):
        with pytest.raises(Overloaded):
            read(DATA, "", memory=memory)
        assert memory.used_bytes == 1000
