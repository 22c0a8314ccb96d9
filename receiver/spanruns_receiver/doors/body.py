"""The body of an HTTP request: read, counted and decompressed piece by piece, never beyond the limit."""

from __future__ import annotations

import sys
import zlib
from collections.abc import AsyncIterator
from typing import Protocol

from spanruns_schema.errors import Malformed, TooLarge

from spanruns_receiver.doors.status import NotOtlp
from spanruns_receiver.memory import MemoryShare

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gzip", "deflate", "zstd")

# RFC 9659: whoever decodes zstd over HTTP need not take windows over 8 MiB.
_ZSTD_WINDOW_LOG = 23


class Decoder(Protocol):
    """A content coding, undone piece by piece."""

    def decode(self, data: bytes, limit_bytes: int) -> bytes:
        """What `data` adds, at most `limit_bytes`; raises `Malformed`."""

    def finish(self) -> None:
        """Raises `Malformed` when the body ended too early."""


class Identity:
    """No coding."""

    def decode(self, data: bytes, limit_bytes: int) -> bytes:
        """`data` itself."""
        return data[:limit_bytes]

    def finish(self) -> None:
        """Any end is right."""


class Zlib:
    """gzip (several members too) and deflate (with the zlib header, or without, as some send it)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate = zlib.decompressobj(31) if gzip else None

    def decode(self, data: bytes, limit_bytes: int) -> bytes:
        """What `data` adds, at most `limit_bytes`."""
        out = b""
        while data and len(out) < limit_bytes:
            if self._inflate is None:
                self._inflate = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
            elif self._inflate.eof:
                if not self._gzip:
                    raise Malformed("there are bytes behind the end of the compressed body")
                self._inflate = zlib.decompressobj(31)
            try:
                out += self._inflate.decompress(data, limit_bytes - len(out))
            except zlib.error as error:
                raise Malformed(f"the body is not what its content-encoding says: {error}") from error
            data = self._inflate.unused_data or self._inflate.unconsumed_tail
        return out

    def finish(self) -> None:
        """Raises `Malformed` when the last member is not complete."""
        if self._inflate is None or not self._inflate.eof:
            raise Malformed("the compressed body is cut off")


class Zstd:
    """zstd, several frames too."""

    def __init__(self) -> None:
        self._decompressor = self._new()

    def decode(self, data: bytes, limit_bytes: int) -> bytes:
        """What `data` adds, at most `limit_bytes`."""
        out = b""
        while (data or not self._decompressor.needs_input) and len(out) < limit_bytes:
            if self._decompressor.eof:
                self._decompressor = self._new()
            try:
                out += self._decompressor.decompress(data, limit_bytes - len(out))
            except zstd.ZstdError as error:
                raise Malformed(f"the body is not what its content-encoding says: {error}") from error
            data = self._decompressor.unused_data if self._decompressor.eof else b""
            if self._decompressor.eof and not data:
                break
        return out

    def finish(self) -> None:
        """Raises `Malformed` when the last frame is not complete."""
        if not self._decompressor.eof:
            raise Malformed("the compressed body is cut off")

    @staticmethod
    def _new() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


def decoder_of(content_encoding: str) -> Decoder:
    """The decoder for a `Content-Encoding` header; raises `NotOtlp` (415) for one that is not known."""
    match content_encoding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Zlib(gzip=True)
        case "deflate":
            return Zlib(gzip=False)
        case "zstd":
            return Zstd()
    raise NotOtlp(
        f"content-encoding {content_encoding!r} is not known here: use {', '.join(ENCODINGS)} or none",
        415,
        [("accept-encoding", ", ".join(ENCODINGS))],
    )


async def read_body(chunks: AsyncIterator[bytes], decoder: Decoder, limit_bytes: int, memory: MemoryShare) -> bytes:
    """The whole body, decoded; `memory` holds it, and what came of a body that is refused.

    Raises `TooLarge` when the body, as sent or decoded, is over `limit_bytes`, `Malformed` when it does not
    decode, `Overloaded` when there is no memory for it.
    """
    parts: list[bytes] = []
    received = decoded = 0
    async for chunk in chunks:
        received += len(chunk)
        part = decoder.decode(chunk, limit_bytes - decoded + 1)
        memory.take(len(part))
        decoded += len(part)
        parts.append(part)
        if max(received, decoded) > limit_bytes:
            raise TooLarge(f"the body has more than {limit_bytes} bytes")
    if received:
        decoder.finish()
    return b"".join(parts)
