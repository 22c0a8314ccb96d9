"""The gate lets through what reads the store, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from spanruns_schema.errors import BadInput, SpanrunsError, StoreError
from spanruns_schema.gate import LIMITS, MAX_QUERY_BYTES, admit, answer, narrowed, parse
from spanruns_schema.store import Store

SECRET = "canary-5e8d2c"


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a table, a view of it and a parameterised view; filled once, as nothing may change it."""
    if store.query("EXISTS TABLE fruits_like", format="CSV") == b"1\n":
        return store
    store.command("CREATE TABLE fruits (name String, url String) ENGINE = Memory")
    store.insert("fruits", ["name", "url"], b"apple,a\npear,p\n", format="CSV")
    store.command("CREATE VIEW all_fruits AS SELECT name FROM fruits")
    store.command("CREATE VIEW fruits_like AS SELECT name FROM fruits WHERE name LIKE {pattern:String}")
    return store


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", b"1\n"),
        ("SELECT 1;", b"1\n"),
        (" -- a comment\n SELECT /* another */ 1 -- the last", b"1\n"),
        ("select name from fruits order by name", b"apple\npear\n"),
        ("SELECT name FROM spanruns.fruits ORDER BY name LIMIT 1", b"apple\n"),
        ("FROM all_fruits SELECT count()", b"2\n"),
        ("SELECT f.url AS url FROM fruits AS f WHERE url = 'p'", b"p\n"),
        ("SELECT * FROM fruits_like(pattern = 'p%')", b"pear\n"),
        ("SELECT * FROM spanruns.fruits_like(pattern = 'p%')", b"pear\n"),
        ("WITH f AS (SELECT name FROM fruits) SELECT count() FROM f", b"2\n"),
        (
            "SELECT a.name FROM fruits a INNER JOIN all_fruits b USING name WHERE a.name IN (SELECT 'pear')",
            b"pear\n",
        ),
        ("SELECT name IN ('pear', 'plum') FROM fruits ORDER BY name", b"0\n1\n"),
        ("SELECT count() FROM numbers(5) WHERE number IN (1, 2)", b"2\n"),
        ("SELECT number FROM numbers(3) EXCEPT SELECT 1", b"0\n2\n"),
        ("SELECT arrayMap(x -> x + 1, [1])", b"[2]\n"),
        ("SELECT 'file(''/etc/passwd''); DROP TABLE fruits' AS text", b"file(\\'/etc/passwd\\'); DROP TABLE fruits\n"),
        ("SELECT name, row_number() OVER (ORDER BY name) FROM fruits LIMIT 1", b"apple\t1\n"),
        ("SELECT * EXCEPT url FROM fruits ORDER BY 1 LIMIT 1", b"apple\n"),
        ("SELECT name FROM fruits LIMIT 1 FORMAT JSONEachRow", b'{"name":"apple"}\n'),
        ("SELECT count() > 10 FROM system.columns", b"1\n"),
        ("SELECT 1.5 AS a FORMAT JSONEachRow SETTINGS output_format_json_quote_denormals = 1", b'{"a":1.5}\n'),
        ("SELECT number FROM numbers(9) SETTINGS limit = 2, max_execution_time = 5", b"0\n1\n"),
        ("SELECT toDateTime(0) SETTINGS session_timezone = 'Asia/Tokyo'", b"1970-01-01 09:00:00\n"),
        ("SELECT ' SETTINGS readonly = 0'", b" SETTINGS readonly = 0\n"),
        ("SHOW TABLES LIKE 'fruits%'", b"fruits\nfruits_like\n"),
        ("SELECT DISTINCT table_name FROM information_schema.tables WHERE table_name = 'fruits'", b"fruits\n"),
    ],
)
def test_reading_is_possible(filled: Store, sql: str, expected: bytes) -> None:
    """What reads tables and views of the store is answered."""
    assert answer(filled, sql, format="TabSeparated") == expected


