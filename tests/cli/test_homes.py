"""A home or a run store that cannot be used is named, with what to do."""

from __future__ import annotations

import sqlite3

import pytest
from cli_support import EXAMPLES, Home

ROUTING = str(EXAMPLES / "claim_routing.yaml")


def test_a_home_that_cannot_be_made_is_named(home: Home) -> None:
    (home.folder / "file").write_text("x")
    place = str(home.folder / "file" / "home")
    remedy = "Set COMPILED_AI_HOME to a folder that can be written."
    for command in (("compile", ROUTING), ("keys", "rotate")):
        ran = home(*command, COMPILED_AI_HOME=place)
        assert (ran.code, ran.err) == (2, f"error: The home {place!r} cannot be made: Not a directory. {remedy}\n")
    [check] = [each for each in home("doctor", "--json", COMPILED_AI_HOME=place).json if each["what"] == "home"]
    assert (check["status"], check["found"]) == ("wrong", f"{place} cannot be written")


def test_a_home_that_is_not_there_is_named(home: Home) -> None:
    place = str(home.folder / "home")
    ran = home("runs", "list")
    assert (ran.code, ran.err) == (
        2,
        f"error: There is no home {place!r} yet, and no run store. Run something first, or correct COMPILED_AI_HOME.\n",
    )
    assert home("list").out == f"No artifacts in {place!r} yet. Compile a specification first.\n"


@pytest.mark.parametrize("content", [b"run, status\n", b"x" * 9000])
def test_a_file_that_is_no_database_is_told_as_such(home: Home, content: bytes) -> None:
    file = home.folder / "runs.csv"
    file.write_bytes(content)
    ran = home("runs", "list", COMPILED_AI_STORE=str(file))
    assert (ran.code, ran.err) == (
        1,
        f"error: {str(file)!r} is no SQLite database: it is another file, or a run store that was damaged. "
        "Name another file with COMPILED_AI_STORE, or restore the store, with its -wal file, from a copy.\n",
    )
    assert file.read_bytes() == content


def test_a_folder_and_another_database_are_no_run_store(home: Home) -> None:
    ran = home("runs", "list", COMPILED_AI_STORE=str(home.folder))
    assert ran.err == f"error: The run store {str(home.folder)!r} is a folder. Name a file with COMPILED_AI_STORE.\n"
    with sqlite3.connect(home.folder / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    ran = home("runs", "list", COMPILED_AI_STORE=str(home.folder / "other.db"))
    assert "is a database, but not a run store. Name another file." in ran.err
