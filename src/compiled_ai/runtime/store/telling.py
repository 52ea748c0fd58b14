"""A run is told by its events: checked one by one, and put together to the record that it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compiled_ai.errors import NotFound, RecordAltered
from compiled_ai.records import Effect, RunRecord
from compiled_ai.runtime.store.chain import GENESIS, Event, Payload
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.groups import RecordedMany
from compiled_ai.runtime.store.payloads import unpack
from compiled_ai.runtime.store.runs import EffectKey, RunRow
from compiled_ai.runtime.store.session import (
    EVENT_COLUMNS,
    Session,
    column_bytes,
    event_of,
    payload_context,
    payload_of,
)
from compiled_ai.runtime.store.times import iso, micros_of


@dataclass(slots=True)
class Told:
    """What a run's events say so far."""

    header: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    input: Any = None
    output: Any = None
    evidence: Any = None
    abstained: Any = None
    error: str | None = None
    effects: dict[EffectKey, Effect] = field(default_factory=dict)
    reviews: dict[str, dict[str, Any]] = field(default_factory=dict)
    purged: bool = False


def tell(told: Told, event: Event, content: Mapping[str, Any]) -> None:
    """Adds what one event says."""
    header = json.loads(event.header)
    if event.kind == "recorded":
        _tell_recorded(told, header, content)
    elif event.kind in ("intended", "effect"):
        key: EffectKey = tuple(header["effect"])
        effect = _effect(key, header["state"], content, part=_detail(content, key[1]), error=_error(content, "effect"))
        told.effects[key] = _with_request(effect, told.effects.get(key))
    elif event.kind == "status":
        told.header.update(header)
        _tell_end(told, content)
    elif event.kind == "review_opened":
        told.header["status"] = "review"
        told.reviews[header["review"]] = {**header, "asked": _part(content, "reviews")}
    elif event.kind == "review_decided":
        asked = told.reviews[header["review"]]
        decision = _part(content, "reviews")
        asked["decision"] = decision
        key = (asked["step"], "review", asked["item"], asked["attempt"])
        told.effects[key] = _review_effect(key, asked["asked"], decision)
    elif event.kind == "purged":
        told.purged = True
    else:
        raise RecordAltered(f"Event {event.run_position} of run {event.run_id!r} is of unknown kind {event.kind!r}.")


def _with_request(effect: Effect, intended: Effect | None) -> Effect:
    """A result recorded without its request keeps the one that was intended."""
    if effect.request is not None or intended is None:
        return effect
    return effect.model_copy(update={"request": intended.request})


def _tell_recorded(told: Told, header: dict[str, Any], content: Mapping[str, Any]) -> None:
    told.header = header
    told.environment = content.get("environment", {})
    told.references = content.get("references", {})
    told.input = _part(content, "inputs")
    _tell_end(told, content)
    for index, (step, kind, item, attempt, state) in enumerate(content.get("effects_made", ())):
        key = (step, kind, item, attempt)
        detail = _detail(content, kind)
        part = detail.get(str(index)) if isinstance(detail, dict) and "withheld" not in detail else detail
        told.effects[key] = _effect(key, state, content, part=part, error=_error(content, str(index)))


def _tell_end(told: Told, content: Mapping[str, Any]) -> None:
    told.output, told.evidence = _part(content, "outputs"), _part(content, "evidence")
    told.abstained, told.error = _part(content, "abstained"), _error(content, "run")


def _detail(content: Mapping[str, Any], kind: str) -> Any:
    return _part(content, "reviews" if kind == "review" else "effects")


def _part(content: Mapping[str, Any], part: str) -> Any:
    """The part's value; for a withheld one a note that says so (`{"withheld": LEVEL, ...}`)."""
    return content[part] if part in content else content.get("withheld", {}).get(part)


def _error(content: Mapping[str, Any], name: str) -> str | None:
    if "error_texts" in content:
        text = content["error_texts"].get(name)
        return None if text is None else str(text)
    withheld = content.get("withheld", {}).get("error_texts")
    return f"(error text {withheld['withheld']})" if withheld and name in withheld["of"] else None


def _effect(key: EffectKey, state: Any, content: Mapping[str, Any], *, part: Any, error: str | None) -> Effect:
    if isinstance(part, dict) and "withheld" not in part:
        return Effect(**_named(key), state=state, error=error, **part)
    return Effect(**_named(key), state=state, error=error, request=part, result=part)