@pytest.mark.parametrize("sql", ["DESCRIBE fruits", "EXPLAIN indexes = 1 SELECT * FROM fruits", "SHOW DATABASES"])
def test_looking_around_is_possible(filled: Store, sql: str) -> None:
    """Statements that tell what there is are answered."""
    assert answer(filled, sql, format="TabSeparated") != b""


ATTACKS = [
    # several statements, and statements that write
    "SELECT 1; SELECT 2",
    "SELECT 1;; DROP TABLE fruits",
    "SELECT 1 /* ; */; DROP TABLE fruits -- ",
    "INSERT INTO fruits SELECT '{secret}', ''",
    "INSERT INTO fruits VALUES ('{secret}', '')",
    "INSERT INTO FUNCTION file('{out}', 'CSV', 'a String') SELECT 1",
    "CREATE TABLE stolen ENGINE = Memory AS SELECT 1",
    "CREATE VIEW stolen AS SELECT * FROM file('{in}', 'LineAsString')",
    "CREATE FUNCTION stolen AS x -> file(x)",
    "CREATE DICTIONARY stolen (a String) PRIMARY KEY a SOURCE(FILE(path '{in}' format 'CSV')) LAYOUT(DIRECT())",
    "DROP TABLE fruits",
    "TRUNCATE TABLE fruits",
    "ALTER TABLE fruits DELETE WHERE 1",
    "DELETE FROM fruits WHERE 1",
    "RENAME TABLE fruits TO vegetables",
    "OPTIMIZE TABLE fruits",
    "ATTACH TABLE fruits",
    "DETACH TABLE fruits",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM FLUSH LOGS",
    "SET readonly = 0",
    "USE default",
    "BACKUP TABLE fruits TO File('{out}')",
    "GRANT ALL ON *.* TO default",
    "EXECUTE AS default SELECT 1",
    "EXPLAIN INSERT INTO fruits SELECT 'a', ''",
    "DESCRIBE file('{in}')",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
    "CHECK TABLE fruits",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW TABLES FROM default",
    "SHOW TABLES WHERE name IN (SELECT query FROM system.processes)",
    "SHOW CREATE DATABASE default",
    # files written
    "SELECT 1 INTO OUTFILE '{out}'",
    "SELECT 1 INTO/**/OUTFILE '{out}' TRUNCATE FORMAT CSV",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{out}'",
    "(SELECT 1) INTO OUTFILE '{out}'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{out}'",
    "SHOW TABLES INTO OUTFILE '{out}'",
    "SHOW DATABASES INTO OUTFILE '{out}'",
    "DESCRIBE TABLE fruits INTO OUTFILE '{out}'",
    # files read
    "SELECT file('{in}')",
    "SELECT FiLe('{in}')",
    "SELECT `file`('{in}')",
    "SELECT file/* a */('{in}')",
    "SELECT arrayMap(x -> file(x), ['{in}'])",
    "SELECT arrayMap(file, ['{in}'])",
    "WITH file AS f SELECT arrayMap(f, ['{in}'])",
    "WITH (x -> file(x)) AS f SELECT f('{in}')",
    "SELECT * APPLY file FROM (SELECT '{in}')",
    "SELECT * APPLY (x -> file(x)) FROM (SELECT '{in}')",
    "SELECT COLUMNS('a') APPLY(file) FROM (SELECT '{in}' AS a)",
    "SELECT a.* APPLY file FROM (SELECT '{in}') AS a",
    "SELECT if(1, (SELECT file('{in}')), '')",
    "SELECT name FROM fruits ORDER BY file('{in}')",
    "SELECT throwIf(1, file('{in}'))",
    "EXPLAIN SYNTAX SELECT file('{in}')",
    "EXPLAIN PLAN SELECT file('{in}')",
    "SELECT * FROM file('{in}', 'LineAsString')",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM file('{in}', 'LineAsString')))",
    "WITH a AS (SELECT * FROM file('{in}', 'LineAsString')) SELECT * FROM a",
    "SELECT 1 UNION ALL SELECT * FROM file('{in}', 'LineAsString')",
    "SELECT 1 WHERE 'a' IN (SELECT * FROM file('{in}', 'LineAsString'))",
    "SELECT 'a' IN file('{in}', 'LineAsString')",
    "SELECT * FROM view(SELECT * FROM file('{in}', 'LineAsString'))",
    "SELECT * FROM viewIfPermitted(SELECT * FROM file('{in}', 'LineAsString') ELSE null('a String'))",
    "SELECT * FROM default.`{in}`",
    "SELECT 'a' IN default.`{in}`",
    "SELECT 'a' IN (default.`{in}`)",
    "SELECT 'a' GLOBAL NOT IN default.`{in}`",
    "SELECT * FROM fruits INNER JOIN default.`{in}` ON 1",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM filesystem('{in}')",
    "SELECT * FROM fileCluster('x', '{in}', 'LineAsString')",
    "SELECT * FROM sqlite('{in}', 'a')",
    "SELECT * FROM icebergLocal('{in}')",
    "SELECT * FROM deltaLakeLocal('{in}')",
    "SELECT * FROM executable('cat {in}', 'TabSeparated', 'a String')",
    "SELECT * FROM python('SECRET')",
    "SELECT * FROM Python(SECRET)",
    "SELECT * FROM loop(default.`{in}`)",
    "SELECT * FROM eval('SELECT file(''{in}'')')",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('{in}')))",
    "SELECT * FROM format(CSV, 'a String', file('{in}'))",
    "SELECT catboostEvaluate('{in}', 1)",
    # addresses
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/a', 'CSV', 'a String')",
    "SELECT * FROM gcs('http://127.0.0.1:1/a', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'a String')",
    "SELECT * FROM redis('127.0.0.1:1', 'a', 'a String')",
    "SELECT * FROM odbc('DSN=a', 'a', 'b')",
    "SELECT * FROM jdbc('a', 'b')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/a', 'CSV', 'a String')",
    "SELECT * FROM azureBlobStorage('a', 'b', 'c')",
    "SELECT * FROM dictionary('a')",
    "SELECT dictGet('a', 'b', 1)",
    "SELECT joinGet('default.a', 'b', 1)",
    "SELECT aiGenerate('a', 'b')",
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd') PARTITION BY 1",
    # what others do, what the machine is
    "SELECT * FROM system.processes",
    "SELECT * FROM system.`processes`",
    "SELECT * FROM (SELECT * FROM system.processes)",
    "SELECT 1 IN system.processes",
    "SELECT * FROM system.users",
    "SELECT * FROM system.named_collections",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.stack_trace",
    "SELECT * FROM system.query_log",
    "SELECT addressToSymbol(1)",
    # limits and settings
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS limit = 1, readonly = 0",
    "SELECT 1 SETTINGS additional_table_filters = {{'fruits': 'file(\\'{in}\\') = 1'}}",
    "SELECT 1 SETTINGS limit = 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
    "SELECT * FROM view(SELECT 1 SETTINGS max_execution_time = 0)",
    "WITH a AS (SELECT 1 SETTINGS readonly = 0) SELECT * FROM a",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(1) FROM numbers(3)",
    "SELECT {{p:String}}",
    "SELECT * FROM {{t:Identifier}}",
    "",
    ";",
    "-- nothing",
    "no sql at all",
]


