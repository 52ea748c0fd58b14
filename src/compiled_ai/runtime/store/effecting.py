"""Effects of a run that is under way: intended before they start, the first result wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compiled_ai.errors import InputError, StoreFailed
from compiled_ai.library.context import EffectRequest
from compiled_ai.records import Effect, RunStatus
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import Part
from compiled_ai.runtime.store.runs import (
    EffectKey,
    RunRow,
    effect_detail,
    extend,
    open_run_row,
    run_row,
)
from compiled_ai.runtime.store.session import Session
from compiled_ai.runtime.store.telling import told_of
from compiled_ai.runtime.store.times import iso

_SELECT = "SELECT state FROM effects WHERE run_id = ? AND step = ? AND kind = ? AND item = ? AND attempt = ?"
_INSERT = "INSERT INTO effects (run_id, step, kind, item, attempt, state) VALUES (?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE effects SET state = ? WHERE run_id = ? AND step = ? AND kind = ? AND item = ? AND attempt = ?"
_SETTLED = ("succeeded", "failed")


@dataclass(frozen=True, slots=True)
class Intent:
    """What the store knew of an effect when it was intended."""

    state: Literal["new", "in_doubt", "recorded"]
    """`new`: start it. `in_doubt`: it was intended before and has no result, so it may have happened.
    `recorded`: it has a result."""
    effect: Effect | None = None
    """The recorded effect, if `state` is `recorded`."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A run that has not ended; perhaps because another process is still working on it."""

    run_id: str
    workflow: str
    artifact: str
    status: RunStatus
    started_at: str
    in_doubt: tuple[EffectKey, ...]
    """Effects that were intended and have no result: (step, kind, item, attempt)."""


def intend(session: Session, run_id: str, request: EffectRequest) -> Intent:
    with session.writing() as database:
        row = open_run_row(database, run_id)
        state = _state(database, run_id, request.key)
        if state in _SETTLED:
            return Intent("recorded", _recorded(session, run_id, request.key))
        if state is not None:
            return Intent("in_doubt")
        part: Part = "reviews" if request.kind == "review" else "effects"
        detail = {"request": dict(request.payload)}
        extend(session, row, "intended", {"effect": [*request.key], "state": "intended"}, {part: detail})
        database.execute(_INSERT, (run_id, *request.key, "intended"))
    return Intent("new")


def record_effect(session: Session, run_id: str, effect: Effect) -> Effect:
    if effect.state == "intended":
        raise InputError("An effect without a result cannot be recorded.", remedy="Use intend().")
    with session.writing() as database:
        row = run_row(database, run_id, lock=True)
        state = _state(database, run_id, effect.key)
        if state in _SETTLED:
            return _recorded(session, run_id, effect.key)
        row = open_run_row(database, run_id)
        part: Part = "reviews" if effect.kind == "review" else "effects"
        parts: dict[Part, Any] = {part: effect_detail(effect)}
        if effect.error is not None:
            parts["error_texts"] = {"effect": effect.error}
        extend(session, row, "effect", {"effect": [*effect.key], "state": effect.state}, parts)
        settle(database, run_id, effect.key, effect.state, known=state is not None)
    return effect


def settle(database: Database, run_id: str, key: EffectKey, state: str, *, known: bool) -> None:
    if known:
        database.execute(_UPDATE, (state, run_id, *key))
    else:
        database.execute(_INSERT, (run_id, *key, state))


def _state(database: Database, run_id: str, key: EffectKey) -> str | None:
    row = database.execute(_SELECT, (run_id, *key)).fetchone()
    return None if row is None else str(row[0])


def _recorded(session: Session, run_id: str, key: EffectKey) -> Effect:
    told = told_of(session, run_row(session.database, run_id))
    effect = told.effects.get(key)
    if effect is None or effect.state not in _SETTLED:
        raise StoreFailed(
            f"Run {run_id!r} lists a result for {key!r} that its events do not tell.", remedy="Run `runs verify`."
        )
    return effect


def incomplete(database: Database) -> tuple[Incomplete, ...]:
    """Two queries, whatever the number of runs that have ended."""
    doubts: dict[str, list[EffectKey]] = {}
    effects = database.execute(
        "SELECT e.run_id, e.step, e.kind, e.item, e.attempt FROM runs r JOIN effects e ON e.run_id = r.run_id "
        "WHERE r.status <> 'completed' AND r.status IN ('waiting', 'review') AND e.state IN ('intended', 'in_doubt') "
        "ORDER BY e.run_id, e.step, e.kind, e.item, e.attempt"
    )
    for run_id, step, kind, item, attempt in effects:
        doubts.setdefault(run_id, []).append((step, kind, item, attempt))
    rows = database.execute(
        "SELECT run_id, workflow, artifact, status, started FROM runs "
        "WHERE status <> 'completed' AND status IN ('waiting', 'review') ORDER BY started, run_id"
    )
    return tuple(
        Incomplete(run_id, workflow, artifact, status, iso(started), tuple(doubts.get(run_id, ())))
        for run_id, workflow, artifact, status, started in rows
    )


def unresolved(session: Session, row: RunRow) -> tuple[Effect, ...]:
    effects: Sequence[Effect] = tuple(told_of(session, row).effects.values())
    return tuple(effect for effect in effects if effect.state not in _SETTLED)
