"""Examining the whole store: what the chains prove, what an anchor adds, and what neither can see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from compiled_ai.errors import KeyMissing, StoreFailed
from compiled_ai.runtime.store.anchors import Anchor, is_authentic, read_anchor
from compiled_ai.runtime.store.chain import GENESIS, Event, Payload
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.groups import RECORDED_MANY, group_at
from compiled_ai.runtime.store.runs import RUN_COLUMNS, EffectKey, RunRow
from compiled_ai.runtime.store.session import EVENT_COLUMNS, Session, column_bytes, event_of, payload_of
from compiled_ai.runtime.store.times import iso, micros_of

FindingKind = Literal["altered", "missing", "inserted", "payload", "row", "key", "cut", "anchor", "unclosed"]
"""What is wrong: an event altered, missing, or inserted (or moved); a payload that is not the one committed to; a row
of the lists that its events do not tell; a run's key; a chain shorter than the anchor knew it; the anchor itself; a
chain without a close."""

_SHOWN = 1000
_UNSEEN = "With no anchor: the newest events cut off an unclosed chain, or the whole store replaced by an older copy."
_UNSEEN_SINCE = "Since the anchor was made: the newest events cut off an unclosed chain."


@dataclass(frozen=True, slots=True)
class StoreFinding:
    kind: FindingKind
    message: str
    writer: str | None = None
    position: int | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    status: Literal["clean", "unclosed", "altered"]
    findings: tuple[StoreFinding, ...]
    """At most 1,000 of them."""
    counts: Mapping[str, int]
    """How many findings of each kind there are."""
    events: int
    runs: int
    chains: int
    anchored: bool
    cannot_see: tuple[str, ...]
    """What this examination could not have found."""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "counts": dict(self.counts)}


@dataclass(frozen=True, slots=True)
class ChainState:
    writer: str
    host: str
    process: int
    opened_at: str
    closed_at: str | None
    own: bool
    """It is the chain of the very handle that was asked."""


@dataclass(slots=True)
class _Examination:
    findings: list[StoreFinding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unseen: list[str] = field(default_factory=list)
    events: int = 0
    runs: int = 0

    def find(
        self,
        kind: FindingKind,
        message: str,
        *,
        writer: str | None = None,
        position: int | None = None,
        run_id: str | None = None,
    ) -> None:
        self.counts[kind] += 1
        if len(self.findings) < _SHOWN:
            self.findings.append(StoreFinding(kind, message, writer, position, run_id))


def verify(session: Session, anchor: Path | Mapping[str, Any] | None) -> VerifyReport:
    seen = _Examination()
    known = None if anchor is None else read_anchor(session, anchor)
    if known is not None and not is_authentic(session, known):
        seen.find("anchor", "The anchor was altered: it is not what this store's key signed.")
        known = None
    seen.unseen.append(_UNSEEN if known is None else _UNSEEN_SINCE)
    with session.reading() as database:
        chains_found = _examine_chains(session, database, known, seen)
        _examine_runs(session, database, seen)
        _examine_orphans(database, seen)
    changed = sum(count for kind, count in seen.counts.items() if kind != "unclosed")
    return VerifyReport(
        status="altered" if changed else "unclosed" if seen.counts else "clean",
        findings=tuple(seen.findings),
        counts=dict(seen.counts),
        events=seen.events,
        runs=seen.runs,
        chains=chains_found,
        anchored=known is not None,
        cannot_see=tuple(dict.fromkeys(seen.unseen)),
    )


# ---------------------------------------------------------------- chains


@dataclass(slots=True)
class _ChainSeen:
    position: int = -1
    hash: bytes = GENESIS
    closed: bool = False


def _examine_chains(session: Session, database: Database, anchor: Anchor | None, seen: _Examination) -> int:
    """Goes through all events in the order in which they were stored."""
    chains: dict[str, _ChainSeen] = {}
    anchored = {(head.writer, head.position): head.hash for head in anchor.heads} if anchor else {}
    named = _named_by_openings(database)
    for row in database.stream(f"SELECT {EVENT_COLUMNS}, e.seq FROM events e ORDER BY e.seq"):
        event = event_of(row)
        seen.events += 1
        _examine_event(session, event, chains.setdefault(event.writer, _ChainSeen()), seen)
        if event.kind == RECORDED_MANY:
            _examine_group(database, int(row[11]), event, seen)
        named.pop(event.hash, None)
        head = anchored.pop((event.writer, event.position), None)
        if head is not None and head != event.hash.hex():
            seen.find(
                "cut", "The event at the anchor is another one now.", writer=event.writer, position=event.position
            )
    for writer, position in anchored:
        seen.find("cut", f"The anchor knew {position + 1} events of it.", writer=writer, position=position)
    for writer in named.values():
        seen.find("missing", "The event after which this chain was opened is gone.", writer=writer, position=0)
    _examine_writers(session, database, chains, seen)
    return len(chains)


def _named_by_openings(database: Database) -> dict[bytes, str]:
    rows = database.execute("SELECT writer, header FROM events WHERE kind = 'opened'").fetchall()
    named: dict[bytes, str] = {}
    for writer, header in rows:
        try:
            after = json.loads(header)["after"]
            named.update({} if after is None else {bytes.fromhex(after): writer})
        except (ValueError, KeyError, TypeError):
            continue  # an altered header: its hash tells
    return named


def _examine_event(session: Session, event: Event, chain: _ChainSeen, seen: _Examination) -> None:
    def find(kind: FindingKind, message: str) -> None:
        seen.find(kind, message, writer=event.writer, position=event.position, run_id=event.run_id)

    expected = chain.position + 1
    if not event.is_authentic(session.chain_mac(event.writer)):
        find("altered", "The event does not agree with its hash: it was altered, or not written by this store.")
    elif event.position < expected:
        find("inserted", f"The event stands where position {expected} belongs: copied, or moved.")
        return
    elif event.position > expected:
        find("missing", f"Events {expected} to {event.position - 1} of the chain are missing.")
    elif event.previous != chain.hash:
        find("altered", "The event does not follow the one before it.")
    if chain.closed:
        find("inserted", "The event comes after its chain was closed.")
    chain.position, chain.hash, chain.closed = event.position, event.hash, event.kind == "closed"


def _examine_group(database: Database, seq: int, event: Event, seen: _Examination) -> None:
    """Looks whether the list of runs names all that a group's event tells; each of them is examined with the runs."""
    group = group_at(database, seq)
    if group is None:
        seen.find(
            "payload", "What is told of a group's runs was altered.", writer=event.writer, position=event.position
        )
        return
    run_ids = group.run_ids()
    marks = ", ".join("?" * len(run_ids))
    rows = database.execute(f"SELECT run_id FROM runs WHERE first = ? AND run_id IN ({marks})", (seq, *run_ids))
    for run_id in {*run_ids} - {row[0] for row in rows}:
        seen.find("row", "The run has a first event that the list of runs does not name.", run_id=run_id)
    for (place,) in database.execute("SELECT place FROM payloads_of_groups WHERE seq = ?", (seq,)).fetchall():
        if not group.has_place(place):
            seen.find("inserted", f"Payload {seq}.{place} belongs to no run.")