@pytest.mark.parametrize(
    ("store", "sql"),
    [("embedded", attack) for attack in ATTACKS] + [("server", attack) for attack in ATTACKS[::4]],
    indirect=["store"],
)
def test_everything_else_is_refused(filled: Store, sql: str, tmp_path: Path) -> None:
    """No file is read or written, no address called, nothing changed, whatever the statement tries."""
    inside, outside = tmp_path / "in.txt", tmp_path / "out.txt"
    inside.write_text(SECRET)
    attack = sql.format(**{"in": inside, "out": outside, "secret": SECRET})
    with pytest.raises(SpanrunsError) as caught:
        pytest.fail(f"answered {answer(filled, attack, format='TabSeparated')!r}")
    assert isinstance(caught.value, BadInput) or caught.value.code, caught.value  # type: ignore[attr-defined]
    assert SECRET not in str(caught.value).replace(attack, "")
    assert not outside.exists()
    assert filled.query("SELECT name, url FROM fruits ORDER BY name", format="CSV") == b'"apple","a"\n"pear","p"\n'


def test_refusals_come_from_the_gate(filled: Store) -> None:
    """Where the engine alone would answer, it is the gate that refuses, with a reason."""
    for sql, reason in {
        "SELECT file('/etc/hostname')": "file is not possible here",
        "SELECT * APPLY file FROM (SELECT '/etc/hostname')": "APPLY|file",
        "SELECT 1 INTO OUTFILE '/tmp/never'": "INTO OUTFILE is not possible here",
        "SELECT * FROM system.processes": "system.processes is not open here",
        "KILL QUERY WHERE 1": "only SELECT",
        "SELECT 1; SELECT 2": "Multi-statements are not allowed",
        "SELECT 1 SETTINGS max_threads = 1": "cannot change settings",
    }.items():
        with pytest.raises(BadInput, match=reason):
            admit(filled, sql)


