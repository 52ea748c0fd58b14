"""Reviews: a question to a person, decided once, audited in the run's chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compiled_ai.errors import InputError, KeyMissing, NotFound, ReviewConflict, StoreFailed
from compiled_ai.records import ReviewDecision
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.effecting import settle
from compiled_ai.runtime.store.runs import FINAL, extend, open_run_row, run_row
from compiled_ai.runtime.store.session import Session
from compiled_ai.runtime.store.telling import Told, told_of
from compiled_ai.runtime.store.times import iso, micros_of, now_micros

ReviewStatus = Literal["open", "decided"]

_COLUMNS = "review_id, run_id, step, item, attempt, status, opened, deadline, decided"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a review was asked for."""

    step: str
    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Review:
    """One question to a person, with everything that the decision needs."""

    review_id: str
    run_id: str
    workflow: str
    artifact: str
    step: str
    item: int
    attempt: int
    status: ReviewStatus
    proposed: Any
    """The step's result as proposed (JSON), or `None` if there is none."""
    reason: str
    problems: tuple[str, ...]
    opened_at: str
    deadline: str | None
    decision: ReviewDecision | None


def open_review(session: Session, run_id: str, place: Place, asked: Mapping[str, Any], *, deadline: str | None) -> str:
    with session.writing() as database:
        key = (run_id, place.step, place.item, place.attempt)
        row = open_run_row(database, run_id)
        existing = database.execute(
            "SELECT review_id FROM reviews WHERE run_id = ? AND step = ? AND item = ? AND attempt = ?", key
        ).fetchone()
        if existing is not None:
            return str(existing[0])
        review_id = new_run_id()
        row.status = "review"
        header = {
            "attempt": place.attempt,
            "deadline": deadline,
            "item": place.item,
            "review": review_id,
            "status": "review",
            "step": place.step,
        }
        extend(session, row, "review_opened", header, {"reviews": dict(asked)})
        database.execute(
            "INSERT INTO reviews (review_id, run_id, step, item, attempt, status, opened, deadline) "
            "VALUES (?, ?, ?, ?, ?, 'open', ?, ?)",
            (review_id, *key, now_micros(), None if deadline is None else micros_of(deadline)),
        )
    return review_id


def reviews(session: Session, status: str | None) -> tuple[Review, ...]:
    if status not in (None, "open", "decided"):
        raise InputError(f"{status!r} is not a status of a review.", remedy="Use 'open' or 'decided'.")
    where = "" if status is None else "AND v.status = ? "
    columns = ", ".join(f"v.{column}" for column in _COLUMNS.split(", "))
    with session.reading() as database:
        rows = database.execute(
            f"SELECT {columns} FROM reviews v JOIN runs r ON r.run_id = v.run_id WHERE r.purged IS NULL {where}"
            "ORDER BY COALESCE(v.deadline, 9223372036854775807), v.opened, v.review_id",
            () if status is None else (status,),
        ).fetchall()
        told: dict[str, Told] = {}
        return tuple(_listed(session, database, row, told) for row in rows)


def review(session: Session, review_id: str) -> Review:
    with session.reading() as database:
        return _read(session, database, _row(database, review_id), {})


def _row(database: Database, review_id: str) -> Any:
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM reviews WHERE review_id >= ? AND review_id < ? ORDER BY review_id LIMIT 2",
        (review_id, review_id + "\U0010ffff"),
    ).fetchall()
    if not rows or not review_id:
        raise NotFound(f"There is no review {review_id!r}.", remedy="`compiled-ai review list` shows the open ones.")
    if len(rows) > 1 and rows[0][0] != review_id:
        raise NotFound(f"Several reviews begin with {review_id!r}.", remedy="Give more of the id.")
    return rows[0]


def _listed(session: Session, database: Database, row: Any, known: dict[str, Told]) -> Review:
    """One record that cannot be opened must not hide the reviews of all others."""
    try:
        return _read(session, database, row, known)
    except (KeyMissing, StoreFailed) as fault:
        review_id, run_id, step, item, attempt, status, opened, deadline, _ = row
        run = run_row(database, run_id)
        return Review(
            review_id=review_id,
            run_id=run_id,
            workflow=run.workflow,
            artifact=run.artifact,
            step=step,
            item=item,
            attempt=attempt,
            status=status,
            proposed=None,
            reason=f"(cannot be read: {fault.message})",
            problems=(),
            opened_at=iso(opened),
            deadline=None if deadline is None else iso(deadline),
            decision=None,
        )


def _read(session: Session, database: Database, row: Any, known: dict[str, Told]) -> Review:
    review_id, run_id, step, item, attempt, status, opened, deadline, _ = row
    run = run_row(database, run_id)
    if run_id not in known:
        known[run_id] = told_of(session, run)
    kept = known[run_id].reviews[review_id]
    asked, decision = kept["asked"], kept.get("decision")
    withheld = "withheld" in asked
    return Review(
        review_id=review_id,
        run_id=run_id,
        workflow=run.workflow,
        artifact=run.artifact,
        step=step,
        item=item,
        attempt=attempt,
        status=status,
        proposed=None if withheld else asked["proposed"],
        reason=f"({asked['withheld']})" if withheld else asked["reason"],
        problems=() if withheld else tuple(asked["problems"]),
        opened_at=iso(opened),
        deadline=None if deadline is None else iso(deadline),
        decision=None if decision is None or "withheld" in decision else ReviewDecision(**decision),
    )


def decide(session: Session, review_id: str, decision: ReviewDecision) -> Review:
    """Compare and set, under the lock of the run's row."""
    with session.writing() as database:
        full_id, run_id, step, item, attempt = _row(database, review_id)[:5]
        run = run_row(database, run_id, lock=True)
        row = _row(database, full_id)
        if row[5] != "open":
            kept = _read(session, database, row, {}).decision
            by = f" by {kept.by!r} ({kept.action})" if kept else ""
            raise ReviewConflict(f"Review {full_id!r} was decided{by} at {iso(row[8])}.", remedy="Nothing was changed.")
        if run.status in FINAL:
            raise ReviewConflict(f"Run {run_id!r} has ended ({run.status}).", remedy="Nothing was changed.")
        extend(session, run, "review_decided", {"review": full_id}, {"reviews": decision.model_dump()})
        database.execute(
            "UPDATE reviews SET status = 'decided', decided = ? WHERE review_id = ?", (now_micros(), full_id)
        )
        key = (step, "review", item, attempt)
        known = database.execute(
            "SELECT state FROM effects WHERE run_id = ? AND step = ? AND kind = ? AND item = ? AND attempt = ?",
            (run_id, *key),
        ).fetchone()
        settle(database, run_id, key, "succeeded", known=known is not None)
        return _read(session, database, _row(database, full_id), {})
