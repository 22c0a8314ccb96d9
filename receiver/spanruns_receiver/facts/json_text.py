"""JSON inside attribute values, read and written as ClickHouse's `JSONExtract…` and `toJSONString` do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

Path = Sequence[str | int]


class _Object(list[tuple[str, Any]]):
    """Members in their order; of a repeated key the first is found and all are written."""


class _Long(str):
    """An integer beyond 64 bits, which ClickHouse takes for a string."""

    __slots__ = ()


class _Nothing:
    """What stands where nothing stands, not even `null`."""


NOTHING = _Nothing()
Document = Any
"""A parsed value; `NOTHING` when it is not JSON."""


MAX_NESTING = 256
"""Arrays and objects inside one another; ClickHouse reads about 1,000."""


def parse(text: bytes) -> Document:
    """The value that `text` is; `NOTHING` for anything that is not JSON, is out of a double's range, or too deep."""
    if text.count(b"[") + text.count(b"{") > MAX_NESTING and _nesting(text) > MAX_NESTING:
        return NOTHING
    try:
        found = _DECODER.decode(text.removeprefix(b"\xef\xbb\xbf").decode())
        if b"\\ud" in text or b"\\uD" in text:  # half of a pair is no character
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return NOTHING
    return found


def string(text: bytes) -> bytes:
    """The text as it is meant: a JSON string without its quotes, anything else as it is; empty for a broken string."""
    if not text.startswith(b'"'):
        return text
    found = parse(text)
    return found.encode() if isinstance(found, str) else b""


def at(document: Document, path: Path) -> bytes:
    """What stands at `path` (numbers count from 1, or from the end): strings decoded, nothing for what is empty, else JSON."""
    for step in path:
        document = _member(document, step)
    if isinstance(document, str):
        return document.encode()
    if document is None or document is NOTHING or document == []:
        return b""
    return _json(document)


def strings(text: bytes) -> list[bytes]:
    """An array's members as texts; empty for anything else."""
    found = parse(text)
    if not isinstance(found, list) or isinstance(found, _Object) or all(member is None for member in found):
        return []
    return [_text(member) for member in found]


def pairs(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Keys and values as one object, slashes escaped as `toJSONString` does."""
    return b"{" + b",".join(b'"%b":"%b"' % (_slashed(key), _slashed(value)) for key, value in items) + b"}"


def _nesting(text: bytes) -> int:
    """How many arrays and objects are open at once, at most."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(depth, deepest)
            case b"]" | b"}":
                depth -= 1
    return deepest


def _member(document: Document, step: str | int) -> Document:
    if isinstance(step, str):
        if isinstance(document, _Object):
            return next((value for key, value in document if key == step), NOTHING)
        return NOTHING
    if isinstance(document, list) and 0 < abs(step) <= len(document):
        member = document[step - (step > 0)]
        return member[1] if isinstance(document, _Object) else member
    return NOTHING


def _text(member: Document) -> bytes:
    if member is None:
        return b""
    return member.encode() if isinstance(member, str) else _json(member)


def _json(document: Document) -> bytes:
    match document:
        case None:
            return b"null"
        case bool():
            return b"true" if document else b"false"
        case str():
            return _quoted(document.encode())
        case int():
            return b"%d" % document
        case float():
            return _double(document)
        case _Object():
            members = (b"%b:%b" % (_quoted(key.encode()), _json(value)) for key, value in document)
            return b"{" + b",".join(members) + b"}"
    return b"[" + b",".join(map(_json, document)) + b"]"


def _double(value: float) -> bytes:
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.removesuffix(".0").encode()
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}".encode()


_BRACKETS = re.compile(rb'[][{}]|"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_SPECIAL = re.compile(rb'["\\\x00-\x1f]|\xe2\x80[\xa8\xa9]')
_ESCAPES = {bytes((code,)): b"\\u%04X" % code for code in range(0x20)} | {
    b'"': b'\\"',
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\f": b"\\f",
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
    b"\xe2\x80\xa8": b"\\u2028",
    b"\xe2\x80\xa9": b"\\u2029",
}


def _escaped(text: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


def _quoted(text: bytes) -> bytes:
    return b'"' + _escaped(text) + b'"'


def _slashed(text: bytes) -> bytes:
    return _escaped(text).replace(b"/", b"\\/")


def _integer(text: str) -> int | str:
    if len(text) < 19:
        return int(text)
    if len(text) > 20:
        return _Long(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else _Long(text)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("beyond a double")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_integer, parse_float=_finite, parse_constant=_refuse)
