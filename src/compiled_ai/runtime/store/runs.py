"""Runs as the store keeps them: their rows, and how one is written (`telling` puts it together again)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import InputError, NotFound, StoreFailed
from compiled_ai.records import Effect, RunStatus
from compiled_ai.runtime.keys import Wrapped
from compiled_ai.runtime.store.chain import Payload, header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import CLEAR, Part, Protection, pack
from compiled_ai.runtime.store.session import Appended, Session, column_bytes, payload_context
from compiled_ai.runtime.store.times import iso, micros_of, now_micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EffectKey = tuple[str, str, int, int]
FINAL = ("completed", "failed")
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REFERENCE_BYTES = 16
_ASKED_AT_ONCE = 500
_quote = json.encoder.encode_basestring_ascii

_OF_A_RUN = ("run_id", "started", "finished", "first", "head", "key_name", "wrapped")
_OF_AN_EFFECT = ("run_id", "step", "kind", "item", "attempt", "state")
RUN_COLUMNS = (
    "r.run_id, r.workflow, r.artifact, r.status, r.started, r.finished, r.protection, r.first, r.events, r.head, "
    "r.key_name, r.wrapped, r.purged, r.place"
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
    def evidence(self) -> Any: ...
    @property
    def abstained(self) -> Any: ...
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
    """`seq` of its first event, or of the event of its group."""
    events: int
    head: bytes
    key_name: str | None
    wrapped: bytes | None
    purged: int | None
    place: int | None
    """Its place in its group; `None` if its first event is its own."""

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


@dataclass(slots=True)
class Prepared:
    """A run, ready to be written: all that can be computed before the transaction."""

    run_id: str
    workflow: str
    artifact: str
    status: RunStatus
    header: str
    payload: Payload
    protection: str
    started: int
    finished: int | None
    wrapped: Wrapped | None
    references: list[tuple[str, bytes]]
    effects: Sequence[tuple[str, str, int, int, str]]
    """Key and state of each effect, of a run that has not ended."""


def checked_id(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise InputError(f"{run_id!r} is not a run id.", remedy="Use 1 to 64 letters, digits, '_', '.', '-'.")
    return run_id


def prepare(session: Session, record: RunLike, protection: Protection) -> Prepared:
    """Serialises and seals a record. Raises `KeyMissing` before anything is written."""
    run_id = checked_id(record.run_id)
    run_key, wrapped = key_for(session, run_id, protection)
    references = [(name, reference_hash(session, value)) for name, value in record.reference.items()]
    facts = [f'"environment":{session.environment_json(record.environment)}']
    facts += reference_facts(session, record.reference)
    parts: dict[Part, Any] = {"inputs": record.input}
    if record.output is not None:
        parts["outputs"] = record.output
    if record.evidence:
        parts["evidence"] = record.evidence
    if record.abstained:
        parts["abstained"] = record.abstained
    errors: dict[str, str] = {} if record.error is None else {"run": record.error}
    if record.effects:
        _add_effects(record.effects, facts, parts, errors)
    if errors:
        parts["error_texts"] = errors
    payload = pack(
        facts, parts, protection, run_key=run_key, mark_mac=session.mark_mac, context=payload_context(run_id, 0)
    )
    return Prepared(
        run_id,
        record.workflow,
        record.artifact,
        record.status,
        _header(record, protection),
        payload,
        protection.text(),
        micros_of(record.started_at),
        None if record.finished_at is None else micros_of(record.finished_at),
        wrapped,
        references,
        tuple((*effect.key, effect.state) for effect in record.effects) if record.status not in FINAL else (),
    )


def reference_facts(session: Session, reference: Mapping[str, str]) -> list[str]:
    if not reference:
        return []
    hashes = {name: reference_hash(session, value).hex() for name, value in reference.items()}
    members = ",".join([f'{_quote(name)}:"{value}"' for name, value in hashes.items()])
    return [f'"references":{{{members}}}']


def key_for(session: Session, run_id: str, protection: Protection) -> tuple[AESGCM | None, Wrapped | None]:
    return session.new_run_key(run_id) if protection is not CLEAR and protection.encrypts else (None, None)


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


def insert_many(session: Session, runs: Sequence[Prepared]) -> None:
    """Writes new runs, within a transaction: an event, a payload and a row each, and a row for each business key."""
    database = session.database
    firsts = [(run.run_id, run.header, run.payload.columns) for run in runs]
    appended = session.append_many("recorded", firsts)
    for same, alike in groupby(zip(runs, appended, strict=True), _in_common):
        common = dict(zip(_IN_COMMON, same, strict=True))
        database.insert("runs", common, _OF_A_RUN, [_row_of(run, event) for run, event in alike])
    references = [(value, run.run_id, name) for run in runs for name, value in run.references]
    if references:
        database.insert("business_keys", {}, ("hash", "run_id", "name"), references)
    effects = [(run.run_id, *effect) for run in runs for effect in run.effects]
    if effects:
        database.insert("effects", {}, _OF_AN_EFFECT, effects)


_IN_COMMON = ("workflow", "artifact", "status", "protection", "events")


def _in_common(written: tuple[Prepared, Appended]) -> tuple[str, str, str, str, int]:
    """What the runs of a batch agree in; each has one event."""
    run = written[0]
    return (run.workflow, run.artifact, run.status, run.protection, 1)


def _row_of(run: Prepared, event: Appended) -> tuple[object, ...]:
    key_name, wrapped = (run.wrapped.key_name, run.wrapped.data) if run.wrapped else (None, None)
    return (run.run_id, run.started, run.finished, event.seq, event.hash, key_name, wrapped)


def stored_among(database: Database, run_ids: Sequence[str]) -> set[str]:
    """Returns which of these runs are stored; of ids that follow each other, one look tells that none is."""
    found: set[str] = set()
    if not run_ids or not _any_between(database, min(run_ids), max(run_ids)):
        return found
    for start in range(0, len(run_ids), _ASKED_AT_ONCE):
        asked = run_ids[start : start + _ASKED_AT_ONCE]
        marks = ", ".join("?" * len(asked))
        found.update(row[0] for row in database.execute(f"SELECT run_id FROM runs WHERE run_id IN ({marks})", asked))
    return found


def _any_between(database: Database, first: str, last: str) -> bool:
    sql = "SELECT 1 FROM runs WHERE run_id >= ? AND run_id <= ? LIMIT 1"
    return database.execute(sql, (first, last)).fetchone() is not None


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
        run_previous=column_bytes(row.head),
        payload=payload,
    ).hash
    row.events += 1
    session.database.execute(
        "UPDATE runs SET status = ?, finished = ?, events = ?, head = ? WHERE run_id = ?",
        (row.status, row.finished, row.events, row.head, row.run_id),
    )
