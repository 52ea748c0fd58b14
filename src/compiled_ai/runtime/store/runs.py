"""Runs as the store keeps them: how one is written, and how it is put together again from its events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import InputError, NotFound, RecordAltered, StoreFailed
from compiled_ai.records import Effect, RunRecord, RunStatus
from compiled_ai.runtime.keys import Wrapped
from compiled_ai.runtime.store.chain import GENESIS, Event, Payload, header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import CLEAR, Part, Protection, pack, unpack
from compiled_ai.runtime.store.session import (
    EVENT_COLUMNS,
    Session,
    event_of,
    payload_context,
    payload_of,
)
from compiled_ai.runtime.store.times import iso, micros_of, now_micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EffectKey = tuple[str, str, int, int]
FINAL = ("completed", "failed")
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REFERENCE_BYTES = 16
_quote = json.encoder.encode_basestring_ascii

_INSERT_RUN = (
    "INSERT INTO runs (run_id, workflow, artifact, status, started, finished, protection, first, events, head, "
    "key_name, wrapped) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"
)
_INSERT_REFERENCE = "INSERT INTO business_keys (hash, run_id, name) VALUES (?, ?, ?)"
_INSERT_EFFECT = "INSERT INTO effects (run_id, step, kind, item, attempt, state) VALUES (?, ?, ?, ?, ?, ?)"
RUN_COLUMNS = (
    "r.run_id, r.workflow, r.artifact, r.status, r.started, r.finished, r.protection, r.first, r.events, r.head, "
    "r.key_name, r.wrapped, r.purged"
)
_SELECT_RUN = f"SELECT {RUN_COLUMNS} FROM runs r WHERE r.run_id = ?"


class RunLike(Protocol):
    """What the store reads of a run to be stored: a `RunRecord`, or anything quicker to make with its fields."""

    @property
    def run_id(self) -> str: ...
    @property
    def artifact(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def input(self) -> Any: ...
    @property
    def effects(self) -> Sequence[Effect]: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def output(self) -> Any: ...
    @property
    def error(self) -> str | None: ...
    @property
    def started_at(self) -> str: ...
    @property
    def finished_at(self) -> str | None: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def reference(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of a list of runs; nothing of it is protected."""

    run_id: str
    workflow: str
    artifact: str
    status: RunStatus
    started_at: str
    finished_at: str | None
    purged_at: str | None


SUMMARY_COLUMNS = "run_id, workflow, artifact, status, started, finished, purged"


def summary_of(row: Any) -> RunSummary:
    run_id, workflow, artifact, status, started, finished, purged = row
    return RunSummary(
        run_id, workflow, artifact, status, iso(started), None if finished is None else iso(finished),
        None if purged is None else iso(purged),
    )  # fmt: skip


@dataclass(slots=True)
class RunRow:
    """The row of a run, locked while it is changed."""

    run_id: str
    workflow: str
    artifact: str
    status: RunStatus
    started: int
    finished: int | None
    protection: str
    first: int
    """`seq` of its first event."""
    events: int
    head: bytes
    key_name: str | None
    wrapped: bytes | None
    purged: int | None

    def key(self, session: Session) -> AESGCM | None:
        return session.run_key(self.run_id, self.key_name, self.wrapped)


