"""A store that cannot be trusted to be whole is refused, and says what to do."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from store_samples import Place, in_another_process, run_record

from compiled_ai.errors import CompiledAIError, ConfigError, KeyMissing, StoreFailed
from compiled_ai.runtime.keys import KeyRing, new_key
from compiled_ai.runtime.store import RunStore
from compiled_ai.runtime.store import dialects as dialects_module
from compiled_ai.runtime.store.schema import MIGRATIONS, Migration


def filled(place: Place, count: int = 60) -> Path:
    with place.open() as store:
        store.save_many([run_record() for _ in range(count)])
    return Path(place.url.removeprefix("sqlite:///"))


def read_all(store: RunStore) -> None:
    store.verify()
    for run in store.list():
        store.load(run.run_id)


@pytest.mark.parametrize("keep", [1, 100, 5000, 0.5, 0.9])
def test_a_truncated_store_is_refused(sqlite_place: Place, keep: float) -> None:
    file = filled(sqlite_place)
    size = file.stat().st_size
    os.truncate(file, int(size * keep) if keep < 1 else int(keep))
    with pytest.raises(StoreFailed, match="damaged or cut short"), sqlite_place.open(busy_seconds=0.2) as store:
        read_all(store)


def test_an_emptied_store_is_refused_and_stays_as_it_is(sqlite_place: Place) -> None:
    file = filled(sqlite_place)
    os.truncate(file, 0)
    with pytest.raises(StoreFailed, match="is empty: it is damaged or cut short"):
        sqlite_place.open(busy_seconds=0.1)
    assert file.stat().st_size == 0


def test_scrambled_pages_are_refused(sqlite_place: Place) -> None:
    file = filled(sqlite_place)
    content = bytearray(file.read_bytes())
    content[4096:] = bytes(byte ^ 0x5A for byte in content[4096:])
    file.write_bytes(content)
    with pytest.raises(StoreFailed), sqlite_place.open() as store:
        read_all(store)


def test_a_file_that_is_no_database_is_refused(sqlite_place: Place) -> None:
    file = Path(sqlite_place.url.removeprefix("sqlite:///"))
    file.write_text("claim_id,amount\n" * 200)
    with pytest.raises(StoreFailed, match="is no SQLite database"):
        sqlite_place.open()
    assert file.read_text().startswith("claim_id")


def test_another_programs_database_is_refused_and_left_alone(sqlite_place: Place) -> None:
    sqlite_place.execute("CREATE TABLE members (id TEXT)")
    with pytest.raises(StoreFailed, match="is a database, but not a run store"):
        sqlite_place.open()
    assert sqlite_place.execute("SELECT name FROM sqlite_master") == [("members",)]


def test_a_store_in_a_folder_that_cannot_be_made_is_refused(sqlite_place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="cannot be made"):
        RunStore.open(tmp_path / "file" / "runs.db", keys=sqlite_place.keys)


def test_a_store_of_a_newer_version_is_refused_and_left_alone(place: Place) -> None:
    place.open().close()
    place.execute("INSERT INTO migrations (version, applied) VALUES (99, 0)")
    with pytest.raises(StoreFailed, match=r"has schema 99.*knows schemas up to 2\. Upgrade compiled-ai"):
        place.open()
    assert place.execute("SELECT MAX(version) FROM migrations") == [(99,)]


def test_an_older_store_is_migrated_once_and_keeps_its_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.open() as store:
        run_id = store.save(run_record())
    newer = (*MIGRATIONS, Migration(3, ("ALTER TABLE runs ADD COLUMN note TEXT",)))
    monkeypatch.setattr(dialects_module, "MIGRATIONS", newer)
    monkeypatch.setattr(dialects_module, "NEWEST", 3)
    for _ in range(2):
        with place.open() as store:
            assert store.load(run_id).run_id == run_id
    assert place.execute("SELECT version FROM migrations ORDER BY version") == [(1,), (2,), (3,)]
    assert place.execute("SELECT note FROM runs") == [(None,)]


def test_a_failed_migration_leaves_the_store_as_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.open() as store:
        run_id = store.save(run_record())
    broken = Migration(3, ("ALTER TABLE runs ADD COLUMN note TEXT", "ALTER TABLE nowhere ADD COLUMN x TEXT"))
    with monkeypatch.context() as patched:
        patched.setattr(dialects_module, "MIGRATIONS", (*MIGRATIONS, broken))
        patched.setattr(dialects_module, "NEWEST", 3)
        with pytest.raises(StoreFailed):
            place.open()
    with place.open() as store:
        assert store.load(run_id).run_id == run_id
    assert place.execute("SELECT version FROM migrations") == [(1,), (2,)]


def test_a_locked_store_gives_up_after_its_patience(sqlite_place: Place) -> None:
    file = filled(sqlite_place, 1)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with sqlite_place.open(busy_seconds=0.1) as store:
            assert len(store.list()) == 1
            with pytest.raises(StoreFailed, match="Another process holds it"):
                store.save(run_record())
            holder.execute("ROLLBACK")
            store.save(run_record())
            assert store.verify().runs == 2
    finally:
        holder.close()


def test_a_locked_row_gives_up_after_its_patience(postgres_place: Place, postgres_url: str) -> None:
    import psycopg

    with postgres_place.open(busy_seconds=0.2) as store:
        run_id = store.start(run_record(status="waiting", output=None, finished_at=None))
        with psycopg.connect(postgres_url) as holder:
            holder.execute("SELECT * FROM compiled_ai.runs FOR UPDATE")
            with pytest.raises(StoreFailed, match="Another process holds the row"):
                store.finish(run_id, "completed")
        store.finish(run_id, "completed")
        assert store.verify().status == "clean"


_FILL_DISK = """
import resource, sys
from pathlib import Path
from compiled_ai.errors import StoreFailed
from compiled_ai.records import RunRecord
from compiled_ai.runtime.store import RunStore, new_run_id, now_text
with RunStore.open(sys.argv[1], home=Path(sys.argv[2])) as store:
    limit = 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    stored = 0
    try:
        while True:
            store.save(RunRecord(run_id=new_run_id(), artifact="a", workflow="w", input="x" * 2000,
                                 status="completed", started_at=now_text()))
            stored += 1
    except StoreFailed as fault:
        print(stored, fault)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.list()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="uses RLIMIT_FSIZE")
