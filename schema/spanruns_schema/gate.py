"""The gate for SQL that somebody else wrote: one statement, that reads, and reads only what is in the store.

The engine's `readonly` does not do that alone: scalar functions such as `file()` read files, `INTO OUTFILE` writes them, system
tables show what other people do. So a statement is first brought into the engine's own spelling, which has no comments and is
one statement, then its syntax tree is checked against what is known to be harmless. What the gate does not know it refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spanruns_schema.errors import BadInput, StoreError
from spanruns_schema.store import Parameters, Settings, Store, rows

MAX_QUERY_BYTES = 100_000
READONLY = 164
# What one statement may take; a statement cannot change them.
LIMITS: Settings = {
    "max_execution_time": 30,
    "max_memory_usage": 2_000_000_000,
    "max_result_rows": 1_000_000,
    "max_result_bytes": 200_000_000,
    "result_overflow_mode": "throw",
    "use_query_cache": 0,
}

STATEMENTS = frozenset({"SelectWithUnionQuery", "Explain", "DescribeQuery", "ShowTables"})
# Nodes of a syntax tree that are harmless by themselves. `ColumnsApplyTransformer` (`* APPLY f`) is not among them: the tree
# does not say what it applies.
NODES = STATEMENTS | {
    "ArrayJoin",
    "Asterisk",
    "ColumnsExceptTransformer",
    "ColumnsListMatcher",
    "ColumnsRegexpMatcher",
    "ColumnsReplaceTransformer",
    "ColumnsReplaceTransformer::Replacement",
    "ColumnsTransformerList",
    "ExpressionList",
    "Function",
    "Identifier",
    "InterpolateElement",
    "Literal",
    "OrderByElement",
    "QualifiedAsterisk",
    "QualifiedColumnsListMatcher",
    "QualifiedColumnsRegexpMatcher",
    "SampleRatio",
    "SelectIntersectExceptQuery",
    "SelectQuery",
    "Set",
    "Subquery",
    "TableExpression",
    "TableIdentifier",
    "TableJoin",
    "TablesInSelectQuery",
    "TablesInSelectQueryElement",
    "WindowDefinition",
    "WindowListElement",
    "WithElement",
}
TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "generateseries",
        "null",
        "numbers",
        "numbers_mt",
        "sqlstandardvalues",
        "values",
        "view",
        "zeros",
        "zeros_mt",
    }
)
# Functions that read files, call addresses, read tables by name, or only cost time. As words, because a function can be
# named without being called (`arrayMap(file, …)`).
FUNCTIONS = frozenset(
    {
        "catboostevaluate",
        "evalmlmethod",
        "file",
        "generateserialid",
        "getclienthttpheader",
        "joinget",
        "joingetornull",
        "naivebayesclassifier",
        "sleep",
        "sleepeachrow",
    }
)
_FUNCTION_FAMILIES = re.compile(
    r"dict(get|has|isin)\w*|ai(classify|embed|extract|filter|generate|redact|similarity|translate)\w*"
    r"|addressto\w+|filesystem\w+"
)
SYSTEM_TABLES = frozenset(
    {
        "asynchronous_metrics",
        "build_options",
        "collations",
        "columns",
        "contributors",
        "data_skipping_indices",
        "data_type_families",
        "databases",
        "events",
        "formats",
        "functions",
        "keywords",
        "licenses",
        "merges",
        "metrics",
        "mutations",
        "numbers",
        "numbers_mt",
        "one",
        "parts",
        "parts_columns",
        "projections",
        "settings",
        "table_engines",
        "table_functions",
        "tables",
        "time_zones",
        "zeros",
        "zeros_mt",
    }
)
_SHOW = re.compile(
    r"SHOW (TABLES|DATABASES)(?: FROM (?P<database>`?\w+`?))?(?: (?:NOT )?I?LIKE '(?:[^'\\]|\\.)*')?(?: LIMIT \d+)?(?: FORMAT \w+)?"
)
# Settings that change how a result looks, or make less of it.
HARMLESS = re.compile(
    r"output_format_\w+|date_time_output_format|session_timezone|limit|offset|join_use_nulls|extremes"
)
_VALUE = r"(?:[\w.+-]+|'(?:[^'\\]|\\.)*')"
_SETTINGS = re.compile(
    rf"(?P<sql>.*) SETTINGS (?P<settings>\w+ = {_VALUE}(?:, \w+ = {_VALUE})*)(?P<format> FORMAT \w+)?", re.DOTALL
)
_ONE_SETTING = re.compile(rf"(\w+) = ({_VALUE})")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
_WORD = re.compile(r"\w+")
_IN = re.compile(r"(global)?(not|null|notnull)?in(ignoreset)?")


@dataclass(frozen=True)
class Catalog:
    """What a statement may name: `views` and tables of `database`, and what else there is that it may not."""

    database: str
    databases: frozenset[str]
    views: frozenset[str]
    table_functions: frozenset[str]


@dataclass(frozen=True)
class Admitted:
    """A statement that may run, and the settings that it asks for."""

    sql: str
    settings: Mapping[str, str]


@dataclass
class Node:
    """A node of the syntax tree as `EXPLAIN AST` prints it: `kind`, the rest of its line, what is below."""

    kind: str
    text: str
    children: list[Node]


def answer(
    store: Store, sql: str, parameters: Parameters | None = None, *, format: str, limits: Settings = LIMITS
) -> bytes:
    """The result of a foreign statement in `format` (a FORMAT clause in it wins).

    Raises `BadInput` when the gate refuses it, `StoreError` when the engine does.
    """
    admitted = admit(store, sql, parameters)
    return store.query_readonly(admitted.sql, parameters, format=format, settings=narrowed(limits, admitted.settings))


def admit(store: Store, sql: str, parameters: Parameters | None = None) -> Admitted:
    """The statement in the engine's own spelling, if it is one that may run. Raises `BadInput` with the reason if not."""
    if len(sql.encode()) > MAX_QUERY_BYTES:
        raise BadInput(f"the query is longer than {MAX_QUERY_BYTES:,} bytes")
    try:
        spelled = str(rows(store, "SELECT formatQuerySingleLine({query:String}) AS query", {"query": sql})[0]["query"])
        admitted = _lifted(spelled)
        # With its parameters: one can stand for the name of a table.
        lines = store.query_readonly(f"EXPLAIN AST {admitted.sql}", parameters, format="JSONEachRow")
    except StoreError as error:
        if not error.code:
            raise
        raise BadInput(readable(error)) from error
    check(admitted.sql, parse(json.loads(line)["explain"] for line in lines.splitlines()), catalog(store))
    return admitted


