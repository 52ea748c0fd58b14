"""Runs as the store keeps them: their rows, and how one is written (`telling` puts it together again)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import urandom
from typing import TYPE_CHECKING, Any, Protocol

from compiled_ai.canonical import Canonical, canonical_json
from compiled_ai.errors import InputError, NotFound, StoreFailed
from compiled_ai.records import Effect, RunStatus
from compiled_ai.runtime.keys import Wrapped
from compiled_ai.runtime.store.chain import BLIND_BYTES, Payload, header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import CLEAR, Part, Protection, pack
from compiled_ai.runtime.store.session import (
    NewEvent,
    Session,
    payload_context,
)
from compiled_ai.runtime.store.times import iso, micros_of, now_micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EffectKey = tuple[str, str, int, int]
FINAL = ("completed", "failed")
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REFERENCE_BYTES = 16
_ASKED_AT_ONCE = 500
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


def prepare(session: Session, record: RunLike, protection: Protection) -> Prepared:
    """Serialises and seals a record. Raises `KeyMissing` before anything is written."""
    run_id = record.run_id
    if not _RUN_ID.fullmatch(run_id):
        raise InputError(f"{run_id!r} is not a run id.", remedy="Use 1 to 64 letters, digits, '_', '.', '-'.")
    run_key, wrapped = _key_for(session, run_id, protection)
    references = [(name, reference_hash(session, value)) for name, value in record.reference.items()]
    facts = [f'"environment":{session.environment_json(record.environment)}']
    facts += _reference_facts(session, record.reference)
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


class RunForm:
    """What all runs of an artifact have in common that completed without effects, written once for many of them."""

    __slots__ = ("_facts", "_head", "_protection", "_session", "_tail", "artifact", "workflow")

    def __init__(
        self, session: Session, artifact: str, workflow: str, environment: Mapping[str, str], protection: Protection
    ) -> None:
        self._session, self._protection = session, protection
        self.artifact, self.workflow = artifact, workflow
        self._facts = f'"environment":{session.environment_json(environment)}'
        self._head = f'{{"artifact":{_quote(artifact)},"finished_at":"'
        self._tail = f'","status":"completed","workflow":{_quote(workflow)}}}'

    def completed(
        self, run_id: str, given: str, output: str, started_ns: int, finished_ns: int, reference: Mapping[str, str]
    ) -> Prepared:
        """Returns a run ready to be written. `given` and `output` are canonical JSON; times count from 1970."""
        if reference or self._protection is not CLEAR:
            return self._usual(run_id, given, output, started_ns, finished_ns, reference)
        started, finished = started_ns // 1000, finished_ns // 1000
        header = f'{self._head}{iso(finished)}","protection":"","started_at":"{iso(started)}{self._tail}'
        clear = f'{{{self._facts},"inputs":{given},"outputs":{output}}}'.encode("utf-8", "surrogatepass")
        payload = Payload(urandom(BLIND_BYTES), clear, b"")
        return Prepared(
            run_id, self.workflow, self.artifact, "completed", header, payload, "", started, finished, None, [], ()
        )

    def _usual(
        self, run_id: str, given: str, output: str, started_ns: int, finished_ns: int, reference: Mapping[str, str]
    ) -> Prepared:
        facts = [self._facts, *_reference_facts(self._session, reference)]
        run_key, wrapped = _key_for(self._session, run_id, self._protection)
        parts: dict[Part, Any] = {"inputs": Canonical(given), "outputs": Canonical(output)}
        payload = pack(
            facts,
            parts,
            self._protection,
            run_key=run_key,
            mark_mac=self._session.mark_mac,
            context=payload_context(run_id, 0),
        )
        started, finished = started_ns // 1000, finished_ns // 1000
        header = (
            f'{self._head}{iso(finished)}","protection":"{self._protection.text()}","started_at":"{iso(started)}'
            f"{self._tail}"
        )
        return Prepared(
            run_id,
            self.workflow,
            self.artifact,
            "completed",
            header,
            payload,
            self._protection.text(),
            started,
            finished,
            wrapped,
            [(name, reference_hash(self._session, value)) for name, value in reference.items()],
            (),
        )


def _reference_facts(session: Session, reference: Mapping[str, str]) -> list[str]:
    if not reference:
        return []
    hashes = {name: reference_hash(session, value).hex() for name, value in reference.items()}
    members = ",".join([f'{_quote(name)}:"{value}"' for name, value in hashes.items()])
    return [f'"references":{{{members}}}']


def _key_for(session: Session, run_id: str, protection: Protection) -> tuple[AESGCM | None, Wrapped | None]:
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
    appended = session.append_many([NewEvent(run.run_id, "recorded", run.header, run.payload) for run in runs])
    database.many(_INSERT_RUN, [_row_of(run, *event) for run, event in zip(runs, appended, strict=True)])
    references = [(value, run.run_id, name) for run in runs for name, value in run.references]
    if references:
        database.many(_INSERT_REFERENCE, references)
    effects = [(run.run_id, *effect) for run in runs for effect in run.effects]
    if effects:
        database.many(_INSERT_EFFECT, effects)


def stored_among(database: Database, run_ids: Sequence[str]) -> set[str]:
    """Returns which of these runs are stored."""
    found: set[str] = set()
    for start in range(0, len(run_ids), _ASKED_AT_ONCE):
        asked = run_ids[start : start + _ASKED_AT_ONCE]
        marks = ", ".join("?" * len(asked))
        found.update(row[0] for row in database.execute(f"SELECT run_id FROM runs WHERE run_id IN ({marks})", asked))
    return found


def _row_of(run: Prepared, seq: int, head: bytes) -> tuple[object, ...]:
    key_name, wrapped = (run.wrapped.key_name, run.wrapped.data) if run.wrapped else (None, None)
    return (
        run.run_id, run.workflow, run.artifact, run.status, run.started, run.finished, run.protection, seq, head,
        key_name, wrapped,
    )  # fmt: skip


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
