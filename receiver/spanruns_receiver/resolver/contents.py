"""Contents that came as log records: given to the spans that they tell of, where those have none of their own. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile, groupby, takewhile
from typing import Any, NamedTuple

import numpy as np
from spanruns_schema.dialects.mapping import CONTENT

from spanruns_receiver.facts.reading import cut
from spanruns_receiver.resolver.columns import Bools, Columns, Event, Ints, Keys
from spanruns_receiver.resolver.table import Labels, Table, Texts, either, string, unpacked

_EVENT = CONTENT.encode()
_ABOUT = frozenset(("role", "id", "index", "finish_reason"))
"""What a message says beside its content."""

_ELIDED = "<elided>"
"""What Google's libraries put where content is not to be told."""
_FIRST, _ANSWER = 0, 2
"""Turns, which order what a coarse clock puts into one moment: what the system says, what others ask, the answers."""


class _Piece(NamedTuple):
    """What one record holds of its span; pieces are sorted by their first fields. Of one message `speaker` says whose it is."""

    span_key: int
    at_us: int
    turn: int
    record: bytes
    speaker: bytes
    input: bytes
    input_size: int
    output: bytes
    output_size: int


class _Content(NamedTuple):
    text: bytes
    size: int


_NONE = _Content(b"", 0)


def told_spans(facts: Columns) -> Keys:
    """The key of the span that each fact (FACT) tells of: its own, of contents that of the one they hang below."""
    is_content = facts["event"] == Event.CONTENT
    return np.where(is_content, facts["parent_key"], facts["span_key"]) if is_content.any() else facts["span_key"]


def apart(facts: Columns) -> tuple[Columns, Columns]:
    """The facts (FACT) of spans and of their lives, and those that are only contents: they make no span, and keep none waiting."""
    is_content: Bools = facts["event"] == Event.CONTENT
    if not is_content.any():
        return facts, facts.take(np.zeros(0, np.int64))
    return facts.take(np.flatnonzero(~is_content)), facts.take(np.flatnonzero(is_content))


def note(spans: Columns, contents: Columns) -> None:
    """Write down in `spans` (FACT, by key) which of them have contents in records."""
    if not len(contents):
        return
    place = _places(spans["span_key"], contents["parent_key"])
    for name in ("has_input", "has_output"):
        told = (place >= 0) & (contents[name] > 0)
        spans[name][place[told]] = 1


def with_contents(facts: Table) -> Table:
    """The facts without those that are only contents; these go to their spans, `input` and `output` each where it is missing."""
    events: Labels = facts["event"]
    if string(_EVENT) not in events.each:
        return facts
    is_content = events.among({_EVENT: 1}) > 0
    keys, told = _assembled(facts.take(np.flatnonzero(is_content)))
    facts = facts.take(np.flatnonzero(~is_content))
    place = _places(keys, facts["span_key"])
    for column, contents in told.items():
        own, sizes = facts[column], facts[f"{column}_size"]
        lacks = np.where(sizes > 0, -1, place)
        texts = Texts.of([string(content.text) for content in contents]).take(lacks)
        size = np.array([*(content.size for content in contents), 0], sizes.dtype)[lacks]
        facts = facts.with_column(column, either(own, texts)).with_column(f"{column}_size", np.maximum(sizes, size))
    return facts


def _places(keys: Keys, of: Keys) -> Ints:
    """Where among `keys`, which are in order, each of the others stands; -1 where it does not."""
    if not len(keys):
        return np.full(len(of), -1, np.int64)
    place = np.minimum(np.searchsorted(keys, of), len(keys) - 1)
    return np.where(keys[place] == of, place, -1)


def _assembled(contents: Table) -> tuple[Keys, dict[str, list[_Content]]]:
    """The spans that records tell of, in order, and for each of them the inputs and outputs."""
    keys: list[int] = []
    inputs: list[_Content] = []
    outputs: list[_Content] = []
    for key, group in groupby(sorted(set(_pieces(contents))), key=lambda piece: piece.span_key):
        pieces = list(group)
        messages = [piece for piece in pieces if piece.speaker]
        keys.append(key)
        inputs.append(_whole_input(pieces) or _joined((p.speaker, p.input, p.input_size) for p in _asked(messages)))
        outputs.append(_whole_output(pieces) or _joined((p.speaker, p.output, p.output_size) for p in _said(messages)))
    return np.array(keys, np.uint64), {"input": inputs, "output": outputs}


def _pieces(contents: Table) -> Iterator[_Piece]:
    """One a record; the same again where it came again."""
    every = range(len(contents))
    numbers = (contents[name].tolist() for name in ("span_key", "event_at", "input_size", "output_size"))
    texts = (map(unpacked, contents[name].packed(every)) for name in ("span_id", "name", "input", "output"))
    for (key, at, input_size, output_size), (record, speaker, input_, output) in zip(
        zip(*numbers, strict=True), zip(*texts, strict=True), strict=True
    ):
        turn = _ANSWER if output_size else _FIRST if speaker == b"system" else 1
        yield _Piece(key, at, turn, record, speaker, input_, input_size, output, output_size)


def _whole_input(pieces: Sequence[_Piece]) -> _Content | None:
    """The first."""
    return next((_Content(p.input, p.input_size) for p in pieces if p.input_size and not p.speaker), None)


def _whole_output(pieces: Sequence[_Piece]) -> _Content | None:
    """The last."""
    return next((_Content(p.output, p.output_size) for p in reversed(pieces) if p.output_size and not p.speaker), None)


def _asked(messages: Sequence[_Piece]) -> list[_Piece]:
    """What was said before the first answer. A span around several calls has the messages of all, each time from the beginning."""
    before = list(takewhile(lambda piece: piece.turn != _ANSWER, messages))
    return before or [piece for piece in messages if piece.input_size]


def _said(messages: Sequence[_Piece]) -> list[_Piece]:
    """The last answers."""
    ended = dropwhile(lambda piece: piece.turn != _ANSWER, reversed(messages))
    return [*takewhile(lambda piece: piece.turn == _ANSWER, ended)][::-1]


def _joined(messages: Iterable[tuple[bytes, bytes, int]]) -> _Content:
    """Messages as one JSON array."""
    told = [message for message in (_message(*said) for said in messages) if message.size]
    if not told:
        return _NONE
    size = sum(message.size for message in told) + len(told) + 1
    return _Content(cut(b"[" + b",".join(message.text for message in told) + b"]"), size)


def _message(speaker: bytes, text: bytes, size: int) -> _Content:
    """One message as the older convention has it, with its speaker in front; nothing where it has no content.

    A choice holds the message that was chosen. A text that was cut is past the limit: nothing comes behind it.
    """
    said = _parsed(text) if size == len(text) else None
    if said is None and text.startswith(b"{"):
        start = b'{"role":"%b",' % speaker
        return _Content(start + text[1:], size + len(start) - 1)
    role = {"role": speaker.decode()}
    if not isinstance(said, dict):
        made = _json(role | {"content": said if isinstance(said, list | str) else text.decode(errors="replace")})
        return _Content(made, len(made) + size - len(text))
    chosen = said["message"] if isinstance(said.get("message"), dict) else {}
    message = (
        role | chosen | {key: value for key, value in said.items() if key not in ("index", *(chosen and ["message"]))}
    )
    if not any(value for key, value in message.items() if key not in _ABOUT and value != _ELIDED):
        return _NONE
    made = _json(message)
    return _Content(made, len(made))


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