@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY, reason="file size limited")
def test_a_full_disk_stores_what_it_confirmed_and_says_what_to_do(sqlite_place: Place, key_line: str) -> None:
    child = in_another_process(_FILL_DISK, sqlite_place.url, str(sqlite_place.home), key_line=key_line)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    stored, _, message = output.partition(" ")
    assert int(stored) > 5
    assert "Free some space" in message
    with sqlite_place.open() as store:
        report = store.verify()
        assert report.runs == int(stored)
        assert report.status == "clean"


def test_without_its_master_key_a_store_is_not_opened(place: Place, home: Path) -> None:
    place.open().close()
    with pytest.raises(KeyMissing, match="The master key 'first' is needed and not configured"):
        place.open(keys=KeyRing(home=home))


def test_with_another_key_of_that_name_a_store_is_not_opened(place: Place) -> None:
    place.open().close()
    with pytest.raises(StoreFailed, match="another key of that name"):
        place.open(keys=KeyRing.from_environment({"COMPILED_AI_KEY": new_key("first")}))


def test_a_store_with_a_local_key_is_not_opened_without_it(sqlite_place: Place, home: Path) -> None:
    sqlite_place.open(keys=KeyRing(home=home)).close()
    (home / "keys" / "local.key").unlink()
    with pytest.raises(KeyMissing, match="is gone"):
        sqlite_place.open(keys=KeyRing(home=home))


def test_a_store_opened_before_a_fork_is_refused_after_it(sqlite_place: Place) -> None:
    with sqlite_place.open() as store:
        store.save(run_record())
        child = os.fork()
        if child == 0:
            try:
                store.save(run_record())
            except StoreFailed as fault:
                os._exit(7 if "before a fork" in str(fault) else 8)
            except BaseException:
                os._exit(9)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        store.save(run_record())
        assert store.verify().status == "clean"


def test_the_file_is_for_its_owner_alone(sqlite_place: Place) -> None:
    with sqlite_place.open() as store:
        store.save(run_record())
        folder = Path(store.place).parent
        modes = {file.name: file.stat().st_mode & 0o777 for file in folder.glob("runs.db*")}
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


def test_durability_against_power_loss_is_refused_by_a_server_that_does_not_sync(postgres_place: Place) -> None:
    if postgres_place.execute("SHOW fsync") == [("on",)]:
        pytest.skip("this server syncs")
    with pytest.raises(ConfigError, match="runs with fsync=off"):
        postgres_place.open(durability="power")


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability_is_what_was_asked_for(sqlite_place: Place, durability: str, level: int) -> None:
    database = dialects_module.open_database(
        sqlite_place.url,
        durability=durability,  # type: ignore[arg-type]
        busy_seconds=1,
    )
    assert database.execute("PRAGMA synchronous").fetchone() == (level,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_server_that_cannot_be_reached_is_named_without_its_password(keys: KeyRing, tmp_path: Path) -> None:
    with pytest.raises(CompiledAIError) as fault:
        RunStore.open(f"postgresql://me:geheim@/runs?host={tmp_path}", keys=keys)
    assert "'postgresql://me@/runs'" in str(fault.value)
    assert "geheim" not in str(fault.value)


def test_without_psycopg_the_extra_is_named(keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'compiled-ai\[postgres\]'"):
        RunStore.open("postgresql://localhost/runs", keys=keys)


def test_a_copied_store_opens_elsewhere(sqlite_place: Place, tmp_path: Path) -> None:
    file = filled(sqlite_place, 3)
    copy = tmp_path / "copy.db"
    shutil.copy(file, copy)
    with RunStore.open(copy, keys=sqlite_place.keys) as store:
        assert store.verify().status == "clean"
