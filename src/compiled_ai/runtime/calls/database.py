"""Module `database`: one statement, one transaction, bound parameters only; SQLite and PostgreSQL.

A statement that reads runs in a transaction that the database itself keeps from writing. A statement that writes is
done once for each key: the key is noted in the table `compiled_ai_applied` of the same database in the same
transaction, so that it stands there exactly if the change does. Asked again with the same key, the count that was noted
is returned.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import digest_json
from compiled_ai.capabilities import Declared, lost_columns, row_fields
from compiled_ai.capabilities import repeats as repeats
from compiled_ai.capabilities.statement import escaped, read_statement
from compiled_ai.errors import CallFailed, ConfigError
from compiled_ai.runtime.calls.columns import bindable, json_row
from compiled_ai.runtime.calls.connections import Connection
from compiled_ai.runtime.calls.sqlite_guard import limited

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import Connection as Session
    from sqlalchemy.exc import DBAPIError

    from compiled_ai.runtime.calls import Call

APPLIED = "compiled_ai_applied"
CREATE_APPLIED = (
    f"CREATE TABLE IF NOT EXISTS {APPLIED} "
    "(call_key VARCHAR(128) PRIMARY KEY, request VARCHAR(64) NOT NULL, changed BIGINT NOT NULL)"
)
_NOTE = f"INSERT INTO {APPLIED} (call_key, request, changed) VALUES (:key, :request, -1) ON CONFLICT DO NOTHING"
_NOTED = f"SELECT request, changed FROM {APPLIED} WHERE call_key = :key"
_COUNT = f"UPDATE {APPLIED} SET changed = :changed WHERE call_key = :key"
_PAUSES = (0.1, 0.5, 2.0)
"""Seconds between attempts after the connection was lost."""

_engines: dict[tuple[str, str, str | None], Engine] = {}
_prepared: set[int] = set()
_lock = Lock()


class _Lost(Exception):
    """The connection was lost, or the database was locked; with `committing` the change may stand."""

    def __init__(self, *, committing: bool) -> None:
        super().__init__()
        self.committing = committing


def prepare(call: Call) -> None:
    """Every value is bound: there is nothing in one that could ask for more than the statement does."""


def reach(declared: Declared, connection: Connection) -> None:
    """Raises `ConfigError` if the address is none of a database that is known here, or of no file that exists."""
    _engine(connection)


def perform(call: Call, connection: Connection) -> Any:
    """Returns the rows, `{NAME: rows}` where the step collects them, or `{"changed": n}` for a statement that writes.

    Raises:
        ConfigError: the address is none of a database that is known here.
        CallFailed: what the database said: its code, and its words where all that they quote stands in the statement.
    """
    engine, unclear = _engine(connection), False
    for pause in (*_PAUSES, None):
        try:
            return _attempt(call, engine)
        except _Lost as lost:
            unclear = unclear or lost.committing
            if pause is None:
                break
            sleep(pause)
    failed = CallFailed.perhaps if unclear else CallFailed.surely
    raise failed(f"The connection {connection.name!r} was lost or locked, {len(_PAUSES) + 1} times.")


def _attempt(call: Call, engine: Engine) -> Any:
    declared = call.declared
    bound = _bound(call, engine.dialect.name)
    if declared.says("read_only", True):
        with _transaction(engine, declared, reading=True) as session:
            return _read(session, declared, bound)
    _ensure_applied(engine)
    with _transaction(engine, declared, reading=False) as session:
        return {"changed": _write(session, call, bound)}


def _bound(call: Call, dialect: str) -> dict[str, Any]:
    names = read_statement(str(call.declared.settings["statement"])).parameters
    return {name: bindable(call.declared.arguments[name], call.arguments[name], dialect) for name in names}


# ---------------------------------------------------------------- statements


def _read(session: Session, declared: Declared, bound: Mapping[str, Any]) -> Any:
    most = int(declared.says("max_rows", 1000))
    result = session.execute(_text(declared), bound)
    for lost in lost_columns(declared, tuple(result.keys())):
        raise CallFailed.surely(lost)
    found = result.mappings().fetchmany(most + 1)
    if len(found) > most:
        raise CallFailed.surely(f"The statement yields more than {most} rows. Narrow it, or raise 'max_rows'.")
    collected = declared.says("rows", None)
    rows = [json_row(dict(row), row_fields(declared)) for row in found]
    return rows if collected is None else {str(collected): rows}


def _write(session: Session, call: Call, bound: Mapping[str, Any]) -> int:
    """Notes the key and changes the rows, or returns what was noted when that was done before."""
    from sqlalchemy import text

    request = digest_json([call.declared.settings["statement"], dict(call.arguments)])
    if session.execute(text(_NOTE), {"key": call.key, "request": request}).rowcount == 0:
        noted, changed = session.execute(text(_NOTED), {"key": call.key}).one()
        if noted != request:
            raise CallFailed.surely("Another statement or other values were applied under the key of this call.")
        return int(changed)
    changed = max(0, session.execute(_text(call.declared), bound).rowcount)
    session.execute(text(_COUNT), {"key": call.key, "changed": changed})
    return changed


def _text(declared: Declared) -> Any:
    from sqlalchemy import text

    return text(escaped(str(declared.settings["statement"]).rstrip().rstrip(";")))


def _ensure_applied(engine: Engine) -> None:
    """Makes the table of applied keys, once per engine; another process may be doing the same."""
    from sqlalchemy import inspect, text
    from sqlalchemy.exc import DBAPIError

    if id(engine) in _prepared:
        return
    try:
        with _told(committing=False), engine.connect() as session:
            if not inspect(session).has_table(APPLIED):
                session.execute(text(CREATE_APPLIED))
                session.commit()
    except (CallFailed, DBAPIError) as fault:
        with _told(committing=False), engine.connect() as session:
            if not inspect(session).has_table(APPLIED):
                message = f"The table {APPLIED!r} is not there and cannot be made here. Make it: {CREATE_APPLIED}"
                raise CallFailed.surely(message) from fault
    _prepared.add(id(engine))


# ---------------------------------------------------------------- transactions


@contextmanager
def _transaction(engine: Engine, declared: Declared, *, reading: bool) -> Iterator[Session]:
    """One transaction with the limits of the step; rolled back on any fault, committed (or ended) otherwise."""
    begin = _on_postgresql if engine.dialect.name == "postgresql" else _on_sqlite
    said = str(declared.settings["statement"])
    with _told(said, committing=False), engine.connect() as session, begin(session, declared, reading) as end:
        yield session
        with _told(said, committing=not reading):
            end()


@contextmanager
def _on_postgresql(session: Session, declared: Declared, reading: bool) -> Iterator[Any]:
    milliseconds = int(declared.says("timeout_seconds", 30)) * 1000
    if reading:
        session.execution_options(postgresql_readonly=True)
    session.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
    session.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
    yield session.rollback if reading else session.commit


@contextmanager
def _on_sqlite(session: Session, declared: Declared, reading: bool) -> Iterator[Any]:
    raw = session.connection.driver_connection
    seconds = int(declared.says("timeout_seconds", 30))
    with limited(raw, declared, reading=reading, seconds=seconds, own_table=APPLIED):
        session.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
        try:
            yield lambda: session.exec_driver_sql("ROLLBACK" if reading else "COMMIT")
        finally:
            if raw is not None and raw.in_transaction:
                raw.rollback()


@contextmanager
def _told(statement: str = "", *, committing: bool) -> Iterator[None]:
    """Turns what the driver raises into a failed call, or into a lost connection that is worth another attempt."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except DBAPIError as fault:
        code = _code_of(fault)
        if fault.connection_invalidated or code in _LOST or code.startswith(("08", "57P")):
            raise _Lost(committing=committing) from None
        if code in ("57014", "55P03", "SQLITE_INTERRUPT"):
            raise CallFailed.surely("The database took longer than 'timeout_seconds'.") from None
        words = _quotable(fault, statement)
        remedy = " Correct the statement and compile it again, or mend the database." if words else ""
        raise CallFailed.surely(f"The database refused the statement ({code}{words}).{remedy}") from None
    except SQLAlchemyError as fault:
        raise CallFailed.surely(f"The statement could not be sent ({type(fault).__name__}).") from None
    except (ArithmeticError, ValueError) as fault:  # of the driver, before the statement left
        raise CallFailed.surely(f"A value cannot be bound ({type(fault).__name__}).") from None


