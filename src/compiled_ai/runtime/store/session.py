"""One open store in one process: its database, its keys, its chain, and the transaction around each change."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import StoreFailed
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing, Wrapped, cipher, derive
from compiled_ai.runtime.store.chain import GENESIS, NO_PAYLOAD, Chain, Event, Mac, Payload, commitment_of, header_text
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.times import now_micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_INSERT_EVENT = (
    "INSERT INTO events (writer, position, at, run_id, run_position, kind, header, commitment, previous, run_previous, "
    "hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_PAYLOAD = "INSERT INTO payloads (seq, blind, clear, sealed) VALUES (?, ?, ?, ?)"
_OF_A_FIRST_EVENT = ("position", "run_id", "header", "commitment", "previous", "hash")
EVENT_COLUMNS = (
    "e.writer, e.position, e.at, e.run_id, e.run_position, e.kind, e.header, e.commitment, e.previous, "
    "e.run_previous, e.hash"
)
_SECRET_CONTEXT = "run store secret"
_NAME_CONTEXT = "master key of this name"


FirstEvent = tuple[str, str, tuple[bytes, bytes, bytes]]
"""The first event of a run: id, header, and of its payload what is blind, clear and sealed. (A plain tuple: many are
made.)"""


class Appended(NamedTuple):
    """Where an event was put, and its hash."""

    seq: int
    hash: bytes


class _Writing:
    """One transaction; everything or nothing, the chain's head too. (A class, since a generator costs a run 5 us.)"""

    __slots__ = ("_session", "_chain", "_before")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._chain: Chain | None = None
        self._before: tuple[int, bytes] | None = None

    def __enter__(self) -> Database:
        session = self._session
        session.lock.acquire()
        try:
            session.check_usable()
            if session.depth == 0:
                chain = self._chain = session.chain
                self._before = (chain.position, chain.head) if chain else None
                session.database.begin()
            session.depth += 1
        except BaseException:
            session.lock.release()
            raise
        return session.database

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        try:
            session.depth -= 1
            if session.depth == 0:
                self._end(kind is None)
        finally:
            session.lock.release()

    def _end(self, good: bool) -> None:
        try:
            if good:
                self._session.database.commit()
                return
        except BaseException:
            self._undo()
            raise
        self._undo()

    def _undo(self) -> None:
        chain = self._session.chain = self._chain
        if chain is not None and self._before is not None:
            chain.position, chain.head = self._before
        self._session.database.rollback()


