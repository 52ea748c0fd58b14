"""Stores to try: SQLite in a file, and a PostgreSQL server of its own where its programs are installed."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import RunStore

sys.path.insert(0, str(Path(__file__).parent))

from postgres_server import served
from store_samples import Place


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def key_line() -> str:
    return new_key("first")


@pytest.fixture
def keys(key_line: str, home: Path) -> KeyRing:
    return KeyRing.from_environment({"COMPILED_AI_KEY": key_line}, home=home)


@pytest.fixture
def sqlite_place(tmp_path: Path, home: Path, keys: KeyRing) -> Place:
    file = tmp_path / "runs.db"

    def execute(sql: str, values: Sequence[Any] = ()) -> list[Any]:
        connection = sqlite3.connect(file)
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    return Place(f"sqlite:///{file}", home, keys, execute)


@pytest.fixture
def postgres_place(postgres_url: str, home: Path, keys: KeyRing) -> Place:
    import psycopg

    def execute(sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with psycopg.connect(postgres_url, options="-csearch_path=compiled_ai") as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)  # type: ignore[arg-type, unused-ignore]
            return cursor.fetchall() if cursor.description else []

    execute("DROP SCHEMA IF EXISTS compiled_ai CASCADE")
    return Place(postgres_url, home, keys, execute)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    name = "sqlite_place" if request.param == "sqlite" else "postgres_place"
    found: Place = request.getfixturevalue(name)
    return found


@pytest.fixture
def store(place: Place) -> Iterator[RunStore]:
    with place.open() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    yield from served()
