"""A PostgreSQL server for tests: a given one, or one of their own where its programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def served() -> Iterator[str]:
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