def _examine_writers(
    session: Session, database: Database, chains: Mapping[str, _ChainSeen], seen: _Examination
) -> None:
    listed = {state.writer: state for state in _chain_states(session, database, unclosed_only=False)}
    for writer in listed.keys() - chains.keys():
        seen.find("missing", "The chain has no event any more.", writer=writer)
    for writer, chain in sorted(chains.items()):
        state = listed.get(writer)
        if state is None or (state.closed_at is not None) != chain.closed:
            seen.find("row", "The list of chains does not agree with the chain.", writer=writer)
        if not chain.closed and writer != session.writer:
            who = f" (process {state.process} on {state.host!r}, since {state.opened_at})" if state else ""
            seen.find(
                "unclosed",
                f"The chain{who} ends without a close: its process died or still runs, or its end was cut off.",
                writer=writer,
                position=chain.position,
            )


def chains(session: Session, *, unclosed_only: bool) -> tuple[ChainState, ...]:
    with session.reading() as database:
        return _chain_states(session, database, unclosed_only=unclosed_only)


def _chain_states(session: Session, database: Database, *, unclosed_only: bool) -> tuple[ChainState, ...]:
    where = " WHERE closed IS NULL" if unclosed_only else ""
    rows = database.execute(f"SELECT writer, host, process, opened, closed FROM writers{where} ORDER BY writer")
    return tuple(
        ChainState(
            writer, host, process, iso(opened), None if closed is None else iso(closed), writer == session.writer
        )
        for writer, host, process, opened, closed in rows.fetchall()
    )


# ---------------------------------------------------------------- runs