def narrowed(limits: Settings, settings: Mapping[str, str]) -> dict[str, str | int | float]:
    """`limits` with `settings` that were asked for: harmless ones, and limits where they are narrower."""
    found: dict[str, str | int | float] = dict(limits)
    for name, value in settings.items():
        most = limits.get(name)
        if HARMLESS.fullmatch(name):
            found[name] = value
        elif isinstance(most, int) and value.isdigit() and int(value):  # 0 would be no limit
            found[name] = min(int(value), most)
    return found


def _lifted(spelled: str) -> Admitted:
    """The SETTINGS at the end of a statement taken out of it. Raises `BadInput` for one that does more than it may."""
    match = _SETTINGS.fullmatch(spelled)
    if match is None:
        return Admitted(spelled, {})
    settings = {name: _unquoted(value) for name, value in _ONE_SETTING.findall(match["settings"])}
    for name in settings:
        if name not in LIMITS and not HARMLESS.fullmatch(name):
            raise BadInput(f"a query cannot change settings here, {name} is one that it could do more with")
    return Admitted(match["sql"] + (match["format"] or ""), settings)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith("'") else value


def catalog(store: Store) -> Catalog:
    """What there is in `store`."""
    found = rows(
        store,
        "SELECT (SELECT groupArray(name) FROM system.databases) AS databases,"
        " (SELECT groupArray(name) FROM system.tables WHERE database = {database:String} AND engine = 'View') AS views,"
        " (SELECT groupArray(lower(name)) FROM system.table_functions) AS table_functions",
        {"database": store.database},
    )[0]
    return Catalog(
        database=store.database,
        databases=frozenset(found["databases"]),
        views=frozenset(found["views"]),
        table_functions=frozenset(found["table_functions"]),
    )


def parse(lines: Iterable[str]) -> Node:
    """The tree that `EXPLAIN AST` prints, one space of indentation a level."""
    root = Node("", "", [])
    path = [root]
    for line in lines:
        text = line.lstrip(" ")
        depth = len(line) - len(text)
        kind, _, rest = text.partition(" ")
        node = Node(kind, re.sub(r" ?\(children \d+\)$", "", rest), [])
        if depth + 1 > len(path):
            raise BadInput("the query cannot be checked")
        del path[depth + 1 :]
        path[-1].children.append(node)
        path.append(node)
    return root


