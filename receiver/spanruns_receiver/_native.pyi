from collections.abc import Mapping, Sequence

OPTIMISED: bool
"""Whether this is a release build; a debug build is several times slower."""

class Decoder:
    """OTLP payloads to ClickHouse blocks; made with each table's column headers as they stand in a block."""

    def __new__(cls, headers: Mapping[str, Sequence[bytes]]) -> Decoder: ...
    def decode(
        self,
        signal: str,
        payloads: Sequence[bytes],
        received: Sequence[int],
        limits: tuple[int, int, int, int, int, int, int],
    ) -> tuple[list[tuple[str, int, bytes]], list[tuple[str, int]], list[tuple[str, int]]]:
        """Blocks as (table, rows, native), cleaned and rejected as (reason, count).

        Raises ValueError(position, reason).
        """

    def validate(
        self, signal: str, payload: bytes, limits: tuple[int, int, int, int, int, int, int]
    ) -> tuple[int, list[tuple[str, int]]]:
        """Items, and rejected as (reason, count); raises ValueError(0, reason)."""