class _Shelf:
    """Rows sorted by run id, given out run by run; what no run asks for is kept in `orphans`."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._groups = groupby(rows, key=lambda row: row[0])
        self.orphans: list[str] = []
        self._next: tuple[str, list[Any]] | None = None
        self._advance()

    def _advance(self) -> None:
        found = next(self._groups, None)
        self._next = None if found is None else (found[0], list(found[1]))

    def take(self, run_id: str) -> list[Any]:
        while self._next is not None and self._next[0] < run_id:
            self.orphans.append(self._next[0])
            self._advance()
        if self._next is None or self._next[0] != run_id:
            return []
        rows = self._next[1]
        self._advance()
        return rows

    def rest(self) -> list[str]:
        while self._next is not None:
            self.orphans.append(self._next[0])
            self._advance()
        return self.orphans


@dataclass(frozen=True, slots=True)
class _Shelves:
    events: _Shelf
    effects: _Shelf
    keys: _Shelf
    reviews: _Shelf


@dataclass(slots=True)
class _Shape:
    """What a run's events say about the rows by which it is found."""

    header: dict[str, Any] = field(default_factory=dict)
    references: set[tuple[str, str]] = field(default_factory=set)
    effects: dict[EffectKey, str] = field(default_factory=dict)
    reviews: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    purged: bool = False


def _examine_runs(session: Session, database: Database, seen: _Examination) -> None:
    """Goes through the runs by id, with their events and with every row that names them."""
    runs = database.stream(
        f"SELECT {RUN_COLUMNS}, {EVENT_COLUMNS}, p.blind, p.clear, p.sealed, g.blind, g.clear FROM runs r "
        "LEFT JOIN events e ON e.seq = r.first AND e.run_id = r.run_id AND e.run_position = 0 "
        "LEFT JOIN payloads p ON p.seq = e.seq "
        "LEFT JOIN payloads_of_groups g ON g.seq = r.first AND g.place = r.place ORDER BY r.run_id"
    )
    group_of = lru_cache(maxsize=8)(partial(group_at, database))
    shelves = _Shelves(
        events=_Shelf(
            database.stream(
                f"SELECT e.run_id, {EVENT_COLUMNS}, p.blind, p.clear, p.sealed FROM events e "
                "LEFT JOIN payloads p ON p.seq = e.seq WHERE e.run_position > 0 ORDER BY e.run_id, e.run_position"
            )
        ),
        effects=_Shelf(database.stream("SELECT run_id, step, kind, item, attempt, state FROM effects ORDER BY run_id")),
        keys=_Shelf(database.stream("SELECT run_id, name, hash FROM business_keys ORDER BY run_id")),
        reviews=_Shelf(
            database.stream("SELECT run_id, review_id, step, item, attempt, status FROM reviews ORDER BY run_id")
        ),
    )
    for found in runs:
        seen.runs += 1
        row, rest = RunRow(*found[:14]), found[14:]
        pairs = [] if rest[0] is None else [(event_of(rest), payload_of(*rest[11:14]))]
        if row.place is not None and pairs:
            seen.find("row", "The run has an event of its own, and a place in a group.", run_id=row.run_id)
        elif row.place is not None and (group := group_of(row.first)) is not None:
            first = group.first_event(row.run_id, row.place)
            pairs += [] if first is None else [(first, payload_of(rest[14], rest[15], b""))]
        pairs += [(event_of(later[1:]), payload_of(*later[12:15])) for later in shelves.events.take(row.run_id)]
        _examine_run(session, row, pairs, shelves, seen)
    _examine_unlisted(database, shelves, seen)


def _examine_run(
    session: Session, row: RunRow, pairs: list[tuple[Event, Payload | None]], shelves: _Shelves, seen: _Examination
) -> None:
    run_id = row.run_id
    shape = _examine_run_events(run_id, pairs, seen)
    _examine_run_row(row, pairs[-1][0] if pairs else None, shape, seen)
    _examine_key(session, row, shape, seen)
    keys = {(name, bytes(value).hex()) for _, name, value in shelves.keys.take(run_id)}
    if keys != (set() if shape.purged else shape.references):
        seen.find("row", "The business keys are not those of its first event.", run_id=run_id)
    effects = {tuple(effect[1:5]): effect[5] for effect in shelves.effects.take(run_id)}
    if effects != ({} if shape.purged else shape.effects):
        seen.find("row", "The list of effects does not agree with its events.", run_id=run_id)
    if {review[1]: tuple(review[2:]) for review in shelves.reviews.take(run_id)} != shape.reviews:
        seen.find("row", "The list of reviews does not agree with its events.", run_id=run_id)


def _examine_unlisted(database: Database, shelves: _Shelves, seen: _Examination) -> None:
    """What belongs to runs that the list of runs does not name."""
    firsts = database.stream(
        "SELECT e.run_id FROM events e LEFT JOIN runs r ON r.run_id = e.run_id AND r.first = e.seq "
        "WHERE e.run_position = 0 AND r.run_id IS NULL ORDER BY e.seq"
    )
    for (run_id,) in firsts:
        seen.find("row", "The run has a first event that the list of runs does not name.", run_id=run_id)
    named = (
        (shelves.events, "Events"), (shelves.effects, "Effects"), (shelves.keys, "Business keys"),
        (shelves.reviews, "Reviews"),
    )  # fmt: skip
    for shelf, name in named:
        for run_id in shelf.rest():
            seen.find("row", f"{name} belong to a run that is not in the list of runs.", run_id=run_id)


