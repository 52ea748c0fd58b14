"""One open store in one process: its database, its keys, its chain, and the transaction around each change."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compiled_ai.errors import StoreFailed
from compiled_ai.runtime.keys import KeyRing, Wrapped, cipher, derive
from compiled_ai.runtime.store.chain import GENESIS, NO_PAYLOAD, Chain, Event, Payload
from compiled_ai.runtime.store.dialects import Database
from compiled_ai.runtime.store.payloads import to_json
from compiled_ai.runtime.store.times import new_id, now_micros

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_INSERT_EVENT = (
    "INSERT INTO events (writer, position, at, run_id, run_position, kind, header, commitment, previous, run_previous, "
    "hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_PAYLOAD = "INSERT INTO payloads (seq, blind, clear, sealed) VALUES (?, ?, ?, ?)"
EVENT_COLUMNS = (
    "e.writer, e.position, e.at, e.run_id, e.run_position, e.kind, e.header, e.commitment, e.previous, "
    "e.run_previous, e.hash"
)
_SECRET_CONTEXT = "run store secret"


class Session:
    """Not for use outside `runtime.store`."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self.database = database
        self.keys = keys
        self.lock = threading.RLock()
        self._process = os.getpid()
        self._chain: Chain | None = None
        self._closed = False
        self._depth = 0
        self.now = now_micros
        secret = self._secret()
        self.store_id = hashlib.sha256(derive(secret, "store id")).hexdigest()[:32]
        self.reference_key = derive(secret, "references")
        self.mark_key = derive(secret, "marks")
        self.anchor_key = derive(secret, "anchor")
        self._chain_secret = derive(secret, "chains")
        self._chain_keys: dict[str, bytes] = {}

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

    def chain_key(self, writer: str) -> bytes:
        key = self._chain_keys.get(writer)
        if key is None:
            key = self._chain_keys[writer] = derive(self._chain_secret, writer)
        return key

    @property
    def writer(self) -> str | None:
        """Name of this handle's chain, if it has written anything."""
        return self._chain.writer if self._chain else None

    def check_usable(self) -> None:
        if self._closed:
            raise StoreFailed("The run store is closed.", remedy="Open it anew.")
        if os.getpid() != self._process:
            raise StoreFailed(
                "This run store was opened before a fork.", remedy="Open the store in the process that uses it."
            )

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One transaction; everything or nothing, the chain's head too."""
        with self.lock:
            self.check_usable()
            if self._depth:
                yield self.database
                return
            chain = self._chain
            before = (chain.position, chain.head) if chain else None
            self.database.begin()
            self._depth = 1
            try:
                yield self.database
                self.database.commit()
            except BaseException:
                self._undo(chain, before)
                raise
            finally:
                self._depth = 0

    def _undo(self, chain: Chain | None, before: tuple[int, bytes] | None) -> None:
        self._chain = chain
        if chain is not None and before is not None:
            chain.position, chain.head = before
        self.database.rollback()

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """One snapshot."""
        with self.lock:
            self.check_usable()
            if self._depth:
                yield self.database
                return
            self.database.begin_reading()
            self._depth = 1
            try:
                yield self.database
            finally:
                self._depth = 0
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
    ) -> bytes:
        """Adds an event to this handle's chain, within a transaction; returns its hash."""
        chain = self._chain or self._open_chain()
        row = chain.append(
            at=at,
            run_id=run_id,
            run_position=run_position,
            kind=kind,
            header=header,
            commitment=NO_PAYLOAD if payload is None else payload.commitment(),
            run_previous=run_previous,
        )
        seq = self.database.insert_event(_INSERT_EVENT, row)
        if payload is not None:
            self.database.execute(_INSERT_PAYLOAD, (seq, payload.blind, payload.clear, payload.sealed))
        return chain.head

    def _open_chain(self) -> Chain:
        """Begins this handle's chain; its first event names the newest event of the store, whoever wrote that."""
        writer = "w" + new_id()
        last = self.database.execute("SELECT hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        host, at = socket.gethostname(), now_micros()
        self.database.execute(
            "INSERT INTO writers (writer, host, process, opened) VALUES (?, ?, ?, ?)", (writer, host, self._process, at)
        )
        self._chain = Chain(writer, self.chain_key(writer))
        after = bytes(last[0]).hex() if last else None
        self.append("opened", to_json({"after": after, "host": host, "process": self._process}), at=at)
        return self._chain

    def close(self) -> None:
        with self.lock:
            if self._closed:
                return
            try:
                if os.getpid() == self._process and self._chain is not None:
                    self._close_chain(self._chain)
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
        secret = secrets.token_bytes(32)
        return cipher(secret), self.keys.wrap(secret, context=run_key_context(run_id))

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
    return Event(*row[:7], *(bytes(cell) for cell in row[7:11]))


def payload_of(blind: Any, clear: Any, sealed: Any) -> Payload | None:
    return None if blind is None else Payload(bytes(blind), bytes(clear), bytes(sealed))