class Session:
    """Not for use outside `runtime.store`."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self.database = database
        self.keys = keys
        self.lock = threading.RLock()
        self._process = os.getpid()
        self.chain: Chain | None = None
        self.depth = 0
        self._vouched: str | None = None
        self._closed = False
        secret = self._secret()
        self.store_id = hashlib.sha256(derive(secret, "store id")).hexdigest()[:32]
        self.reference_mac = Mac(derive(secret, "references"))
        self.mark_mac = Mac(derive(secret, "marks"))
        self.anchor_mac = Mac(derive(secret, "anchor"))
        self._environment: tuple[dict[str, str], str] = ({}, "{}")
        self._chain_secret = derive(secret, "chains")
        self._chain_macs: dict[str, Mac] = {}

    def _secret(self) -> bytes:
        """Reads the store's own secret, or makes it: whoever comes first, in one transaction."""
        select = "SELECT key_name, wrapped FROM secrets WHERE name = 'store'"
        row = self.database.execute(select).fetchone()
        if row is None:
            fresh = secrets.token_bytes(32)
            wrapped = self.keys.wrap_for_chain(fresh, context=_SECRET_CONTEXT)
            self.database.execute(
                "INSERT INTO secrets (name, key_name, wrapped) VALUES ('store', ?, ?) ON CONFLICT DO NOTHING",
                (wrapped.key_name, wrapped.data),
            )
            row = self.database.execute(select).fetchone()
        return self.keys.unwrap(Wrapped(row[0], bytes(row[1])), context=_SECRET_CONTEXT)

    def rewrap_secret(self) -> bool:
        """Wraps the store's secret with the current key, within a transaction; says whether that changed anything."""
        key_name, data = self.database.execute(
            "SELECT key_name, wrapped FROM secrets WHERE name = 'store'" + self.database.for_update
        ).fetchone()
        if key_name == self.keys.chain_key_name():
            return False
        secret = self.keys.unwrap(Wrapped(key_name, bytes(data)), context=_SECRET_CONTEXT)
        wrapped = self.keys.wrap_for_chain(secret, context=_SECRET_CONTEXT)
        self.database.execute(
            "UPDATE secrets SET key_name = ?, wrapped = ? WHERE name = 'store'", (wrapped.key_name, wrapped.data)
        )
        return True

    def chain_mac(self, writer: str) -> Mac:
        mac = self._chain_macs.get(writer)
        if mac is None:
            mac = self._chain_macs[writer] = Mac(derive(self._chain_secret, writer))
        return mac

    def environment_json(self, environment: Mapping[str, str]) -> str:
        """The JSON of a run's environment, which is the same for run after run."""
        if environment != self._environment[0]:
            self._environment = (dict(environment), canonical_json(dict(environment)))
        return self._environment[1]

    @property
    def writer(self) -> str | None:
        """Name of this handle's chain, if it has written anything."""
        return self.chain.writer if self.chain else None

    def check_usable(self) -> None:
        if self._closed:
            raise StoreFailed("The run store is closed.", remedy="Open it anew.")
        if os.getpid() != self._process:
            raise StoreFailed(
                "This run store was opened before a fork.", remedy="Open the store in the process that uses it."
            )

    def writing(self) -> _Writing:
        """One transaction, or a part of the one that is open."""
        return _Writing(self)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """One snapshot."""
        with self.lock:
            self.check_usable()
            if self.depth:
                yield self.database
                return
            self.database.begin_reading()
            self.depth = 1
            try:
                yield self.database
            finally:
                self.depth = 0
                self.database.rollback()

    def append(
        self,
        kind: str,
        header: str,
        *,
        at: int,
        run_id: str | None = None,
        run_position: int | None = None,
        run_previous: bytes = GENESIS,
        payload: Payload | None = None,
    ) -> Appended:
        """Adds an event to this handle's chain, within a transaction."""
        chain = self.chain or self._open_chain()
        commitment = NO_PAYLOAD if payload is None else payload.commitment()
        row = chain.append(at, run_id, run_position, kind, header, commitment, run_previous)
        seq = self.database.insert_event(_INSERT_EVENT, row)
        if payload is not None:
            self.database.execute(_INSERT_PAYLOAD, (seq, payload.blind, payload.clear, payload.sealed))
        return Appended(seq, chain.head)

    def append_many(self, kind: str, events: Iterable[FirstEvent]) -> list[Appended]:
        """Adds the first events of new runs to this handle's chain, within a transaction."""
        chain = self.chain or self._open_chain()
        at, follow = now_micros(), chain.follow
        rows: list[tuple[object, ...]] = []
        payloads: list[tuple[bytes, bytes, bytes]] = []
        heads: list[bytes] = []
        for run_id, header, payload in events:
            position, previous, commitment = chain.position, chain.head, commitment_of(*payload)
            head = follow(at, run_id, 0, kind, header, commitment, GENESIS)
            rows.append((position, run_id, header, commitment, previous, head))
            payloads.append(payload)
            heads.append(head)
        same = {"writer": chain.writer, "at": at, "run_position": 0, "kind": kind, "run_previous": GENESIS}
        seqs = self.database.insert_events(same, _OF_A_FIRST_EVENT, rows)
        stored = [(seq, *payload) for seq, payload in zip(seqs, payloads, strict=True)]
        self.database.insert("payloads", {}, ("seq", "blind", "clear", "sealed"), stored)
        return list(map(Appended, seqs, heads))

    def close_chains_of(self, process: int) -> None:
        """Ends the chains of a process of this machine that has died, so that they count as ended, not as cut off."""
        with self.writing() as database:
            rows = database.execute(
                "SELECT writer FROM writers WHERE process = ? AND host = ? AND closed IS NULL",
                (process, socket.gethostname()),
            ).fetchall()
            for (writer,) in rows:
                if writer != self.writer:
                    self._close_chain_of(writer)

    def _close_chain_of(self, writer: str) -> None:
        position, head = self.database.execute(
            "SELECT position, hash FROM events WHERE writer = ? ORDER BY position DESC LIMIT 1", (writer,)
        ).fetchone()
        chain, at = Chain(writer, self.chain_mac(writer)), now_micros()
        chain.position, chain.head = position + 1, bytes(head)
        header = header_text({"closed_by": self._process})
        self.database.insert_event(_INSERT_EVENT, chain.append(at, None, None, "closed", header, NO_PAYLOAD, GENESIS))
        self.database.execute("UPDATE writers SET closed = ? WHERE writer = ?", (at, writer))

    def _open_chain(self) -> Chain:
        """Begins this handle's chain; its first event names the newest event of the store, whoever wrote that."""
        writer = "w" + new_run_id()
        last = self.database.execute("SELECT hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        host, at = socket.gethostname(), now_micros()
        self.database.execute(
            "INSERT INTO writers (writer, host, process, opened) VALUES (?, ?, ?, ?)", (writer, host, self._process, at)
        )
        self.chain = Chain(writer, self.chain_mac(writer))
        after = bytes(last[0]).hex() if last else None
        self.append("opened", header_text({"after": after, "host": host, "process": self._process}), at=at)
        return self.chain

    def close(self) -> None:
        with self.lock:
            if self._closed:
                return
            try:
                if os.getpid() == self._process and self.chain is not None:
                    self._close_chain(self.chain)
            finally:
                self._closed = True
                self.database.close()

    def _close_chain(self, chain: Chain) -> None:
        with self.writing() as database:
            at = now_micros()
            self.append("closed", "{}", at=at)
            database.execute("UPDATE writers SET closed = ? WHERE writer = ?", (at, chain.writer))

    def new_run_key(self, run_id: str) -> tuple[AESGCM, Wrapped]:
        """Returns a run's new data key, ready to encrypt, and wrapped for storing."""
        self._vouch_for_name()
        secret = secrets.token_bytes(32)
        return cipher(secret), self.keys.wrap(secret, context=run_key_context(run_id))

    def _vouch_for_name(self) -> None:
        """Under one name there is one master key: the first of that name that wrapped a run's key here.

        Raises `StoreFailed` if the current one is another: what it wraps could not be told from what the first did.
        """
        name = self.keys.require("A run's record").name
        if self._vouched == name:
            return
        sample = self.keys.wrap(secrets.token_bytes(32), context=_NAME_CONTEXT)
        self.database.execute(
            "INSERT INTO secrets (name, key_name, wrapped) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (f"name {name}", name, sample.data),
        )
        row = self.database.execute("SELECT wrapped FROM secrets WHERE name = ?", (f"name {name}",)).fetchone()
        self.keys.unwrap(Wrapped(name, bytes(row[0])), context=_NAME_CONTEXT)
        self._vouched = name

    def run_key(self, run_id: str, key_name: str | None, wrapped: bytes | None) -> AESGCM | None:
        if key_name is None or wrapped is None:
            return None
        return cipher(self.keys.unwrap(Wrapped(key_name, bytes(wrapped)), context=run_key_context(run_id)))


def run_key_context(run_id: str) -> str:
    return f"run {run_id}"


def payload_context(run_id: str, run_position: int) -> str:
    return f"run {run_id} event {run_position}"


def event_of(row: Any) -> Event:
    """Reads the columns `EVENT_COLUMNS`."""
    return Event(*row[:7], *map(column_bytes, row[7:11]))


def payload_of(blind: Any, clear: Any, sealed: Any) -> Payload | None:
    return None if blind is None else Payload(column_bytes(blind), column_bytes(clear), column_bytes(sealed))


def column_bytes(value: Any) -> bytes:
    """A column that holds bytes; SQLite lets anything else be put there by hand, of which a hash then tells."""
    return bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode("utf-8", "surrogatepass")