_LOST = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "OperationalError", "InterfaceError", "40001", "40P01")


_NAMES = re.compile(
    "|".join(
        (
            r"no such (?:column|table|function): (.+)",
            r"ambiguous column name: (.+)",
            r"table (.+) has no column named (.+)",
            r"near \"(.+)\": syntax error",
            r"column \"?([^\"]+)\"? does not exist",
            r"relation \"(.+)\" does not exist",
            r"column \"(.+)\" of relation \"(.+)\" does not exist",
            r"column reference \"(.+)\" is ambiguous",
            r"missing FROM-clause entry for table \"(.+)\"",
            r"syntax error at or near \"(.+)\"",
        )
    )
)
"""What SQLite, then PostgreSQL, say of a name; the groups are what they quote."""


def _quotable(fault: DBAPIError, statement: str) -> str:
    """The database's own words, if they only quote what the statement says, which holds no value."""
    diagnosed = getattr(fault.orig, "diag", None)
    words = str(diagnosed.message_primary if diagnosed is not None else fault.orig)
    found = _NAMES.fullmatch(words)
    if found is None or any(each.lower() not in statement.lower() for each in found.groups() if each is not None):
        return ""
    return f": {words}"


def _code_of(fault: DBAPIError) -> str:
    """The code of a fault: SQLSTATE, SQLite's name, or the name of the exception."""
    told = getattr(fault.orig, "sqlstate", None) or getattr(fault.orig, "sqlite_errorname", None)
    return str(told or type(fault.orig).__name__)


