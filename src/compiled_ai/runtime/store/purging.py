"""Destroying what a run said, and changing the master key; neither touches the chain that went before."""

from __future__ import annotations

import json
from collections.abc import Sequence

from compiled_ai.errors import StoreFailed
from compiled_ai.runtime.keys import Wrapped
from compiled_ai.runtime.store.chain import header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.groups import RECORDED_MANY, group_at
from compiled_ai.runtime.store.runs import FINAL, RunRow, extend, run_row
from compiled_ai.runtime.store.session import Session, run_key_context
from compiled_ai.runtime.store.times import now_micros

_BATCH = 500


def purge(session: Session, run_ids: Sequence[str], before: int | None, *, by: str, reason: str) -> tuple[str, ...]:
    with session.reading() as database:
        _refuse_open(database, run_ids)
        chosen = list(dict.fromkeys([*run_ids, *_ended_before(database, before)]))
    purged: list[str] = []
    try:
        for start in range(0, len(chosen), _BATCH):
            with session.writing() as database:
                part = chosen[start : start + _BATCH]
                purged += [run_id for run_id in part if _purge_one(session, database, run_id, by, reason)]
    finally:  # also of what was purged before one that cannot be
        if purged:
            with session.lock:
                session.database.forget_deleted()
    return tuple(purged)


def _refuse_open(database: Database, run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        status = run_row(database, run_id).status
        if status not in FINAL:
            raise StoreFailed(
                f"Run {run_id!r} has not ended ({status}).", remedy="Decide or reject what it waits for, then purge it."
            )


def _ended_before(database: Database, before: int | None) -> list[str]:
    if before is None:
        return []
    rows = database.execute(
        "SELECT run_id FROM runs WHERE started < ? AND purged IS NULL AND status IN ('completed', 'failed') "
        "ORDER BY started, run_id",
        (before,),
    )
    return [row[0] for row in rows]


def _purge_one(session: Session, database: Database, run_id: str, by: str, reason: str) -> bool:
    row = run_row(database, run_id, lock=True)
    if row.purged is not None or row.status not in FINAL:
        return False
    grouped = _place_in_group(database, row)
    if grouped is None:
        _delete_business_keys(database, row)
    extend(session, row, "purged", {"by": by, "reason": reason}, {})
    values = (now_micros(), run_id)
    database.execute("UPDATE runs SET purged = ?, key_name = NULL, wrapped = NULL WHERE run_id = ?", values)
    if grouped is None:
        database.execute("DELETE FROM payloads WHERE seq = ?", (row.first,))
    else:
        stray = "place < 0 OR place >= ?"  # put beside them by hand: it may be a copy
        deleted = f"DELETE FROM payloads_of_groups WHERE seq = ? AND (place = ? OR {stray})"
        database.execute(deleted, (row.first, *grouped))
    later = "SELECT seq FROM events WHERE run_id = ? AND run_position > 0"
    database.execute(f"DELETE FROM payloads WHERE seq IN ({later})", (run_id,))
    database.execute("DELETE FROM effects WHERE run_id = ?", (run_id,))
    return True


def _place_in_group(database: Database, row: RunRow) -> tuple[int, int] | None:
    """Where the event of a group tells a run, and of how many, whatever the run's row says.

    `None` if its first event is its own.

    Raises `StoreFailed` if that event tells nothing of the run: then it is not known what is to be destroyed.
    """
    own = database.execute("SELECT run_id, kind FROM events WHERE seq = ?", (row.first,)).fetchone()
    if own is not None and own[0] == row.run_id and own[1] != RECORDED_MANY:
        return None
    group = group_at(database, row.first)
    run_ids = [] if group is None else group.run_ids()
    if row.run_id not in run_ids:
        raise StoreFailed(
            f"The first event of run {row.run_id!r} was altered, so its content cannot be found.",
            remedy="`compiled-ai runs verify` examines the whole store.",
        )
    return run_ids.index(row.run_id), len(run_ids)


def _delete_business_keys(database: Database, row: RunRow) -> None:
    """They are indexed by hash alone, and the run's first payload names them; without it they are searched for."""
    found = database.execute("SELECT clear FROM payloads WHERE seq = ?", (row.first,)).fetchone()
    try:
        hashes = json.loads(bytes(found[0]))["references"].values() if found else None
    except (ValueError, TypeError, AttributeError):
        hashes = None
    except KeyError:
        return
    if hashes is None:
        database.execute("DELETE FROM business_keys WHERE run_id = ?", (row.run_id,))
    for value in hashes or ():
        key = (bytes.fromhex(value), row.run_id)
        database.execute("DELETE FROM business_keys WHERE hash = ? AND run_id = ?", key)


def rotate(session: Session) -> int:
    """Works through the runs in batches; broken off, it is simply called again."""
    current = session.keys.chain_key_name()
    with session.writing():
        count = int(session.rewrap_secret())
    while batch := _rotate_batch(session, current):
        count += batch
    if count:
        with session.writing():
            session.append("rotated", header_text({"keys": count, "to": current}), at=now_micros())
        with session.lock:
            session.database.forget_deleted()
    return count


def _rotate_batch(session: Session, current: str) -> int:
    with session.writing() as database:
        rows = database.execute(
            "SELECT run_id, key_name, wrapped FROM runs WHERE key_name IS NOT NULL AND key_name <> ? "
            f"ORDER BY run_id LIMIT {_BATCH}" + database.for_update,
            (current,),
        ).fetchall()
        for run_id, key_name, wrapped in rows:
            context = run_key_context(run_id)
            secret = session.keys.unwrap(Wrapped(key_name, bytes(wrapped)), context=context)
            again = session.keys.wrap(secret, context=context)
            database.execute(
                "UPDATE runs SET key_name = ?, wrapped = ? WHERE run_id = ?", (again.key_name, again.data, run_id)
            )
        return len(rows)