def run_row(database: Database, run_id: str, *, lock: bool = False) -> RunRow:
    row = database.execute(_SELECT_RUN + (database.for_update if lock else ""), (run_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no run {run_id!r}.", remedy="`compiled-ai runs list` shows the runs.")
    return RunRow(*row)


def open_run_row(database: Database, run_id: str) -> RunRow:
    """The locked row of a run that has not ended."""
    row = run_row(database, run_id, lock=True)
    if row.status in FINAL:
        raise StoreFailed(f"Run {run_id!r} has ended ({row.status}).", remedy="Nothing can be added to it.")
    return row


# ---------------------------------------------------------------- writing


@dataclass(slots=True)
class Prepared:
    """A run, ready to be written: all that can be computed before the transaction."""

    record: RunLike
    header: str
    payload: Payload
    protection: str
    started: int
    finished: int | None
    wrapped: Wrapped | None
    references: list[tuple[str, bytes]]


def prepare(session: Session, record: RunLike, protection: Protection) -> Prepared:
    """Serialises and seals a record. Raises `KeyMissing` before anything is written."""
    run_id = record.run_id
    if not _RUN_ID.fullmatch(run_id):
        raise InputError(f"{run_id!r} is not a run id.", remedy="Use 1 to 64 letters, digits, '_', '.', '-'.")
    run_key: AESGCM | None = None
    wrapped = None
    if protection is not CLEAR and protection.encrypts:
        run_key, wrapped = session.new_run_key(run_id)
    references = [(name, reference_hash(session, value)) for name, value in record.reference.items()]
    facts = [f'"environment":{session.environment_json(record.environment)}']
    if references:
        members = ",".join([f'{_quote(name)}:"{value.hex()}"' for name, value in references])
        facts.append(f'"references":{{{members}}}')
    parts: dict[Part, Any] = {"inputs": record.input}
    if record.output is not None:
        parts["outputs"] = record.output
    errors: dict[str, str] = {} if record.error is None else {"run": record.error}
    if record.effects:
        _add_effects(record.effects, facts, parts, errors)
    if errors:
        parts["error_texts"] = errors
    payload = pack(
        facts, parts, protection, run_key=run_key, mark_mac=session.mark_mac, context=payload_context(run_id, 0)
    )
    return Prepared(
        record,
        _header(record, protection),
        payload,
        protection.text(),
        micros_of(record.started_at),
        None if record.finished_at is None else micros_of(record.finished_at),
        wrapped,
        references,
    )


def _header(record: RunLike, protection: Protection) -> str:
    """Canonical JSON, put together by hand: it is on the way of every run."""
    finished = "null" if record.finished_at is None else _quote(record.finished_at)
    return (
        f'{{"artifact":{_quote(record.artifact)},"finished_at":{finished},"protection":"{protection.text()}",'
        f'"started_at":{_quote(record.started_at)},"status":"{record.status}","workflow":{_quote(record.workflow)}}}'
    )


def _add_effects(effects: Iterable[Effect], facts: list[str], parts: dict[Part, Any], errors: dict[str, str]) -> None:
    """Splits effects into what is clear (keys and states) and what a sink protects."""
    facts.append('"effects_made":' + canonical_json([[*effect.key, effect.state] for effect in effects]))
    for index, effect in enumerate(effects):
        part: Part = "reviews" if effect.kind == "review" else "effects"
        parts.setdefault(part, {})[str(index)] = effect_detail(effect)
        if effect.error is not None:
            errors[str(index)] = effect.error


def effect_detail(effect: Effect) -> dict[str, Any]:
    """What a sink protects of an effect; its error is an error text."""
    detail: dict[str, Any] = {"request": effect.request, "result": effect.result, "origin": effect.origin}
    if effect.usage is not None:
        detail["usage"] = effect.usage.model_dump()
    if effect.milliseconds is not None:
        detail["milliseconds"] = effect.milliseconds
    return detail


def reference_hash(session: Session, value: str) -> bytes:
    return session.reference_mac.digest(value)[:_REFERENCE_BYTES]


def insert(session: Session, run: Prepared) -> None:
    """Writes a new run: one event, one payload, one row, and one row for each business key."""
    record, database = run.record, session.database
    event = session.append(
        "recorded", run.header, at=now_micros(), run_id=record.run_id, run_position=0, payload=run.payload
    )
    key_name, wrapped = (run.wrapped.key_name, run.wrapped.data) if run.wrapped else (None, None)
    database.execute(
        _INSERT_RUN,
        (record.run_id, record.workflow, record.artifact, record.status, run.started, run.finished, run.protection,
         event.seq, event.hash, key_name, wrapped),
    )  # fmt: skip
    for name, value in run.references:
        database.execute(_INSERT_REFERENCE, (value, record.run_id, name))
    if record.status not in FINAL:
        for effect in record.effects:
            database.execute(_INSERT_EFFECT, (record.run_id, *effect.key, effect.state))


def extend(session: Session, row: RunRow, kind: str, header: Mapping[str, Any], parts: Mapping[Part, Any]) -> None:
    """Adds an event to an existing run, whose row is locked; changes `row` to what is stored now."""
    payload = None
    if parts:
        payload = pack(
            [],
            parts,
            Protection.from_text(row.protection),
            run_key=row.key(session),
            mark_mac=session.mark_mac,
            context=payload_context(row.run_id, row.events),
        )
    row.head = session.append(
        kind,
        header_text(header),
        at=now_micros(),
        run_id=row.run_id,
        run_position=row.events,
        run_previous=bytes(row.head),
        payload=payload,
    ).hash
    row.events += 1
    session.database.execute(
        "UPDATE runs SET status = ?, finished = ?, events = ?, head = ? WHERE run_id = ?",
        (row.status, row.finished, row.events, row.head, row.run_id),
    )


# ---------------------------------------------------------------- reading


@dataclass(slots=True)
class Told:
    """What a run's events say so far."""

    header: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    input: Any = None
    output: Any = None
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
        told.output = _part(content, "outputs")
        told.error = _error(content, "run")
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
    told.output = _part(content, "outputs")
    told.error = _error(content, "run")
    for index, (step, kind, item, attempt, state) in enumerate(content.get("effects_made", ())):
        key = (step, kind, item, attempt)
        detail = _detail(content, kind)
        part = detail.get(str(index)) if isinstance(detail, dict) and "withheld" not in detail else detail
        told.effects[key] = _effect(key, state, content, part=part, error=_error(content, str(index)))


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
        "WHERE e.seq = ? OR (e.run_id = ? AND e.run_position > 0) ORDER BY e.run_position",
        (row.first, row.run_id),
    ).fetchall()
    return [(event_of(row), payload_of(*row[11:14])) for row in rows]


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
    if previous != bytes(row.head):
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
        error=told.error,
        started_at=header["started_at"],
        finished_at=header["finished_at"],
        environment=told.environment,
    )