# ---------------------------------------------------------------- engines


def _engine(connection: Connection) -> Engine:
    """The pool of a connection, made once per process and address."""
    key = (connection.name, connection.address, connection.secret)
    with _lock:
        if key not in _engines:
            _engines[key] = _open(connection)
        return _engines[key]


def _open(connection: Connection) -> Engine:
    try:
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as fault:
        raise ConfigError("Module 'database' needs SQLAlchemy.", remedy="pip install compiled-ai[database]") from fault
    try:
        url = make_url(connection.address)
    except (ArgumentError, ValueError):
        raise connection.refused("is no address of a database", "Write sqlite:///PATH or postgresql://...") from None
    if url.get_backend_name() == "sqlite":
        from pathlib import Path

        if not url.database or not Path(url.database).is_file():
            raise connection.refused("names no file of SQLite that exists", "Write sqlite:///PATH of a database.")
        return create_engine(url.set(drivername="sqlite"), connect_args={"isolation_level": None}, hide_parameters=True)
    if url.get_backend_name() == "postgresql":
        if connection.secret is not None:
            url = url.set(password=connection.secret)
        return _postgresql(url)
    raise connection.refused("names a kind of database that is not known here", "Known: sqlite, postgresql.")


def _postgresql(url: Any) -> Engine:
    from sqlalchemy import create_engine

    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": 10, "tcp_user_timeout": 30_000},
        )
    except ImportError as fault:
        raise ConfigError("PostgreSQL needs psycopg.", remedy="pip install compiled-ai[postgres]") from fault


_inherited: list[Engine] = []
"""Pools of the parent process, kept so that nothing of them is ever closed here."""


def _leave_inherited() -> None:
    """A forked process must not use, or end, its parent's connections."""
    global _lock
    _lock = Lock()
    _inherited.extend(_engines.values())
    _engines.clear()
    _prepared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_inherited)


def forget_engines() -> None:
    """Closes every pool of this process."""
    with _lock:
        for engine in _engines.values():
            engine.dispose(close=True)
        _engines.clear()
        _prepared.clear()
