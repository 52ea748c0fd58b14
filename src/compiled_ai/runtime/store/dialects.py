"""SQLite and PostgreSQL behind one small interface. Statements are written with `?` and standard SQL.

What differs: how a database is opened, how a number is drawn for an event, how a row is locked, and what the two
words of durability mean.

| durability | SQLite (WAL) | PostgreSQL |
|---|---|---|
| `process` | `synchronous=NORMAL`: a killed process loses nothing, a power cut perhaps the last commits | as `power` |
| `power` | `synchronous=FULL`: a commit is synced before it returns | `synchronous_commit=on`; not with `fsync=off` |
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from compiled_ai.errors import ConfigError, StoreFailed
from compiled_ai.runtime.store.schema import MIGRATIONS, NEWEST, statements

if TYPE_CHECKING:
    import psycopg

Durability = Literal["process", "power"]
_APPLICATION = 0x43414952
"""`PRAGMA application_id` of our SQLite files ("CAIR")."""
_CHECKPOINT_PAGES = 4000
_MIGRATION_LOCK = 7_103_562_041


Row = Sequence[Any]
_ROWS_OF_A_STATEMENT = (100, 10, 1)
"""Many rows of one statement cost half of as many statements."""


class Duplicate(Exception):
    """A row with this key exists."""


class Rows(Protocol):
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    place: str
    """Where it is, for messages, without a password."""
    for_update: str
    """What a SELECT ends in to lock its row for the rest of the transaction."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows: ...
    def insert(self, table: str, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Inserts rows that have the values `same` in common and differ in `columns`."""
        ...

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows one after another, without holding all of them."""
        ...

    def insert_event(self, sql: str, values: Sequence[Any]) -> int:
        """Inserts into `events` and returns the new `seq`."""
        ...

    def insert_events(self, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        """As `insert` into `events`, within a transaction; returns their `seq`."""
        ...

    def begin(self) -> None: ...
    def begin_reading(self) -> None:
        """Opens a snapshot: what is read until `commit` is one state."""
        ...

    def lock(self, number: int) -> None:
        """Within a transaction: waits until no other transaction holds this number."""
        ...

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def forget_deleted(self) -> None:
        """Makes deleted bytes unreadable as far as the database can."""
        ...

    def close(self) -> None: ...


def open_database(url: str | Path, *, durability: Durability, busy_seconds: float) -> Database:
    """Opens and migrates. `url` is a path, `sqlite:///PATH` or `postgresql://...`."""
    text = str(url)
    database: Database
    if text.startswith(("postgresql://", "postgres://")):
        database = PostgreSQL(text, durability=durability, busy_seconds=busy_seconds)
    else:
        database = SQLite(_sqlite_path(text), durability=durability, busy_seconds=busy_seconds)
    try:
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _sqlite_path(url: str) -> Path:
    path = unquote(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else url
    if "://" in path or not path or path == ":memory:":
        raise ConfigError(
            f"{url!r} is not the address of a run store.",
            remedy="Use a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
        )
    return Path(path).expanduser()


def _migrate(database: Database) -> None:
    words = WORDS[type(database).__name__]
    if _version(database) == NEWEST:
        return
    database.begin()
    try:
        database.lock(_MIGRATION_LOCK)
        database.execute("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)")
        present = _version(database)
        for migration in MIGRATIONS:
            if migration.version > present:
                for statement in statements(migration, words):
                    database.execute(statement)
                applied = (migration.version, time.time_ns() // 1000)
                database.execute("INSERT INTO migrations (version, applied) VALUES (?, ?)", applied)
        database.commit()
    except BaseException:
        database.rollback()
        raise


def _version(database: Database) -> int:
    catalogue = WORDS[type(database).__name__]["has_migrations"]
    if database.execute(catalogue).fetchone()[0] == 0:
        return 0
    version = int(database.execute("SELECT COALESCE(MAX(version), 0) FROM migrations").fetchone()[0])
    if version > NEWEST:
        raise StoreFailed(
            f"The run store {database.place!r} has schema {version}, and this version knows schemas up to {NEWEST}.",
            remedy="Upgrade compiled-ai, or open the store with the version that wrote it.",
        )
    return version


WORDS: Mapping[str, Mapping[str, str]] = {
    "SQLite": {
        "blob": "BLOB",
        "serial": "INTEGER PRIMARY KEY",
        "key": "INTEGER PRIMARY KEY",
        "id": "TEXT",
        "clustered": " WITHOUT ROWID",
        "has_migrations": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'",
    },
    "PostgreSQL": {
        "blob": "BYTEA",
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "key": "BIGINT PRIMARY KEY",
        "id": 'TEXT COLLATE "C"',
        "clustered": "",
        "has_migrations": "SELECT COUNT(*) FROM information_schema.tables "
        "WHERE table_schema = 'compiled_ai' AND table_name = 'migrations'",
    },
}


class SQLite:
    for_update = ""

    def __init__(self, path: Path, *, durability: Durability, busy_seconds: float) -> None:
        self.place = str(path)
        _create_file(path, busy_seconds)
        try:
            self._connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as fault:
            raise self._failed(fault) from fault
        self._run = self._connection.execute
        self._most_values = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        try:
            self._configure(durability)
        except BaseException as fault:
            self._connection.close()
            if isinstance(fault, sqlite3.Error):
                raise self._failed(fault) from fault
            raise

    def _configure(self, durability: Durability) -> None:
        application = self._run("PRAGMA application_id").fetchone()[0]
        tables = self._run("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if application != _APPLICATION and (application or tables):
            raise StoreFailed(f"{self.place!r} is a database, but not a run store.", remedy="Name another file.")
        self._run("PRAGMA journal_mode = WAL")
        if not application:
            self._run(f"PRAGMA application_id = {_APPLICATION}")
        self._run(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
        self._run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._run("PRAGMA secure_delete = ON")
        self._run("PRAGMA cache_size = -16000")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        try:
            return self._run(sql, values)
        except sqlite3.IntegrityError as fault:
            raise Duplicate(str(fault)) from fault
        except sqlite3.Error as fault:
            raise self._failed(fault) from fault

    def insert(self, table: str, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """The values in common are bound once for all rows of a statement."""
        names, shared, done = tuple(same), tuple(same.values()), 0
        for size in _ROWS_OF_A_STATEMENT:
            if size * len(columns) + len(shared) > self._most_values:
                continue
            while len(rows) - done >= size:
                values = chain.from_iterable(rows[done : done + size])
                self.execute(_insert_text(table, names, columns, size), (*shared, *values))
                done += size

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._run(sql, values)
        except sqlite3.Error as fault:
            raise self._failed(fault) from fault

    def insert_event(self, sql: str, values: Sequence[Any]) -> int:
        try:
            return self._run(sql, values).lastrowid or 0
        except sqlite3.Error as fault:
            raise self._failed(fault) from fault

    def insert_events(self, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        """A writing transaction is alone, and SQLite numbers rows one after the other."""
        newest = int(self.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()[0])
        self.insert("events", same, columns, rows)
        return range(newest + 1, newest + 1 + len(rows))

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        self.execute("BEGIN")

    def lock(self, number: int) -> None:
        """A writing transaction is alone already."""

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    def forget_deleted(self) -> None:
        """Deleted bytes were overwritten with zeros; older copies of their pages lie in the write-ahead log."""
        busy = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreFailed(
                f"What was purged is deleted, but another process keeps old pages of {self.place!r} in use.",
                remedy="Purge again when the other processes have closed the store.",
            )

    def close(self) -> None:
        self._connection.close()

    def _failed(self, fault: sqlite3.Error) -> StoreFailed:
        text = str(fault)
        if "locked" in text or "busy" in text:
            remedy = "Another process holds it; try again, or use PostgreSQL for many writers."
        elif "full" in text or "disk I/O" in text:
            remedy = "Free some space on its disk; nothing of this transaction was stored."
        elif "malformed" in text or "not a database" in text or "encrypted" in text:
            remedy = "The file is damaged or cut short: restore it, with its -wal file, from a copy."
        elif "closed" in text:
            remedy = "Open it anew."
        else:
            remedy = "See what holds the file, and whether it may be written."
        return StoreFailed(f"The run store {self.place!r} failed: {text}.", remedy=remedy)


_MAGIC = b"SQLite format 3\0"
_LEAST_BYTES = 512
"""No SQLite file is smaller; SQLite itself takes a smaller one for a new one."""


def _create_file(path: Path, patience_seconds: float) -> None:
    """Makes a new file for its owner alone; an existing one that stays empty was cut short, and is refused."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            return
    except OSError as fault:
        raise StoreFailed(f"The run store {str(path)!r} cannot be made: {fault}.", remedy="Check the path.") from fault
    _refuse_other_file(path)
    end = time.monotonic() + min(patience_seconds, 5.0)
    while path.is_file() and path.stat().st_size < _LEAST_BYTES:
        if time.monotonic() > end:
            raise StoreFailed(
                f"The run store {str(path)!r} is empty: it is damaged or cut short, or never finished being made.",
                remedy="Restore it from a copy; if it never held a run, delete the file.",
            )
        time.sleep(0.02)


def _refuse_other_file(path: Path) -> None:
    if path.is_dir():
        raise StoreFailed(f"The run store {str(path)!r} is a folder.", remedy="Name a file with COMPILED_AI_STORE.")
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_MAGIC))
    except OSError:
        return  # whoever opens it says why it cannot be read
    if start and not _MAGIC.startswith(start):
        raise StoreFailed(
            f"{str(path)!r} is no SQLite database: it is another file, or a run store that was damaged.",
            remedy="Name another file with COMPILED_AI_STORE, or restore the store, with its -wal file, from a copy.",
        )


@lru_cache(maxsize=64)
def _insert_text(table: str, same: tuple[str, ...], columns: tuple[str, ...], rows: int) -> str:
    """An INSERT of so many rows, whose first parameters are what the rows have in common."""
    shared = [f"?{number}" for number in range(1, len(same) + 1)]
    numbers = count(len(same) + 1)
    values = [", ".join([*shared, *[f"?{next(numbers)}" for _ in columns]]) for _ in range(rows)]
    return f"INSERT INTO {table} ({', '.join((*same, *columns))}) VALUES ({'), ('.join(values)})"


@lru_cache(maxsize=256)
def _psycopg_text(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _plain_insert(table: str, same: tuple[str, ...], columns: tuple[str, ...]) -> str:
    names = (*same, *columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


class PostgreSQL:
    for_update = " FOR UPDATE"

    def __init__(self, url: str, *, durability: Durability, busy_seconds: float) -> None:
        try:
            import psycopg
        except ImportError as fault:
            raise ConfigError(
                "A run store on PostgreSQL needs psycopg, which is not installed.",
                remedy="Run `pip install 'compiled-ai[postgres]'`.",
            ) from fault
        self.place = _without_password(url)
        self._errors = psycopg.Error
        self._duplicate = psycopg.errors.UniqueViolation
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        except psycopg.Error as fault:
            raise self._failed(fault) from fault
        try:
            self._configure(durability, busy_seconds)
        except BaseException as fault:
            self._connection.close()
            if isinstance(fault, psycopg.Error):
                raise self._failed(fault) from fault
            raise

    def _configure(self, durability: Durability, busy_seconds: float) -> None:
        run = self._connection.execute
        fsync = run("SHOW fsync").fetchone()
        if durability == "power" and (fsync is None or fsync[0] != "on"):
            raise ConfigError(
                f"Durability 'power' is asked for, and {self.place!r} runs with fsync=off.",
                remedy="Turn fsync on in the server, or set COMPILED_AI_DURABILITY to 'process'.",
            )
        run("SET synchronous_commit = on")
        run("SET client_min_messages = warning")
        run(f"SET lock_timeout = {int(busy_seconds * 1000)}")
        if run("SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'compiled_ai'").fetchone() == (0,):
            run("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
            run("CREATE SCHEMA IF NOT EXISTS compiled_ai")
            run("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))
        run("SET search_path = compiled_ai")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        try:
            return self._connection.execute(_psycopg_text(sql), values)
        except self._duplicate as fault:
            raise Duplicate(str(fault)) from fault
        except self._errors as fault:
            raise self._failed(fault) from fault

    def insert(self, table: str, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        shared = tuple(same.values())
        try:
            with self._connection.cursor() as cursor:
                text = _psycopg_text(_plain_insert(table, tuple(same), columns))
                cursor.executemany(text, [(*shared, *row) for row in rows])
        except self._duplicate as fault:
            raise Duplicate(str(fault)) from fault
        except self._errors as fault:
            raise self._failed(fault) from fault

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            with self._connection.cursor(name=f"stream_{time.monotonic_ns()}") as cursor:
                cursor.itersize = 1000
                cursor.execute(_psycopg_text(sql), values)
                yield from cursor
        except self._errors as fault:
            raise self._failed(fault) from fault

    def insert_event(self, sql: str, values: Sequence[Any]) -> int:
        return int(self.execute(sql + " RETURNING seq", values).fetchone()[0])

    def insert_events(self, same: Mapping[str, Any], columns: tuple[str, ...], rows: Sequence[Row]) -> Sequence[int]:
        shared, text = tuple(same.values()), _plain_insert("events", tuple(same), columns)
        return [self.insert_event(text, (*shared, *row)) for row in rows]

    def begin(self) -> None:
        self.execute("BEGIN")

    def begin_reading(self) -> None:
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def lock(self, number: int) -> None:
        self.execute("SELECT pg_advisory_xact_lock(?)", (number,))

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if not self._connection.closed and not self._connection.broken:
            self.execute("ROLLBACK")

    def forget_deleted(self) -> None:
        """Frees the deleted rows; the server's own log and its backups keep them as long as they keep anything."""
        self.execute("VACUUM payloads")
        self.execute("VACUUM payloads_of_groups")
        self.execute("VACUUM runs")

    def close(self) -> None:
        self._connection.close()

    def _failed(self, fault: Exception) -> StoreFailed:
        """Says the kind of fault only: a server's message may quote values."""
        state = getattr(fault, "sqlstate", None)
        text = f"{type(fault).__name__}{f' ({state})' if state else ''}"
        remedy = {
            "55P03": "Another process holds the row; try again.",
            "53100": "The server's disk is full.",
        }.get(state or "", "See the server's log, and whether the address and the rights are correct.")
        return StoreFailed(f"The run store {self.place!r} failed: {text}.", remedy=remedy)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    address = parts.hostname or ""
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, f"{user}{address}{port}", parts.path, "", ""))
