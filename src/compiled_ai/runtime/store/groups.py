"""Runs that completed without effects, many of them told by one event.

A batch stores its runs by the hundred. Where nothing of them is protected and none has a business key, the runs of a
group have one event of kind `recorded_many` in the chain, instead of one each: its payload says of each run its id,
when it began and ended, and the commitment to the run's own payload. Payloads and rows are kept for each run, so that
a run is found, told, purged and verified by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import urandom
from typing import Any, NamedTuple

from compiled_ai.canonical import Canonical
from compiled_ai.runtime.store.chain import BLIND_BYTES, GENESIS, Event, Payload, commitment_of, header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import CLEAR, Part, Protection, pack
from compiled_ai.runtime.store.runs import Prepared, checked_id, key_for, reference_facts, reference_hash
from compiled_ai.runtime.store.session import EVENT_COLUMNS, Session, event_of, payload_context, payload_of
from compiled_ai.runtime.store.times import iso, now_micros

RECORDED_MANY = "recorded_many"
"""The kind of a group's event."""
_LARGEST = 100
"""Runs of a group: whoever reads one of them reads what is told of all."""
_quote = json.encoder.encode_basestring_ascii


class CompletedRun(NamedTuple):
    """A run that needed nothing from the outside."""

    run_id: str
    given: str
    """Canonical JSON of its input."""
    output: str
    """Canonical JSON."""
    started_ns: int
    """From 1970."""
    finished_ns: int