def test_an_engine_error_keeps_its_code(filled: Store) -> None:
    """What the gate lets through can still be wrong; then the engine says so."""
    with pytest.raises(StoreError, match="no_such_column") as caught:
        answer(filled, "SELECT no_such_column FROM fruits", format="CSV")
    assert caught.value.code == 47


def test_parameters_are_bound_and_checked(filled: Store) -> None:
    """Values can be bound; a parameter that names a table is checked like the name itself."""
    sql = "SELECT name FROM {table:Identifier} WHERE name = {name:String}"
    parameters = {"table": "fruits", "name": "pear"}
    assert answer(filled, sql, parameters, format="CSV") == b'"pear"\n'
    for table in ("system.processes", "default./etc/hostname"):
        with pytest.raises(BadInput, match=r"not open here|not possible"):
            answer(filled, "SELECT * FROM {table:Identifier}", {"table": table}, format="CSV")


def test_limits_hold(filled: Store) -> None:
    """A statement that takes too long is ended."""
    with pytest.raises(StoreError) as caught:
        answer(
            filled,
            "SELECT sum(cityHash64(number)) FROM numbers(100000000000)",
            format="CSV",
            limits={"max_execution_time": 1},
        )
    assert caught.value.code == 159


def test_limits_can_be_narrowed_and_not_widened(filled: Store) -> None:
    """A query may ask for less; more than there is, or no limit, it does not get."""
    assert narrowed(LIMITS, {"max_execution_time": "5"})["max_execution_time"] == 5
    for value in ("0", "99999", "x"):
        assert narrowed(LIMITS, {"max_execution_time": value}) == LIMITS
    sql = "SELECT number FROM numbers(100) SETTINGS max_result_rows = 10"
    with pytest.raises(StoreError) as caught:
        answer(filled, sql, format="CSV")
    assert caught.value.code == 396


def test_a_long_query_is_refused(filled: Store) -> None:
    """Length is limited before anything is parsed; up to the limit it works."""
    with pytest.raises(BadInput, match="longer than"):
        admit(filled, "SELECT '" + "x" * MAX_QUERY_BYTES + "'")
    assert len(answer(filled, "SELECT '" + "x" * (MAX_QUERY_BYTES - 20) + "'", format="CSV")) > MAX_QUERY_BYTES - 20


def test_nesting_is_limited(filled: Store) -> None:
    """Deep nesting ends in an error, not in a crash."""
    with pytest.raises(BadInput):
        admit(filled, "SELECT " + "(" * 20_000 + "1" + ")" * 20_000)


def test_the_tree_is_read_as_printed() -> None:
    """Indentation gives the levels; the count of children is no part of a name."""
    root = parse(["Query (children 2)", " First a (alias b) (children 1)", "  Below", " Second"])
    query = root.children[0]
    assert [(node.kind, node.text) for node in query.children] == [("First", "a (alias b)"), ("Second", "")]
    assert [node.kind for node in query.children[0].children] == ["Below"]