def check(sql: str, root: Node, known: Catalog) -> None:
    """Raise `BadInput` unless `sql`, in the engine's spelling and as its tree, only reads what it may read."""
    if len(root.children) != 1 or root.children[0].kind not in STATEMENTS:
        raise BadInput("only SELECT, EXPLAIN, DESCRIBE, SHOW TABLES and SHOW DATABASES are possible here")
    if root.children[0].kind == "ShowTables":
        _check_show(sql, known)
    _check_words(sql)
    for node, parent in _walk(root.children[0], root):
        _check_node(node, parent, known)


def _walk(node: Node, parent: Node) -> Iterator[tuple[Node, Node]]:
    todo = [(node, parent)]
    while todo:
        node, parent = todo.pop()
        yield node, parent
        todo.extend((child, node) for child in node.children)


def _check_show(sql: str, known: Catalog) -> None:
    match = _SHOW.fullmatch(sql)
    if match is None or (match["database"] or known.database).strip("`") not in (known.database, "system"):
        raise BadInput("only SHOW TABLES [FROM …] [LIKE …] and SHOW DATABASES are possible here")


def _check_words(sql: str) -> None:
    for word in _WORD.findall(_STRING.sub("''", sql)):
        if word.lower() in FUNCTIONS or _FUNCTION_FAMILIES.fullmatch(word.lower()):
            raise BadInput(f"{word} is not possible here: a query reads only what is in the store")


def _check_node(node: Node, parent: Node, known: Catalog) -> None:
    if node.kind == "ColumnsApplyTransformer":
        raise BadInput("APPLY is not possible here: name the columns")
    if node.kind == "Set" and parent.kind != "Explain":  # the engine does not refuse it in a subquery
        raise BadInput("a query cannot change settings here")
    if node.kind not in NODES:
        raise BadInput(f"{node.kind} is not possible here")
    if node.kind == "Literal" and parent.kind in STATEMENTS:
        raise BadInput("INTO OUTFILE is not possible here")
    if node.kind in STATEMENTS - {"SelectWithUnionQuery"} and parent.kind:
        raise BadInput(f"{node.kind} is not possible here")
    if node.kind == "TableIdentifier":
        _check_table(node.text, known)
    elif node.kind == "Identifier":
        _check_identifier(node.text, known)
    elif node.kind == "Function":
        _check_function(node, parent, known)


def _check_function(node: Node, parent: Node, known: Catalog) -> None:
    name = _name(node.text)
    if parent.kind == "TableExpression":
        if name.removeprefix(f"{known.database}.") not in known.views and name.lower() not in TABLE_FUNCTIONS:
            raise BadInput(f"the table function {name} is not possible here")
    elif parent.kind not in NODES - STATEMENTS:
        raise BadInput(f"{name} is not possible here")
    if _IN.fullmatch(name.lower()):
        right = node.children[-1].children[-1] if node.children and node.children[-1].children else node
        called = _name(right.text).lower()
        if right.kind == "Function" and called in known.table_functions - TABLE_FUNCTIONS:
            raise BadInput(f"the table function {called} is not possible here")


def _check_table(text: str, known: Catalog) -> None:
    name = _name(text)
    database, dot, table = name.partition(".")
    if not dot or database == known.database or name in known.views:
        return
    if database == "system" and table in SYSTEM_TABLES:
        return
    if database.lower() == "information_schema":
        return
    raise BadInput(f"the table {name} is not open here: use those of {known.database}")


def _check_identifier(text: str, known: Catalog) -> None:
    # After IN an identifier can be a table. Where it cannot, nothing of ours is named like another database.
    name = _name(text)
    if "." in name and name.partition(".")[0] in known.databases:
        _check_table(text, known)


def _name(text: str) -> str:
    return text.partition(" (alias ")[0]


def readable(error: StoreError) -> str:
    """The reason in a line, without what only concerns the gate."""
    if error.code == READONLY:
        return "a query cannot change settings here"
    text = re.sub(r"^Code: \d+\. (DB::Exception: )?", "", str(error))
    return text.partition(": In scope SELECT formatQuerySingleLine")[0]
