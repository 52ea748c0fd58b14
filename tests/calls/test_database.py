"""Module `database` on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from call_steps import call_step, called, result_of

from compiled_ai.capabilities.statement import read_statement
from compiled_ai.errors import ArtifactRefused, ConfigError, UsageError
from compiled_ai.library.types import Field, FieldType
from compiled_ai.runtime.calls.database import APPLIED, forget_engines

ALLOW = {"tables": ["members"], "writes": ["log"]}
FIND = "SELECT plan, born, spent, active, share FROM members WHERE id = :id"
FOUND = result_of(plan="string", born="date", spent="money", active="boolean", share="decimal")
GOLD = {"plan": "GOLD", "born": "1980-02-29", "spent": Decimal("12.5"), "active": True, "share": Decimal("0.1")}
NOTE = {"connection": "db", "statement": "INSERT INTO log (note) VALUES (:note)", "read_only": False}
CHANGED = result_of(changed="integer")


def finding(statement: str = FIND, allow: Any = None, **more: Any) -> Any:
    settings = {"connection": "db", "statement": statement, **more}
    result = FOUND if statement is FIND else result_of(plan="string")
    return call_step("database", settings, ALLOW if allow is None else allow, result, id="string")


def rows(file: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_row_comes_back_with_the_types_that_the_step_declares(members: Path) -> None:
    effect = called(finding(), id="M1")
    assert (effect.state, effect.origin) == ("succeeded", "database: db")
    [row] = effect.result
    assert row == {
        "plan": "GOLD",
        "born": "1980-02-29",
        "spent": Decimal("12.5"),
        "active": True,
        "share": Decimal("0.1"),
    }


def test_no_row_and_many_rows_are_lists_for_the_step_to_judge(members: Path) -> None:
    assert called(finding(), id="nobody").result == []
    both = finding("SELECT plan FROM members WHERE id <> :id ORDER BY id")
    assert [row["plan"] for row in called(both, id="none").result] == ["GOLD", "SILVER"]


def test_a_value_is_never_part_of_the_statement(members: Path) -> None:
    assert called(finding(), id="x' OR '1'='1").result == []


def test_a_value_that_the_database_cannot_hold_fails_the_call(members: Path) -> None:
    reading = {"connection": "db", "statement": "SELECT plan FROM members WHERE active = :n"}
    for settings, result in ((reading, result_of(plan="string")), (NOTE, CHANGED)):
        name = "note" if settings is NOTE else "n"
        effect = called(call_step("database", settings, ALLOW, result, **{name: "integer"}), **{name: 2**70})
        assert (effect.state, effect.result) == ("failed", None)
        assert effect.error == "A value cannot be bound (OverflowError)."
    assert rows(members, "SELECT * FROM log") == []


def test_a_colon_in_a_text_binds_nothing(members: Path) -> None:
    statement = "SELECT ':quoted 12:30 %s%% \\:x' AS plan FROM members WHERE id = :id AND plan <> ':id'"
    [row] = called(finding(statement), id="M1").result
    assert row["plan"] == ":quoted 12:30 %s%% \\:x"


def test_all_rows_can_be_collected_and_their_number_is_limited(members: Path) -> None:
    items = FieldType("object", fields=(Field("plan", "plan", FieldType("string")),), class_name="Row")
    several = FieldType("object", fields=(Field("all", "all", FieldType("list", items=items)),), class_name="Result")
    settings = {"connection": "db", "statement": "SELECT plan FROM members ORDER BY id", "rows": "all"}
    effect = called(call_step("database", settings, ALLOW, several))
    assert effect.result == {"all": [{"plan": "GOLD"}, {"plan": "SILVER"}]}
    limited = called(call_step("database", {**settings, "max_rows": 1}, ALLOW, several))
    assert (limited.state, limited.error) == (
        "failed",
        "The statement yields more than 1 rows. Narrow it, or raise 'max_rows'.",
    )


def test_rows_are_collected_into_a_list_of_objects(members: Path) -> None:
    plans = FieldType("object", fields=(Field("all", "all", FieldType("list", items=FieldType("string"))),))
    settings = {"connection": "db", "statement": "SELECT plan FROM members", "rows": "all"}
    with pytest.raises(ArtifactRefused, match="Each item of 'all' is a row. Declare the fields of a row"):
        called(call_step("database", settings, ALLOW, plans))


def test_a_table_that_is_not_allowed_is_refused_whatever_the_artifact_says(members: Path) -> None:
    with pytest.raises(ArtifactRefused, match="reads table 'secrets', which the connection's 'allow.tables'"):
        called(finding("SELECT word AS plan FROM secrets WHERE word <> :id"), id="x")


def test_sqlite_itself_refuses_a_table_that_the_text_hides(members: Path) -> None:
    hidden = "SELECT members.plan FROM members JOIN (secrets) ON members.id = :id"
    assert read_statement(hidden).reads == {"members"}
    assert called(finding(hidden), id="M1").error == "The database refused the statement (SQLITE_AUTH)."


def test_a_view_that_is_allowed_reads_what_it_reads(members: Path) -> None:
    with sqlite3.connect(members) as database:
        database.execute("CREATE VIEW peek AS SELECT word AS plan FROM secrets")
    database.close()
    assert called(finding("SELECT plan FROM peek WHERE plan <> :id", {"tables": ["peek"]}), id="").state == "succeeded"


def test_functions_that_look_into_the_database_itself_are_refused(members: Path) -> None:
    looking = "SELECT name AS plan FROM pragma_table_info('secrets') WHERE name <> :id"
    assert called(finding(looking, {"tables": ["pragma_table_info"]}), id="").state == "failed"


def test_a_step_that_reads_cannot_write(members: Path) -> None:
    with pytest.raises(ArtifactRefused, match="The statement writes, and the step is read-only"):
        called(finding("DELETE FROM members WHERE id = :id", {"writes": ["members"]}), id="M1")


REMEDY = " Correct the statement and compile it again, or mend the database."
REFUSALS = {
    "SELECT plann AS plan FROM members WHERE id = :id": "no such column: plann",
    "SELECT m.plann AS plan FROM members m WHERE id = :id": "no such column: m.plann",
    "SELECT plan FROM memberz WHERE id = :id": "no such table: memberz",
    "SELECT foo(plan) AS plan FROM members WHERE id = :id": "no such function: foo",
    "SELECT plan FROM members WERE id = :id": 'near "id": syntax error',
    "SELECT a.plan FROM members a, members b WHERE id = :id": "ambiguous column name: id",
}


@pytest.mark.parametrize("statement", REFUSALS)
def test_a_name_that_the_database_does_not_know_is_told_in_its_own_words(members: Path, statement: str) -> None:
    effect = called(finding(statement, {"tables": ["members", "memberz"]}), id="SSN-1")
    assert effect.state == "failed"
    assert effect.error == f"The database refused the statement (SQLITE_ERROR: {REFUSALS[statement]}).{REMEDY}"


def test_the_words_of_a_database_are_left_out_where_they_quote_what_the_statement_does_not_say(members: Path) -> None:
    effect = called(finding("SELECT json_extract('{}', :id) AS plan FROM members"), id="SSN-1")
    assert (effect.state, effect.error) == ("failed", "The database refused the statement (SQLITE_ERROR).")
    with sqlite3.connect(members) as database:
        database.execute("CREATE VIEW broken AS SELECT plan FROM moved")
    database.close()
    effect = called(finding("SELECT plan FROM broken WHERE plan <> :id", {"tables": ["broken"]}), id="")
    assert effect.error == "The database refused the statement (SQLITE_ERROR)."


def test_a_column_that_returns_names_and_a_statement_does_not_give_is_told_with_those_that_it_gives(
    members: Path,
) -> None:
    step = call_step(
        "database",
        {"connection": "db", "statement": "SELECT * FROM members WHERE id = :id"},
        ALLOW,
        result_of(plan="string", birth="date"),
        id="string",
    )
    effect = called(step, id="M1")
    assert (effect.state, effect.error) == (
        "failed",
        "The statement gives no column 'birth', which 'returns' names. Known: active, born, id, plan, share, spent.",
    )


def test_a_column_is_found_in_capitals_or_small_letters(members: Path) -> None:
    """SQLite calls a column as the table does, whatever the statement says."""
    with closing(sqlite3.connect(members)) as database:
        database.execute("CREATE TABLE plans (id TEXT, Plan TEXT)")
        database.execute("INSERT INTO plans VALUES ('M1', 'GOLD')")
        database.commit()
    effect = called(finding("SELECT plan FROM plans WHERE id = :id", {"tables": ["plans"]}), id="M1")
    assert (effect.error, effect.result) == (None, [{"plan": "GOLD"}])
    both = finding("SELECT plan AS plan, 'other' AS PLAN FROM plans WHERE id = :id", {"tables": ["plans"]})
    assert called(both, id="M1").result[0]["plan"] == "GOLD"


def test_a_statement_that_takes_too_long_fails(members: Path) -> None:
    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS plan FROM n WHERE :id = ''"
    )
    effect = called(finding(endless, timeout_seconds=1), id="")
    assert (effect.state, effect.error) == ("failed", "The database took longer than 'timeout_seconds'.")


def test_a_write_is_done_once_for_each_run_and_item(members: Path) -> None:
    step = call_step("database", NOTE, ALLOW, CHANGED, note="text")
    assert called(step, note="one").result == {"changed": 1}
    assert called(step, note="one").result == {"changed": 1}
    assert called(step, item=1, note="two").result == {"changed": 1}
    assert called(step, run_id="run-2", note="one").result == {"changed": 1}
    assert rows(members, "SELECT note FROM log ORDER BY rowid") == [("one",), ("two",), ("one",)]


def test_a_key_that_was_used_for_something_else_is_refused(members: Path) -> None:
    step = call_step("database", NOTE, ALLOW, CHANGED, note="text")
    called(step, note="one")
    other = called(step, note="other")
    assert other.error == "Another statement or other values were applied under the key of this call."
    assert rows(members, "SELECT note FROM log") == [("one",)]


def test_a_write_that_fails_leaves_neither_its_rows_nor_its_key(members: Path) -> None:
    settings = {**NOTE, "statement": "INSERT INTO log (nothing) VALUES (:note)"}
    wrong = call_step("database", settings, ALLOW, CHANGED, note="text")
    assert called(wrong, note="x").state == "failed"
    assert rows(members, f"SELECT count(*) FROM {APPLIED}") == [(0,)]


def test_a_write_needs_a_run(members: Path) -> None:
    step = call_step("database", NOTE, ALLOW, CHANGED, note="text")
    with pytest.raises(UsageError, match="must not happen twice; this run is on no record. Run it with a run store"):
        called(step, run_id="", note="x")


def test_no_value_of_a_write_is_kept_beside_the_row_itself(members: Path) -> None:
    called(call_step("database", NOTE, ALLOW, CHANGED, note="text"), note="MARKER-77")
    assert "MARKER-77" not in str(rows(members, f"SELECT * FROM {APPLIED}"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "is no address of a database"),
        ("sqlite:////nowhere/at-all.db", "names no file of SQLite that exists"),
        ("sqlite://", "names no file of SQLite that exists"),
        ("mysql://user:s3cret@host/db", "names a kind of database that is not known here. Known: sqlite, postgresql"),
    ],
)
def test_an_address_that_is_wrong_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DB", address)
    with pytest.raises(ConfigError, match=message) as caught:
        called(finding(), id="M1")
    assert "s3cret" not in str(caught.value)


def test_a_locked_database_is_tried_again_and_then_nothing_has_happened(
    members: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiled_ai.runtime.calls.database._PAUSES", (0.01,))
    step = call_step("database", {**NOTE, "timeout_seconds": 1}, ALLOW, CHANGED, note="text")
    called(step, run_id="earlier", note="makes the table of keys")
    other = sqlite3.connect(members, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        effect = called(step, note="x")
    finally:
        other.close()
    assert (effect.state, effect.error) == ("failed", "The connection 'db' was lost or locked, 2 times.")


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture
def postgres(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import psycopg

    def execute(sql: str) -> list[Any]:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload, unused-ignore]
            return cursor.fetchall() if cursor.description else []

    execute(f"DROP TABLE IF EXISTS members, log, {APPLIED}")
    execute("CREATE TABLE members (id text, plan text, born date, spent numeric(10,2), active boolean, share float8)")
    execute("INSERT INTO members VALUES ('M1', 'GOLD', '1980-02-29', 12.50, true, 0.1)")
    execute("CREATE TABLE log (note text UNIQUE)")
    monkeypatch.setenv("COMPILED_AI_CONNECTION_DB", postgres_url)
    yield execute
    forget_engines()


def test_postgresql_gives_the_same_row(postgres: Any) -> None:
    [row] = called(finding(), id="M1").result
    assert row == {
        "plan": "GOLD",
        "born": "1980-02-29",
        "spent": Decimal("12.50"),
        "active": True,
        "share": Decimal("0.1"),
    }


def test_postgresql_takes_casts_and_colons_in_texts(postgres: Any) -> None:
    statement = "SELECT ':quoted %s%% '||(spent::int)::text AS plan FROM members WHERE id = :id::text"
    [row] = called(finding(statement), id="M1").result
    assert row["plan"] == ":quoted %s%% 13"


def test_postgresql_compares_dates_and_amounts_as_such(postgres: Any) -> None:
    step = call_step(
        "database",
        {"connection": "db", "statement": "SELECT plan FROM members WHERE born = :day AND spent > :amount"},
        ALLOW,
        result_of(plan="string"),
        day="date",
        amount="money",
    )
    assert called(step, day="1980-02-29", amount=Decimal("12.49")).result == [{"plan": "GOLD"}]


def test_postgresql_itself_keeps_a_step_that_reads_from_writing(postgres: Any) -> None:
    postgres(
        "CREATE OR REPLACE FUNCTION sneak() RETURNS text LANGUAGE sql "
        "AS $$ INSERT INTO log VALUES ('x') RETURNING note $$"
    )
    effect = called(finding("SELECT sneak() AS plan FROM members WHERE id = :id"), id="M1")
    assert effect.error == "The database refused the statement (25006)."
    assert postgres("SELECT * FROM log") == []


def test_postgresql_writes_once_for_a_key_also_from_many_threads(postgres: Any) -> None:
    step = call_step("database", NOTE, ALLOW, CHANGED, note="text")
    effects: list[Any] = []
    threads = [threading.Thread(target=lambda: effects.append(called(step, note="one"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [effect.result for effect in effects] == [{"changed": 1}] * 8
    assert postgres("SELECT note FROM log") == [("one",)]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT Plann AS plan FROM members WHERE id = :id", '42703: column "plann" does not exist'),
        ("SELECT m.plann AS plan FROM members m WHERE id = :id", "42703: column m.plann does not exist"),
        ("SELECT plan FROM memberz WHERE id = :id", '42P01: relation "memberz" does not exist'),
        ("SELECT plan FROM members WHERE id = :id LIMT 1", '42601: syntax error at or near "LIMT"'),
        ("SELECT a.plan FROM members a, members b WHERE id = :id", '42702: column reference "id" is ambiguous'),
        ("SELECT x.plan FROM members WHERE id = :id", '42P01: missing FROM-clause entry for table "x"'),
        ("SELECT plan FROM members WHERE born = :id", "22007"),  # its words quote the value
    ],
)
def test_postgresql_tells_a_name_that_it_does_not_know(postgres: Any, statement: str, told: str) -> None:
    effect = called(finding(statement, {"tables": ["members", "memberz"]}), id="SSN-1")
    remedy = REMEDY if ":" in told else ""
    assert (effect.state, effect.error) == ("failed", f"The database refused the statement ({told}).{remedy}")


def test_postgresql_leaves_out_words_that_quote_a_value(postgres: Any) -> None:
    postgres(
        "CREATE OR REPLACE FUNCTION built(word text) RETURNS text LANGUAGE plpgsql "
        "AS $$ BEGIN EXECUTE 'SELECT ' || word; RETURN ''; END $$"
    )
    effect = called(finding("SELECT built(:id) AS plan FROM members"), id="ssn1")
    assert effect.error == "The database refused the statement (42703)."


def test_postgresql_tells_a_broken_constraint_without_its_values(postgres: Any) -> None:
    step = call_step("database", NOTE, ALLOW, CHANGED, note="text")
    called(step, note="SSN-1")
    effect = called(step, run_id="run-2", note="SSN-1")
    assert (effect.state, effect.error) == ("failed", "The database refused the statement (23505).")


def test_postgresql_ends_a_statement_that_takes_too_long(postgres: Any) -> None:
    effect = called(finding("SELECT plan, pg_sleep(5) FROM members WHERE id = :id", timeout_seconds=1), id="M1")
    assert (effect.state, effect.error) == ("failed", "The database took longer than 'timeout_seconds'.")


def test_a_connection_that_the_server_ended_is_opened_anew(postgres: Any) -> None:
    called(finding(), id="M1")
    postgres(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
    )
    assert called(finding(), id="M1").state == "succeeded"


def test_a_forked_process_opens_connections_of_its_own(postgres: Any) -> None:
    called(finding(), id="M1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(called(finding(), id="M1").state != "succeeded")
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert called(finding(), id="M1").state == "succeeded"