def _examine_run_events(run_id: str, pairs: list[tuple[Event, Payload | None]], seen: _Examination) -> _Shape:
    shape, previous = _Shape(), GENESIS
    for position, (event, payload) in enumerate(pairs):
        if event.run_position != position or event.run_previous != previous:
            seen.find(
                "missing",
                f"Event {event.run_position} of the run does not follow the one before it.",
                writer=event.writer,
                position=event.position,
                run_id=run_id,
            )
        previous = event.hash
        try:
            _shape_event(shape, event, payload)
        except (ValueError, KeyError, TypeError, AttributeError):
            seen.find("altered", f"Event {event.run_position} of the run makes no sense.", run_id=run_id)
    for event, payload in pairs:
        _examine_payload(event, payload, shape.purged, seen)
    return shape


def _examine_payload(event: Event, payload: Payload | None, purged: bool, seen: _Examination) -> None:
    if payload is None:
        fault = "is missing" if event.commitment and not purged else None
    elif purged:
        fault = "is there, though the run was purged"
    else:
        fault = None if payload.commitment() == event.commitment else "was altered"
    if fault:
        seen.find(
            "payload",
            f"The payload of event {event.run_position} {fault}.",
            writer=event.writer,
            position=event.position,
            run_id=event.run_id,
        )


def _shape_event(shape: _Shape, event: Event, payload: Payload | None) -> None:
    header = json.loads(event.header)
    if event.kind == "recorded":
        shape.header = header
        if payload is not None:
            facts = json.loads(payload.clear)
            shape.references = set(facts.get("references", {}).items())
            if header["status"] not in ("completed", "failed"):
                shape.effects = {tuple(made[:4]): made[4] for made in facts.get("effects_made", ())}
    elif event.kind in ("intended", "effect"):
        shape.effects[tuple(header["effect"])] = header["state"]
    elif event.kind == "status":
        shape.header.update(header)
    elif event.kind == "review_opened":
        shape.header["status"] = "review"
        shape.reviews[header["review"]] = (header["step"], header["item"], header["attempt"], "open")
    elif event.kind == "review_decided":
        place = shape.reviews[header["review"]][:3]
        shape.reviews[header["review"]] = (*place, "decided")
        shape.effects[place[0], "review", place[1], place[2]] = "succeeded"
    elif event.kind == "purged":
        shape.purged = True


def _examine_run_row(row: RunRow, last: Event | None, shape: _Shape, seen: _Examination) -> None:
    if last is None or column_bytes(row.head) != last.hash or row.events != (last.run_position or 0) + 1:
        seen.find("missing", "Events of the run are missing, or its row was altered.", run_id=row.run_id)
    header = shape.header
    try:
        finished = header["finished_at"]
        told = [
            header["workflow"], header["artifact"], header["status"], micros_of(header["started_at"]),
            None if finished is None else micros_of(finished), header["protection"], shape.purged,
        ]  # fmt: skip
    except KeyError:
        return  # its first event is gone, which was found above
    listed = [row.workflow, row.artifact, row.status, row.started, row.finished, row.protection, row.purged is not None]
    if told != listed:
        seen.find("row", "The run's row in the list does not agree with its events.", run_id=row.run_id)


def _examine_key(session: Session, row: RunRow, shape: _Shape, seen: _Examination) -> None:
    if "encrypted" not in row.protection or shape.purged:
        if row.key_name is not None:
            seen.find("key", "The run has a key and should have none.", run_id=row.run_id)
        return
    try:
        if row.key(session) is None:
            seen.find("key", "The run's key is gone, and it was not purged.", run_id=row.run_id)
    except KeyMissing:
        seen.unseen.append(f"Whether run keys wrapped by {row.key_name!r} are whole: that master key is not here.")
    except StoreFailed:
        seen.find("key", "The run's key was altered, or is wrapped by another key of that name.", run_id=row.run_id)


def _examine_orphans(database: Database, seen: _Examination) -> None:
    rows = database.execute(
        "SELECT p.seq FROM payloads p LEFT JOIN events e ON e.seq = p.seq WHERE e.seq IS NULL ORDER BY p.seq"
    )
    grouped = database.execute(
        "SELECT DISTINCT p.seq FROM payloads_of_groups p LEFT JOIN events e ON e.seq = p.seq AND e.kind = ? "
        "WHERE e.seq IS NULL ORDER BY p.seq",
        (RECORDED_MANY,),
    )
    for (seq,) in (*rows, *grouped):
        seen.find("inserted", f"Payload {seq} belongs to no event.")
