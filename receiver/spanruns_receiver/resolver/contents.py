"""Contents, and errors, that came as log records: given to the spans that they tell of, where those have none of their own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile, groupby, takewhile
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from spanruns_schema.dialects.rules import CONTENT

from spanruns_receiver.resolver.columns import ROLES, Bools, Columns, Event, Ints, Keys, Role
from spanruns_receiver.resolver.joins import places
from spanruns_receiver.resolver.messages import Content, Message, joined, tool_contents
from spanruns_receiver.resolver.table import Labels, Table, Texts, either, either_label, string, unpacked
from spanruns_receiver.resolver.words import OTHER

_EVENT = CONTENT.encode()
_BARE = (string(b"{}"), string(b"[]"))
_FIRST, _ANSWER = 0, 2
"""Turns, which order what a coarse clock puts into one moment: what the system says, what others ask, the answers."""


class _Piece(NamedTuple):
    """What one record holds of its span; pieces are sorted by their first fields. Of one message `speaker` says whose it is."""

    span_key: int
    at_us: int
    turn: int
    record: bytes
    speaker: bytes
    input: Content
    output: Content
    trace_id: bytes


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
    """Write down in `spans` (FACT) which of them have contents in records."""
    if not len(contents):
        return
    place = places(contents["parent_key"], spans["span_key"])
    for name in ("has_input", "has_output"):
        told = (place >= 0) & (contents[name] > 0)
        spans[name][place[told]] = 1


def with_contents(facts: Table) -> Table:
    """The facts without those that are only contents; these go to their spans, `input` and `output` each where it is missing. What
    messages say of tool calls goes to those, what records say of an error to spans that failed."""
    events: Labels = facts["event"]
    if string(_EVENT) not in events.each:
        return facts
    is_content = events.among({_EVENT: 1}) > 0
    records = facts.take(np.flatnonzero(is_content))
    pieces = sorted(set(_pieces(records)))
    facts = _with_errors(facts.take(np.flatnonzero(~is_content)), records)
    keys, inputs, outputs = _assembled(pieces)
    place = places(facts["span_key"], keys)
    facts = _filled(_filled(facts, "input", place, inputs), "output", place, outputs)
    return _with_tool_contents(facts, pieces)


def _filled(facts: Table, column: str, place: Ints, contents: Sequence[Content]) -> Table:
    """The facts with the content at `place` (-1: none) where they have none of their own, or an empty object instead."""
    own, sizes = facts[column], facts[f"{column}_size"]
    told = np.array([*(content.size for content in contents), 0], sizes.dtype)[place]
    lacks = sizes == 0
    short = np.flatnonzero((sizes == len(b"{}")) & (told > 0))
    lacks[short] = [text in _BARE for text in own.packed(short)]
    given = lacks & (told > 0)
    texts = Texts.of([string(content.text) for content in contents]).take(np.where(given, place, -1))
    texts = either(texts, own)
    return facts.with_column(column, texts).with_column(f"{column}_size", np.where(given, told, sizes))


def _with_errors(facts: Table, records: Table) -> Table:
    """The type and the message of an error that a failed span does not tell itself: those of its last record that has one."""
    told = np.flatnonzero(~records["error_type"].is_empty | ~records["error_message"].is_empty)
    if not len(told):
        return facts
    order = zip(records["event_at"][told].tolist(), records["span_id"].packed(told), told.tolist(), strict=True)
    last = {records["span_key"][row]: row for _, _, row in sorted(order)}
    records = records.take(np.array([*last.values()], np.int64))
    kinds = facts["error_type"]  # whatever failed has one, if only the general
    place = np.where(kinds.is_empty, -1, places(facts["span_key"], records["span_key"]))
    named = (place >= 0) & (kinds.among({OTHER: 1}) > 0) & ~records["error_type"].is_empty[place]
    kinds = either_label(records["error_type"].take(np.where(named, place, -1)), kinds)
    messages = either(facts["error_message"], records["error_message"].take(place))
    return facts.with_column("error_type", kinds).with_column("error_message", messages)


def _with_tool_contents(facts: Table, pieces: Sequence[_Piece]) -> Table:
    """Arguments and results of tool calls that only messages tell, by the ids that models gave to the calls."""
    lacks = (facts["input_size"] <= len(b"{}")) | (facts["output_size"] <= len(b"{}"))
    calls = np.flatnonzero((facts["role"].among(ROLES) == Role.TOOL) & lacks & ~facts["tool_call_id"].is_empty)
    if not len(calls):
        return facts
    ids = zip(facts["trace_id"].packed(calls), facts["tool_call_id"].packed(calls), strict=True)
    asked = [(unpacked(trace_id), unpacked(id_)) for trace_id, id_ in ids]
    wanted = frozenset(trace_id for trace_id, _ in asked)
    told: dict[str, dict[tuple[bytes, bytes], Content]] = {"input": {}, "output": {}}
    for piece in sorted(pieces, key=attrgetter("at_us")):
        for text in (piece.input.text, piece.output.text) if piece.trace_id in wanted else ():
            for id_, column, content in tool_contents(text):
                told[column].setdefault((piece.trace_id, id_), content)
    for column, contents in told.items():
        number = {call: at for at, call in enumerate(contents)}
        place = np.full(len(facts), -1, np.int64)
        place[calls] = [number.get(call, -1) for call in asked]
        facts = _filled(facts, column, place, [*contents.values()])
    return facts


def _assembled(pieces: Sequence[_Piece]) -> tuple[Keys, list[Content], list[Content]]:
    """The spans that sorted pieces tell of, in order, and for each of them its input and its output: whole ones, else the messages."""
    keys: list[int] = []
    inputs: list[Content] = []
    outputs: list[Content] = []
    for key, group in groupby(pieces, key=attrgetter("span_key")):
        mine = list(group)
        whole, messages = ([piece for piece in mine if bool(piece.speaker) == said] for said in (False, True))
        keys.append(key)
        inputs.append(
            next((piece.input for piece in whole if piece.input.size), None)
            or joined(Message(piece.speaker, *piece.input) for piece in _asked(messages))
        )
        outputs.append(
            next((piece.output for piece in reversed(whole) if piece.output.size), None)
            or joined(Message(piece.speaker, *piece.output) for piece in _said(messages))
        )
    return np.array(keys, np.uint64), inputs, outputs


def _pieces(contents: Table) -> Iterator[_Piece]:
    """One a record; the same again where it came again."""
    every = range(len(contents))
    keys, times = contents["span_key"].tolist(), contents["event_at"].tolist()
    records, speakers, traces = (
        map(unpacked, contents[name].packed(every)) for name in ("span_id", "name", "trace_id")
    )
    inputs, outputs = (
        map(Content, map(unpacked, contents[name].packed(every)), contents[f"{name}_size"].tolist())
        for name in ("input", "output")
    )
    for key, at, record, speaker, input_, output, trace_id in zip(
        keys, times, records, speakers, inputs, outputs, traces, strict=True
    ):
        turn = _ANSWER if output.size else _FIRST if speaker == b"system" else 1
        yield _Piece(key, at, turn, record, speaker, input_, output, trace_id)


def _asked(messages: Sequence[_Piece]) -> list[_Piece]:
    """What was said before the first answer. A span around several calls has the messages of all, each time from the beginning."""
    before = list(takewhile(lambda piece: piece.turn != _ANSWER, messages))
    return before or [piece for piece in messages if piece.input.size]


def _said(messages: Sequence[_Piece]) -> list[_Piece]:
    """The last answers."""
    ended = dropwhile(lambda piece: piece.turn != _ANSWER, reversed(messages))
    return [*takewhile(lambda piece: piece.turn == _ANSWER, ended)][::-1]
