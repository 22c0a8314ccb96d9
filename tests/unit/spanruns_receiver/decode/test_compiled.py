"""The compiled decoder against the portable one: the same bytes, whatever comes in."""

from __future__ import annotations

import math
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spanruns_receiver.decode import Limits, Signal, compiled, portable, wire
from spanruns_receiver.decode.block import varint
from spanruns_receiver.decode.values import AHEAD_NS, EARLIEST_NS, LATEST_NS
from spanruns_receiver.facts import package_facts
from spanruns_schema.errors import BadInput, TooLarge

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="the compiled decoder is not installed")

if compiled.AVAILABLE:
    from spanruns_receiver._native import OPTIMISED, Decoder

FIXTURES = sorted((Path(__file__).parents[3] / "fixtures" / "otlp").glob("*.pb"))
SIGNALS: tuple[Signal, ...] = get_args(Signal)
# Small, so that generated messages reach them.
TIGHT = Limits(value_bytes=40, name_bytes=12, attributes=3, nesting=3, members=3)
NOW = 1_795_218_006_000_000_000

TIMES = (
    0,
    1,
    EARLIEST_NS - 1,
    EARLIEST_NS,
    NOW,
    NOW + 1,
    NOW + 2,
    NOW + AHEAD_NS - 1,
    NOW + AHEAD_NS,
    LATEST_NS - 1,
    LATEST_NS,
    (1 << 64) - 1,
)
INTEGERS = (0, 1, 2, 5, 6, 24, 25, 255, 256, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 63) - 5, (1 << 64) - 1)
DOUBLES = (0.0, -0.0, 1.0, -2.5, 1e21, 1e-6, 9.9e-7, -1e-7, 1e300, 5e-324, 123456789.125, 0.1, 2.0**70)
TEXTS = (
    b"",
    b"service.name",
    b"k",
    b"long key of an attribute",
    b'"\\\n\x01\x7f\x08\x0c\r\t',
    "Zürich 🚀 \u2028".encode(),
    b"\xed\xa0\x80",
    b"\xf0\x9f\x9a",
    b"a\xffb\xc0\xaf",
)
IDS = (b"", bytes(16), bytes(8), b"\1" * 16, b"\2" * 8, b"\3" * 7, b"\4" * 17)


# What a message is hardly ever without.
USUAL = {
    "Metric": ("gauge", "sum", "histogram", "exp_histogram", "summary"),
    "Gauge": ("points",),
    "Sum": ("points",),
    "Histogram": ("points",),
    "ExpHistogram": ("points",),
    "Summary": ("points",),
}


def field(number: int, wire_type: int, content: bytes) -> bytes:
    """One field as it stands in a message."""
    return varint(number << 3 | wire_type) + content


def sized(content: bytes) -> bytes:
    """`content` with its size in front."""
    return varint(len(content)) + content


