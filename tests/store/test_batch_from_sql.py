"""A batch reads what a query gives, from SQLite and from PostgreSQL, and cannot write there."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.errors import ConfigError, UsageError
from compiled_ai.runtime.batch import run_batch
from compiled_ai.runtime.stepper import Program, load_program

pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed")
FIXTURES = Path(__file__).parents[1] / "runtime" / "fixtures"


@pytest.fixture
def extract() -> Program:
    return load_program(FIXTURES / "extract")


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "papers.db"
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("CREATE TABLE papers (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO papers VALUES (?, ?)", [(n, f"Total: {n}") for n in range(1, 1501)])
    connection.close()
    monkeypatch.setenv("COMPILED_AI_CONNECTION_PAPERS", f"sqlite:///{file}")
    return file


def outputs(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_come_from_a_query_in_its_order(extract: Program, papers: Path, tmp_path: Path) -> None:
    source = "sql:papers:SELECT text AS document, id FROM papers WHERE text LIKE 'Total: %' ORDER BY id DESC;"
    run_batch(extract, source, tmp_path / "out.jsonl", keep=["id"], workers=1)
    lines = outputs(tmp_path / "out.jsonl")
    assert (len(lines), lines[0]["id"], lines[0]["output"]["total"]) == (1500, 1500, "1500")


def test_a_query_that_gives_other_rows_than_before_is_refused(extract: Program, papers: Path, tmp_path: Path) -> None:
    source = "sql:papers:SELECT text AS document FROM papers ORDER BY id"

    def breaks(done: int, total: int | None) -> None:
        if done >= 512:  # a whole chunk, however quick the machine is
            raise KeyboardInterrupt

    options: Any = {"workers": 0, "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        run_batch(extract, source, tmp_path / "out.jsonl", progress=breaks, **options)
    connection = sqlite3.connect(papers)
    with connection:
        connection.execute("DELETE FROM papers WHERE id = 3")
    connection.close()
    with pytest.raises(UsageError, match=r"sql:papers' is not the one that the batch began with"):
        run_batch(extract, source, tmp_path / "out.jsonl", resume=True, **options)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("sql:papers", "is no source"),
        ("sql:papers:DELETE FROM papers", "does not begin with SELECT or WITH"),
        ("sql:papers:WITH x AS (SELECT 1) DELETE FROM papers", "The query of sql:papers failed: attempt to write"),
        ("sql:papers:SELECT absent FROM papers", "The query of sql:papers failed: no such column"),
        ("sql:papers:SELECT id, id FROM papers", "Column 'id' occurs twice"),
        ("sql:papers:SELECT id FROM papers", "The file has no column 'document'"),
        ("sql:nowhere:SELECT 1", "The connection 'nowhere' has no address. Set COMPILED_AI_CONNECTION_NOWHERE"),
    ],
)
def test_a_source_that_is_wrong_is_refused_before_anything_runs(
    extract: Program, papers: Path, tmp_path: Path, source: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run_batch(extract, source, tmp_path / "out.jsonl", workers=0)
    assert said in str(caught.value)
    assert not list(tmp_path.glob("out*"))
    connection = sqlite3.connect(papers)
    assert connection.execute("SELECT COUNT(*) FROM papers").fetchone() == (1500,)
    connection.close()


def test_a_database_that_cannot_be_reached_or_held_to_reading_is_refused(
    extract: Program, papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        run_batch(extract, "sql:papers:SELECT 1", tmp_path / "out.jsonl", workers=0)

    with monkeypatch.context() as patch:
        patch.setattr("sqlalchemy.dialects.sqlite.base.SQLiteDialect.name", "other")
        with pytest.raises(ConfigError, match="is to 'other', which is not known to refuse writing"):
            run()
    with monkeypatch.context() as patch:
        patch.setenv("COMPILED_AI_CONNECTION_PAPERS", f"sqlite:///{tmp_path}/no/where.db")
        with pytest.raises(ConfigError, match="The connection 'papers' cannot be opened"):
            run()
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ConfigError, match=r"pip install 'compiled-ai\[database\]'"):
        run()


def test_postgresql_is_read_and_not_written(
    extract: Program, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP TABLE IF EXISTS papers")
        made = "SELECT n, 'Total: ' || n AS document FROM generate_series(1, 2000) n"
        connection.execute(f"CREATE TABLE papers AS {made}")
        wipes = "RETURNS INT LANGUAGE SQL AS 'DELETE FROM papers; SELECT 1'"
        connection.execute(f"CREATE OR REPLACE FUNCTION wipe() {wipes}")
    monkeypatch.setenv("COMPILED_AI_CONNECTION_PAPERS", postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    run_batch(
        extract, "sql:papers:SELECT document, n::int FROM papers ORDER BY n", tmp_path / "out.jsonl", workers=1
    )
    assert outputs(tmp_path / "out.jsonl")[-1]["output"]["total"] == "2000"
    with pytest.raises(UsageError, match="read-only transaction"):
        run_batch(extract, "sql:papers:SELECT wipe()::text AS document", tmp_path / "out2.jsonl", workers=0)