class RunForm:
    """What all runs of an artifact have in common that completed without effects, written once for many of them."""

    __slots__ = ("_facts", "_head", "_middle", "_protection", "_session", "_tail", "artifact", "workflow")
    Run = CompletedRun

    def __init__(
        self, session: Session, artifact: str, workflow: str, environment: Mapping[str, str], protection: Protection
    ) -> None:
        self._session, self._protection = session, protection
        self.artifact, self.workflow = artifact, workflow
        self._facts = f'"environment":{session.environment_json(environment)}'
        self._head = f'{{"artifact":{_quote(artifact)},"finished_at":"'
        self._middle = f'","protection":"{protection.text()}","started_at":"'
        self._tail = f'","status":"completed","workflow":{_quote(workflow)}}}'

    @property
    def is_plain(self) -> bool:
        """True if nothing of its runs is protected: those without business keys are written in groups."""
        return self._protection is CLEAR

    def completed(self, run: CompletedRun, reference: Mapping[str, str]) -> Prepared:
        """Returns a run ready to be written, with its business keys."""
        run_id, given, output, started_ns, finished_ns = run
        facts = [self._facts, *reference_facts(self._session, reference)]
        run_key, wrapped = key_for(self._session, run_id, self._protection)
        parts: dict[Part, Any] = {"inputs": Canonical(given), "outputs": Canonical(output)}
        payload = pack(
            facts,
            parts,
            self._protection,
            run_key=run_key,
            mark_mac=self._session.mark_mac,
            context=payload_context(run_id, 0),
        )
        return Prepared(
            run_id,
            self.workflow,
            self.artifact,
            "completed",
            self._header(started_ns // 1000, finished_ns // 1000),
            payload,
            self._protection.text(),
            started_ns // 1000,
            finished_ns // 1000,
            wrapped,
            [(name, reference_hash(self._session, value)) for name, value in reference.items()],
            (),
        )

    def _header(self, started: int, finished: int) -> str:
        return f"{self._head}{iso(finished)}{self._middle}{iso(started)}{self._tail}"

    def groups(self, runs: Sequence[CompletedRun]) -> list[Group]:
        """Makes runs without protection and business keys ready to be written."""
        return [self._group(runs[start : start + _LARGEST]) for start in range(0, len(runs), _LARGEST)]

    def _group(self, runs: Sequence[CompletedRun]) -> Group:
        facts, blinds = self._facts, urandom(len(runs) * BLIND_BYTES)
        told: list[str] = []
        rows: list[tuple[str, int, int, int]] = []
        payloads: list[tuple[int, bytes, bytes]] = []
        for place, (run_id, given, output, started_ns, finished_ns) in enumerate(runs):
            started, finished = started_ns // 1000, finished_ns // 1000
            blind = blinds[place * BLIND_BYTES : (place + 1) * BLIND_BYTES]
            clear = f'{{{facts},"inputs":{given},"outputs":{output}}}'.encode("utf-8", "surrogatepass")
            told.append(f"{checked_id(run_id)} {started} {finished} {commitment_of(blind, clear, b'').hex()}")
            rows.append((run_id, started, finished, place))
            payloads.append((place, blind, clear))
        return Group(Payload(urandom(BLIND_BYTES), "\n".join(told).encode("ascii"), b""), rows, payloads)

    def insert(self, groups: Sequence[Group]) -> None:
        """Writes new runs, within a transaction."""
        session = self._session
        same = {"workflow": self.workflow, "artifact": self.artifact, "status": "completed", "protection": ""}
        header = header_text(same)
        for told, rows, payloads in groups:
            seq, head = session.append(RECORDED_MANY, header, at=now_micros(), payload=told)
            common = {**same, "events": 1, "first": seq, "head": head}
            session.database.insert("runs", common, ("run_id", "started", "finished", "place"), rows)
            session.database.insert("payloads_of_groups", {"seq": seq}, ("place", "blind", "clear"), payloads)


class Group(NamedTuple):
    """Runs of one event, ready to be written."""

    told: Payload
    """Of each run `ID STARTED FINISHED COMMITMENT` (microseconds, hexadecimal), one a line."""
    rows: list[tuple[str, int, int, int]]
    payloads: list[tuple[int, bytes, bytes]]


@dataclass(frozen=True, slots=True)
class RecordedMany:
    """The event of a group, as it is read."""

    event: Event
    told: tuple[str, ...]

    @classmethod
    def read(cls, event: Event, payload: Payload | None) -> RecordedMany | None:
        """Returns `None` if it is no such event, or if its payload is not the one that was committed to."""
        if event.kind != RECORDED_MANY or payload is None or payload.commitment() != event.commitment:
            return None
        return cls(event, tuple(payload.clear.decode("ascii", "replace").split("\n")))

    def run_ids(self) -> list[str]:
        return [told.partition(" ")[0] for told in self.told]

    def has_place(self, place: object) -> bool:
        """Tells whether a run is told there; SQLite lets anything be put into a column by hand."""
        return type(place) is int and 0 <= place < len(self.told)

    def first_event(self, run_id: str, place: int) -> Event | None:
        """The first event of a run as it would have been alone.

        `None` if another run is told at that place, or what makes no sense: whether the event is authentic is not
        known here.
        """
        event, told = self.event, self.told[place].split(" ") if self.has_place(place) else []
        try:
            named, started, finished, commitment = told
            times = {"started_at": iso(int(started)), "finished_at": iso(int(finished))}
            header, committed = {**json.loads(event.header), **times}, bytes.fromhex(commitment)
        except (ValueError, TypeError, OverflowError):
            return None
        if named != run_id:
            return None
        return Event(
            event.writer, event.position, event.at, run_id, 0, "recorded",
            header_text(header), committed, event.previous, GENESIS, event.hash, told_by=event,
        )  # fmt: skip


def group_at(database: Database, seq: int) -> RecordedMany | None:
    """Reads the event of a group; `None` if there is another event, or none, or what it tells was altered."""
    row = database.execute(
        f"SELECT {EVENT_COLUMNS}, p.blind, p.clear, p.sealed FROM events e LEFT JOIN payloads p ON p.seq = e.seq "
        "WHERE e.seq = ?",
        (seq,),
    ).fetchone()
    return None if row is None else RecordedMany.read(event_of(row), payload_of(*row[11:14]))
