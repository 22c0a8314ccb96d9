"""Small pieces of SQL over a raw row: a condition, the first that is not empty, a value inside a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spanruns_schema.dialects.dialect import Dialect


def quote(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def listed(words: Sequence[str]) -> str:
    """`words` as literals with commas between."""
    return ", ".join(map(quote, words))


def first(expressions: Sequence[str]) -> str:
    """The first expression that is not the empty string; later ones are not evaluated where it is found."""
    expressions = [expression for expression in expressions if expression != "''"] or ["''"]
    branches = [part for expression in expressions[:-1] for part in (f"{expression} != ''", expression)]
    return f"multiIf({', '.join([*branches, expressions[-1]])})" if branches else expressions[0]


def every(conditions: Sequence[str]) -> str:
    """Whether all of `conditions` hold. Not as `AND`: for that the analyzer hashes what is compared, with the whole query below it."""
    *before, last = conditions
    for condition in reversed(before):
        last = f"if({condition}, {last}, false)"
    return last


def match_any(value: str, patterns: Sequence[str]) -> str:
    """Whether `value` is one of `patterns`: a literal, `''` (empty), `*` (anything but empty), `prefix*`, `*suffix`."""
    literals = [pattern for pattern in patterns if "*" not in pattern]
    conditions = []
    if len(literals) == 1:
        conditions.append(f"{value} = {quote(literals[0])}")
    elif literals:
        conditions.append(f"{value} IN ({', '.join(quote(literal) for literal in literals)})")
    for pattern in patterns:
        if pattern == "*":
            conditions.append(f"{value} != ''")
        elif pattern.endswith("*"):
            conditions.append(f"startsWith({value}, {quote(pattern[:-1])})")
        elif pattern.startswith("*"):
            conditions.append(f"endsWith({value}, {quote(pattern[1:])})")
    return conditions[0] if len(conditions) == 1 else f"({' OR '.join(conditions)})"


def detect_by_name(dialect: Dialect) -> str:
    """Whether the row's scope or span name is one of the dialect's; empty when it goes by neither."""
    conditions = []
    if dialect.scopes:
        conditions.append(match_any("ScopeName", dialect.scopes))
    if dialect.span_names:
        conditions.append(match_any("SpanName", dialect.span_names))
    return " OR ".join(conditions)


def affixes(dialect: Dialect) -> list[str]:
    """What the dialect puts around a name, as regular expressions."""
    return [f"^{_regex(p)}" for p in dialect.strip_prefix] + [f"{_regex(s)}$" for s in dialect.strip_suffix]


def stripped(value: str, around: Sequence[str]) -> str:
    """`value` without what matches one of `around`."""
    return f"replaceRegexpAll(toString({value}), {quote('|'.join(around))}, '')" if around else f"toString({value})"


def translated(value: str, names: Sequence[Mapping[str, Sequence[str]]]) -> str:
    """`value`, where it is one of the words that stand behind a name, that name."""
    words = {word: name for group in names for name, said in group.items() for word in said}
    return f"transform({value}, [{', '.join(map(quote, words))}], [{', '.join(map(quote, words.values()))}])"


def of_event(source: str, *, last: bool = False) -> str:
    """`name/key`: an attribute of the first (or last) span event of that name (`*`: of any) that has it."""
    name, _, key = source.partition("/")
    find = "arrayLast" if last else "arrayFirst"
    named = [] if name == "*" else [f"name = {quote(name)}"]
    has = every([*named, f"held[{quote(key)}] != ''"])
    return f"{find}((held, name) -> {has}, Events.Attributes, Events.Name)[{quote(key)}]"


def under_prefix(attributes: str, prefix: str) -> str:
    """All attributes under `prefix`, as one JSON object without it; empty when there is none.

    Who wrote the row has sorted them or not: they are in the order of the numbers that they begin with (the second before the tenth: the
    number of digits, then the text, is enough for that), and of their names.
    """
    found = f"mapFilter((k, v) -> startsWith(k, {quote(prefix)}), {attributes})"
    named = f"mapApply((k, v) -> (substring(k, {len(prefix) + 1}), v), {found})"
    ordered = f"mapSort((k, v) -> (length(extract(k, '^[0-9]*')), k), {named})"
    return f"replaceRegexpOne(toJSONString({ordered}), '^[{{][}}]$', '')"


def raw_at(value: str, path: str) -> str:
    """What stands at a dotted path inside a JSON value, as it stands there; numbers count from 1, or from the end: -1 is the last.

    Without a path the value, which need not be JSON.
    """
    if not path:
        return value
    steps = ", ".join(step if is_number(step) else quote(step) for step in path.split("."))
    return f"JSONExtractRaw({value}, {steps})"


def inside(path: str) -> tuple[str, str, str]:
    """The path of `path~before~after`, and the texts that stand around what is meant; empty where there are none."""
    path, _, around = path.partition("~")
    before, _, after = around.partition("~")
    return path, before, after


def between(value: str, before: str, after: str) -> str:
    """What stands in `value` behind the first `before`, up to the next `after`, or to the end; all of it where they are empty."""
    if not before:
        return value
    end = f"(.*?){_regex(after)}" if after else "(.*)"
    return f"extract({value}, {quote(f'(?s){_regex(before)}{end}')})"


def is_number(step: str) -> bool:
    """Whether a step of a path is a number, no key."""
    return step.removeprefix("-").isdigit()


def unquoted(expression: str) -> str:
    """An expression that may be a JSON string, decoded."""
    return f"if(startsWith({expression}, '\"'), JSONExtractString({expression}), {expression})"


def decoded(raw: str) -> str:
    """A piece of JSON: strings decoded, nothing for what is empty."""
    return f"multiIf(startsWith({raw}, '\"'), JSONExtractString({raw}), {raw} IN ('null', '{{}}', '[]'), '', {raw})"


def _regex(text: str) -> str:
    special = set("\\.+*?()|[]{}^$")
    return "".join("\\" + c if c in special else c for c in text)