def _named(key: EffectKey) -> dict[str, Any]:
    return {"step": key[0], "kind": key[1], "item": key[2], "attempt": key[3]}


def _review_effect(key: EffectKey, asked: Any, decision: Any) -> Effect:
    origin = decision.get("by") if isinstance(decision, dict) else None
    return Effect(**_named(key), request=asked, result=decision, origin=origin)


def events_of(database: Database, row: RunRow) -> list[tuple[Event, Payload | None]]:
    rows = database.execute(
        f"SELECT {EVENT_COLUMNS}, p.blind, p.clear, p.sealed FROM events e LEFT JOIN payloads p ON p.seq = e.seq "
        "WHERE e.seq = ? OR (e.run_id = ? AND e.run_position > 0) ORDER BY COALESCE(e.run_position, 0)",
        (row.first, row.run_id),
    ).fetchall()
    found = [(event_of(row), payload_of(*row[11:14])) for row in rows]
    if row.place is not None and found and (group := RecordedMany.read(*found[0])) is not None:
        first = group.first_event(row.run_id, row.place)
        found[:1] = [] if first is None else [(first, _payload_in_group(database, row))]
    return found


def _payload_in_group(database: Database, row: RunRow) -> Payload | None:
    found = database.execute(
        "SELECT blind, clear FROM payloads_of_groups WHERE seq = ? AND place = ?", (row.first, row.place)
    ).fetchone()
    return None if found is None else payload_of(found[0], found[1], b"")


def told_of(session: Session, row: RunRow) -> Told:
    """Checks a run's own chain and reads it. Raises `RecordAltered` for the first thing that does not agree."""
    if row.purged is not None:
        raise NotFound(
            f"Run {row.run_id!r} was purged at {iso(row.purged)}: that it happened is kept, its content is not.",
            remedy="`compiled-ai runs list` shows what is left.",
        )
    key, told, previous = row.key(session), Told(), GENESIS
    for position, (event, payload) in enumerate(events_of(session.database, row)):
        fault = event_fault(session, event, payload, position, previous)
        if fault:
            raise _altered(row.run_id, fault)
        previous = event.hash
        context = payload_context(row.run_id, position)
        tell(told, event, {} if payload is None else unpack(payload, run_key=key, context=context))
    if previous != column_bytes(row.head):
        raise _altered(row.run_id, "its last events are missing")
    fault = row_fault(row, told)
    if fault:
        raise _altered(row.run_id, fault)
    return told


def _altered(run_id: str, fault: str) -> RecordAltered:
    return RecordAltered(
        f"The record of run {run_id!r} was altered: {fault}.",
        remedy="`compiled-ai runs verify` examines the whole store.",
        details={"run_id": run_id, "fault": fault},
    )


def event_fault(session: Session, event: Event, payload: Payload | None, position: int, previous: bytes) -> str | None:
    """Says what is wrong with one event within its run, in words; `None` if nothing is."""
    if event.run_position != position:
        return f"event {position} is missing"
    if not event.is_authentic(session.chain_mac(event.writer)):
        return f"event {position} does not agree with its hash"
    if event.run_previous != previous:
        return f"event {position} does not follow the one before it"
    commitment = b"" if payload is None else payload.commitment()
    if commitment != event.commitment:
        return f"the payload of event {position} is {'missing' if payload is None else 'altered'}"
    return None


def row_fault(row: RunRow, told: Told) -> str | None:
    """Compares the row, by which runs are listed, with what the events say."""
    header = told.header
    finished = header.get("finished_at")
    expected = (
        header.get("workflow"),
        header.get("artifact"),
        header.get("status"),
        micros_of(header["started_at"]) if "started_at" in header else None,
        None if finished is None else micros_of(finished),
        header.get("protection"),
    )
    present = (row.workflow, row.artifact, row.status, row.started, row.finished, row.protection)
    return None if expected == present else "its row in the list of runs does not agree with its events"


def record_of(row: RunRow, told: Told) -> RunRecord:
    """Puts the record together. Effects without a result are left out (`unresolved` lists them)."""
    header = told.header
    return RunRecord(
        run_id=row.run_id,
        artifact=header["artifact"],
        workflow=header["workflow"],
        input=told.input,
        effects=tuple(effect for effect in told.effects.values() if effect.state in ("succeeded", "failed")),
        status=header["status"],
        output=told.output,
        evidence=told.evidence,
        abstained=told.abstained,
        error=told.error,
        started_at=header["started_at"],
        finished_at=header["finished_at"],
        environment=told.environment,
    )
