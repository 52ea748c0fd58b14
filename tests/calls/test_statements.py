"""What is read off a statement, and which statements are refused before anything is sent."""

from __future__ import annotations

import pytest

from compiled_ai.capabilities.statement import read_statement

REFUSED = {
    "SELECT n FROM t WHERE id = '{id}'": "interpolates '{id}'",
    "SELECT n FROM t WHERE id = {id}": "interpolates '{id}'",
    "SELECT n FROM t WHERE id = ${id}": "interpolates '\\${id}'",
    "SELECT n FROM t WHERE id = %(id)s": "interpolates '%\\(id\\)s'",
    "SELECT n FROM t WHERE id = '%(id)s'": "interpolates '%\\(id\\)s'",
    "SELECT n FROM t WHERE id = %s": "interpolates '%s'",
    "SELECT n FROM t WHERE id = '%s'": "interpolates \"'%s'\"",
    "SELECT n FROM t WHERE id = ?": "interpolates '\\?'",
    "SELECT n FROM t WHERE id = $1": "interpolates '\\$1'",
    "SELECT n FROM {table}": "interpolates '{table}'",
    "SELECT 1; DROP TABLE t": "more than one statement",
    "DROP TABLE t": "begins with 'DROP'",
    "EXECUTE plan": "begins with 'EXECUTE'",
    "": "begins with ''",
    "INSERT INTO t VALUES (1) RETURNING id": "yields the number of rows",
    "SELECT $$ text $$": "cannot be read",
    "SELECT 'open": "cannot be read",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_statement_that_is_put_together_or_that_runs_something_else_is_refused(text: str) -> None:
    import re

    faults = " ".join(read_statement(text).faults)
    assert re.search(REFUSED[text], faults), faults


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("SELECT plan FROM members WHERE id = :id", {"members"}, set()),
        ("SELECT m.plan FROM members m, plans AS p WHERE m.plan = p.name;", {"members", "plans"}, set()),
        ("SELECT 1 FROM a LEFT JOIN b ON a.x = b.x JOIN s.c USING (y)", {"a", "b", "s.c"}, set()),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x JOIN b ON true", {"a", "b"}, set()),
        ("WITH x (n) AS (SELECT 1 FROM a), y AS (SELECT 2 FROM x) SELECT * FROM y", {"a"}, set()),
        ("SELECT extract(year FROM born), trim(both FROM name) FROM people", {"people"}, set()),
        ("SELECT * FROM a WHERE x IS DISTINCT FROM y", {"a"}, set()),
        ("SELECT * FROM (SELECT * FROM inner_one) t, other", {"inner_one", "other"}, set()),
        ('SELECT * FROM "Mixed" -- FROM comment\n /* FROM too */', {"mixed"}, set()),
        ("SELECT 'FROM text; {\"a\": 1}' AS t FROM a WHERE note LIKE '%s%'", {"a"}, set()),
        ("INSERT INTO log (note) SELECT plan FROM members", {"members"}, {"log"}),
        ("INSERT INTO log (a) VALUES (:a) ON CONFLICT (a) DO UPDATE SET a = :a", set(), {"log"}),
        ("UPDATE ONLY log SET a = b.a FROM b WHERE b.x = 1", {"b"}, {"log"}),
        ("DELETE FROM log USING b WHERE b.x = log.x", {"b"}, {"log"}),
        ("MERGE INTO log USING b ON true WHEN MATCHED THEN DELETE", {"b"}, {"log"}),
        ("SELECT * INTO copy FROM a", {"a"}, {"copy"}),
        ("SELECT * FROM a FOR UPDATE", {"a"}, set()),
        ("VALUES (1)", set(), set()),
        ("SELECT x::date FROM a WHERE b = :b", {"a"}, set()),
        ("SELECT * FROM dblink('elsewhere', 'x')", {"dblink"}, set()),
    ],
)
def test_tables_are_read_off_a_statement(text: str, reads: set[str], writes: set[str]) -> None:
    statement = read_statement(text)
    assert (set(statement.reads), set(statement.writes), statement.faults) == (reads, writes, ())
    assert statement.changes == bool(writes)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT plan, m.born, share + 1 AS more FROM members m", ("plan", "born", "more")),
        ('SELECT DISTINCT plan AS "Plan" FROM members', ("plan",)),
        ("WITH x AS (SELECT a FROM t) SELECT b, (SELECT max(c), 1 FROM x) AS d FROM x", ("b", "d")),
        ("SELECT a FROM t UNION SELECT b FROM t", ("a",)),
        ("SELECT 1 AS one", ("one",)),
        ("SELECT * FROM members", None),
        ("SELECT m.*, plan FROM members m", None),
        ("SELECT count(*) FROM members", None),
        ("SELECT cast(plan AS text) FROM members", None),
        ("SELECT count(*) number FROM members", None),
        ("SELECT plan IS NULL FROM members", None),
        ("SELECT 1 + m.plan FROM members m", None),
        ("VALUES (1)", None),
        ("SELECT", None),
        ("SELECT FROM t", None),
    ],
)
def test_columns_are_read_off_a_statement_where_its_text_says_all_of_them(
    text: str, columns: tuple[str, ...] | None
) -> None:
    assert read_statement(text).columns == columns


def test_parameters_are_found_where_they_are_bound_and_nowhere_else() -> None:
    statement = read_statement("SELECT ':no', a::text FROM t WHERE x = :one AND y > :two AND z = :one -- :none")
    assert statement.parameters == ("one", "two")
