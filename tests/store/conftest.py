"""Stores to try: SQLite in a file, and a PostgreSQL server of its own where its programs are installed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import RunStore

sys.path.insert(0, str(Path(__file__).parent))

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
    """A given server, or one started for these tests on a socket in a temporary folder."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    given = os.environ.get("COMPILED_AI_TEST_POSTGRES")
    if given:
        yield given
        return
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: neither its programs nor COMPILED_AI_TEST_POSTGRES")
    folder = Path(tempfile.mkdtemp(prefix="cai-pg-"))
    try:
        yield from _serve(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path | None:
    on_path = shutil.which("pg_ctl")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in [*found, *folders] if (folder / "initdb").exists()), None)


def _serve(programs: Path, folder: Path) -> Iterator[str]:
    user = _server_user()
    if user is not None:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, capture_output=True, text=True, cwd=folder, timeout=120)
        if done.returncode:
            pytest.skip(f"PostgreSQL does not start here: {done.stderr[-300:]}")

    data = folder / "data"
    run(str(programs / "initdb"), "-D", str(data), "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=20"
    run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://tests@/postgres?host={folder}"
    finally:
        run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    pytest.skip("PostgreSQL does not run as root, and there is no other user to run it")