class Maker:
    """Makes messages as the wire allows them: fields in any order and number, some wrong, some unknown.

    Hypothesis gives the seed only: drawn by it value by value, one message would take a second.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.room = 0

    def request(self, signal: Signal) -> bytes:
        """A request with one full resource at least."""
        self.room = 120  # fields
        item = {"traces": "Span", "logs": "LogRecord", "metrics": "Metric"}[signal]
        parts = [field(1, 2, sized(self.message("Resource")))]
        for _ in range(self.random.randrange(3)):
            items = (field(2, 2, sized(self.message(item))) for _ in range(self.random.randrange(4)))
            scope = field(1, 2, sized(self.message("Scope")))
            parts.append(field(2, 2, sized(b"".join(items) + scope)))
        self.random.shuffle(parts)
        rest = self.message(signal.capitalize()) if self.random.random() < 0.3 else b""
        return field(1, 2, sized(b"".join(parts))) + rest

    def message(self, name: str, depth: int = 0) -> bytes:
        """A message of the type `name` in `wire`."""
        fields = wire._MESSAGES[name]
        parts = []
        if name == "Span" and self.random.random() < 0.7:
            parts += [field(1, 2, sized(b"\1" * 16)), field(2, 2, sized(b"\2" * 8))]
        usual = USUAL.get(name)
        if usual and self.random.random() < 0.8:
            which = self.random.choice(usual)
            parts.append(self.member(which, fields[which], depth))
        for _ in range(min(self.room, self.random.choice((1, 2, 4, 8)) if depth < 4 else 1)):
            self.room -= 1
            parts.append(self.member(*self.random.choice(list(fields.items())), depth))
        if self.random.random() < 0.05:
            parts.insert(self.random.randrange(len(parts) + 1), self.unknown())
        return b"".join(parts)

    def member(self, name: str, number_and_kind: tuple[int, str], depth: int) -> bytes:
        """The field `name`, with a value that may be good or bad."""
        number, kind = number_and_kind
        base, _, _ = kind.removeprefix("*").partition("|")
        if base[0].isupper():
            return field(number, 2, sized(self.message(base, depth)))
        if base == "bytes":
            return field(number, 2, sized(self.blob(name, depth)))
        values = [self.number(base) for _ in range(self.random.randrange(1, 4) if kind[0] == "*" else 1)]
        if kind[0] == "*" and self.random.random() < 0.5:
            return field(number, 2, sized(b"".join(values)))
        wire_type = {"fixed64": 1, "sfixed64": 1, "double": 1, "fixed32": 5}.get(base, 0)
        if self.random.random() < 0.02:
            wire_type = self.random.randrange(6)
        return b"".join(field(number, wire_type, value) for value in values)

    def blob(self, name: str, depth: int) -> bytes:
        """The content of a string, bytes, array or map."""
        if name in ("array", "map") and depth < 8 and self.random.random() < 0.9:
            return self.message("ArrayValue" if name == "array" else "MapValue", depth + 1)
        if name.endswith("_id"):
            return self.random.choice(IDS)
        if self.random.random() < 0.1:
            return self.random.randbytes(self.random.randrange(60))
        return self.random.choice(TEXTS) * self.random.choice((1, 1, 1, 7))

    def number(self, kind: str) -> bytes:
        """A number of the type `kind` as it stands in a message."""
        if kind in ("fixed64", "sfixed64"):
            return struct.pack("<Q", self.random.choice(TIMES))
        if kind == "fixed32":
            return self.random.randbytes(4)
        if kind == "double" and self.random.random() < 0.5:
            return self.random.randbytes(8)
        if kind == "double":
            return struct.pack("<d", self.random.choice((*DOUBLES, math.nan, math.inf, -math.inf)))
        return varint(self.random.choice(INTEGERS))

    def unknown(self) -> bytes:
        """A field that no OTLP message has, of any wire type."""
        number = self.random.choice((14, 99, 4000, (1 << 29) - 1))
        match self.random.randrange(5):
            case 0:
                return field(number, 0, self.random.choice((b"\1", b"\xff" * 9 + b"\1", b"\x80" * 10)))
            case 1:
                return field(number, 1, bytes(8))
            case 2:
                return field(number, 2, sized(self.random.randbytes(5)))
            case 3:
                return field(number, 3, field(1, 0, b"\1")) + field(number, 4, b"")
            case _:
                return field(number, 5, bytes(4))

    def damaged(self, payload: bytes) -> bytes:
        """`payload` cut short, or with some bytes changed, removed or put in."""
        bad = bytearray(payload)
        for _ in range(self.random.choice((1, 1, 2, 4))):
            place = self.random.randrange(len(bad) + 1)
            match self.random.randrange(10):
                case 0:
                    del bad[place:]
                case 1 | 2:
                    del bad[place : place + 1]
                case 3 | 4:
                    bad[place:place] = self.random.randbytes(self.random.randrange(1, 4))
                case _:
                    bad[place : place + 1] = self.random.randbytes(1)
        return bytes(bad)


def outcome(call: Callable[..., object], *arguments: object) -> object:
    """What `call` returns, or the error with which it refuses."""
    try:
        return call(*arguments)
    except BadInput as error:
        return type(error), str(error)


def same(signal: Signal, payloads: list[bytes], limits: Limits) -> None:
    """Assert that both decoders give the same, or refuse with the same error; and that a check says so before.

    What is malformed and too large at once may be refused for either.
    """
    received, facts = [NOW] * len(payloads), package_facts()
    made, expected = (
        outcome(decoder.decode, signal, payloads, limits, received, facts) for decoder in (compiled, portable)
    )
    checks = [
        [outcome(decoder.validate, signal, payload, limits) for decoder in (compiled, portable)] for payload in payloads
    ]
    for got, wanted in [(made, expected), *checks]:
        if isinstance(got, tuple) and got[0] is TooLarge:
            assert isinstance(wanted, tuple)
        else:
            assert got == wanted
    assert isinstance(made, tuple) == any(isinstance(check, tuple) for check, _ in checks)


MAKERS = st.randoms(use_true_random=True).map(Maker)
PROPERTY = settings(max_examples=400, deadline=None)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["default", "tight"])
def test_generated_requests_give_the_same_bytes(signal: Signal, limits: Limits) -> None:
    """Requests of every shape that the wire allows come out the same from both decoders."""

    @PROPERTY
    @given(MAKERS)
    def check(make: Maker) -> None:
        same(signal, [make.request(signal) for _ in range(make.random.randrange(3))], limits)

    check()


@pytest.mark.parametrize("signal", SIGNALS)
def test_damaged_requests_give_the_same_bytes_or_the_same_error(signal: Signal) -> None:
    """Requests with some bytes changed are decoded or refused alike, and a check beforehand knows which."""

    @PROPERTY
    @given(MAKERS)
    def check(make: Maker) -> None:
        same(signal, [make.damaged(make.request(signal))], TIGHT)

    check()


def test_damaged_captures_give_the_same_bytes_or_the_same_error() -> None:
    """Captured requests with some bytes changed are decoded or refused alike."""
    captures = [path.read_bytes() for path in FIXTURES]

    @PROPERTY
    @given(MAKERS)
    def check(make: Maker) -> None:
        same("traces", [make.damaged(make.random.choice(captures))], Limits())

    check()


@pytest.mark.parametrize("signal", SIGNALS)
def test_arbitrary_bytes_give_the_same_bytes_or_the_same_error(signal: Signal) -> None:
    """Bytes that were never a request are decoded or refused alike."""

    @PROPERTY
    @given(st.binary(max_size=200))
    def check(payload: bytes) -> None:
        same(signal, [payload], Limits())

    check()


@pytest.mark.parametrize("signal", SIGNALS)
def test_groups_inside_one_another_are_refused_at_the_same_depth(signal: Signal) -> None:
    """Protobuf allows a hundred levels, wherever they are."""
    for depth in range(95, 105):
        groups = field(99, 3, b"") * depth + field(99, 4, b"") * depth
        same(signal, [groups], Limits())
        same(signal, [field(1, 2, sized(groups))], Limits())
        same(signal, [field(1, 2, sized(field(2, 2, sized(field(2, 2, sized(groups))))))], Limits())


def test_doubles_are_written_with_the_same_digits() -> None:
    """Any double, and exact ties between two shortest forms, of which the even one is taken."""

    @settings(deadline=None)
    @given(st.lists(st.floats() | st.integers(-(2**57), 2**57).map(lambda number: number / 8), max_size=50))
    def check(numbers: list[float]) -> None:
        members = b"".join(field(1, 2, sized(field(4, 1, struct.pack("<d", number)))) for number in numbers)
        record = field(5, 2, sized(field(5, 2, sized(members))))
        same("logs", [field(1, 2, sized(field(2, 2, sized(field(2, 2, sized(record))))))], Limits())

    check()


def test_the_gil_is_released_while_decoding() -> None:
    """Another thread runs Python while a large batch is decoded."""
    payloads = [FIXTURES[0].read_bytes()] * 5000
    running, ran = threading.Event(), threading.Event()

    def other() -> None:
        running.wait()
        ran.set()

    # Where the GIL is only ever handed over when it is released, the other thread has no other chance.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        thread = threading.Thread(target=other)
        thread.start()
        running.set()
        compiled.decode("traces", payloads, Limits())
        seen = ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert seen


def test_threads_decode_at_once_with_the_same_result() -> None:
    """Nothing is shared between calls."""
    payloads = [path.read_bytes() for path in FIXTURES]
    expected = compiled.decode("traces", payloads, Limits())

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: compiled.decode("traces", payloads, Limits()), range(40)))

    assert found == [expected] * 40


def test_a_panic_is_logged_and_python_decodes_instead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect in compiled code must not stop a batch; with headers of one table only, the others' blocks fail."""
    payload = FIXTURES[0].read_bytes()
    monkeypatch.setattr(compiled, "_decoder", Decoder({"otel_traces": [b""]}))

    found = compiled.decode("traces", [payload], Limits(), [], package_facts())

    assert found == portable.decode("traces", [payload], Limits(), [], package_facts())
    assert [record.message for record in caplog.records] == [
        "the compiled decoder failed; decoding these payloads in Python"
    ]


def test_the_installed_decoder_is_optimised() -> None:
    """An editable install builds for debugging unless it is told not to, and that is several times slower."""
    assert OPTIMISED
