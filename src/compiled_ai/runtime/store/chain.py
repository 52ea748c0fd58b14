"""The hash chains: every event names the one before in its writer's chain and the one before in its run.

A hash is HMAC-SHA256 over all that an event says, keyed for its writer; a payload is covered by its commitment, a
hash blinded with random bytes that lie with the payload. Purging deletes both: what remains cannot be guessed at,
and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = b""
"""What the first event of a chain names as the one before."""
NO_PAYLOAD = b""
UNCOMMITTED = b"?"
"""What no event says of a payload."""
BLIND_BYTES = 16
_SHA256 = hashlib.sha256()
"""Copied, which is quicker than making one."""


@dataclass(slots=True)
class Payload:
    """What lies apart from an event: JSON in the clear, and JSON sealed with the run's key (either may be empty)."""

    blind: bytes
    clear: bytes
    sealed: bytes

    @property
    def columns(self) -> tuple[bytes, bytes, bytes]:
        return (self.blind, self.clear, self.sealed)

    def commitment(self) -> bytes:
        """What an event must say of it; `UNCOMMITTED` where a blind of another length would let it be read two ways."""
        return commitment_of(*self.columns) if len(self.blind) == BLIND_BYTES else UNCOMMITTED


def commitment_of(blind: bytes, clear: bytes, sealed: bytes) -> bytes:
    """What an event says of its payload."""
    hashed = _SHA256.copy()
    hashed.update(b"%b%d:%b%b" % (blind, len(clear), clear, sealed))
    return hashed.digest()


@dataclass(frozen=True, slots=True)
class Event:
    """One row of `events`, in the order of its columns after `seq`."""

    writer: str
    position: int
    at: int
    run_id: str | None
    run_position: int | None
    kind: str
    header: str
    commitment: bytes
    previous: bytes
    run_previous: bytes
    hash: bytes
    told_by: Event | None = None
    """The event of a group that tells this one (`groups`): it is what the chain has, and what the hash is of."""

    def is_authentic(self, mac: Mac) -> bool:
        if self.told_by is not None:
            return self.told_by.is_authentic(mac)
        return hmac.compare_digest(
            self.hash,
            event_hash(
                mac,
                self.writer,
                self.position,
                self.at,
                self.run_id,
                self.run_position,
                self.kind,
                self.header,
                self.commitment,
                self.previous,
                self.run_previous,
            ),
        )


def event_hash(
    mac: Mac,
    writer: str,
    position: int,
    at: int,
    run_id: str | None,
    run_position: int | None,
    kind: str,
    header: str,
    commitment: bytes,
    previous: bytes,
    run_previous: bytes,
) -> bytes:
    """The hashed text is unambiguous: a header is JSON without line breaks, and no other part can hold one."""
    text = (
        f"{writer}\n{position}\n{at}\n{run_id}\n{run_position}\n{kind}\n{header}\n"
        f"{commitment.hex()}\n{previous.hex()}\n{run_previous.hex()}"
    )
    return mac.digest(text)


def header_text(header: Mapping[str, Any]) -> str:
    """JSON in ASCII on one line, whatever is in it: the hashed text must not be read in two ways."""
    return json.dumps(header, sort_keys=True, separators=(",", ":"))


class Mac:
    """HMAC-SHA256 (RFC 2104) with its two halves of the key hashed beforehand: half the time for short texts."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")
        if len(padded) > 64:
            raise ValueError(f"a key of {len(key)} bytes is too long")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, text: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()


class Chain:
    """One writer's chain, kept by one open store; `append` computes the next event."""

    __slots__ = ("writer", "mac", "position", "head")

    def __init__(self, writer: str, mac: Mac) -> None:
        self.writer = writer
        self.mac = mac
        self.position = 0
        self.head = GENESIS

    def append(
        self,
        at: int,
        run_id: str | None,
        run_position: int | None,
        kind: str,
        header: str,
        commitment: bytes,
        run_previous: bytes,
    ) -> tuple[object, ...]:
        """Returns the row for `events`; the hash is its last column."""
        position, previous = self.position, self.head
        head = self.follow(at, run_id, run_position, kind, header, commitment, run_previous)
        return (
            self.writer, position, at, run_id, run_position, kind, header, commitment, previous, run_previous, head
        )  # fmt: skip

    def follow(
        self,
        at: int,
        run_id: str | None,
        run_position: int | None,
        kind: str,
        header: str,
        commitment: bytes,
        run_previous: bytes,
    ) -> bytes:
        """Goes on by an event, and returns its hash."""
        self.head = event_hash(
            self.mac, self.writer, self.position, at, run_id, run_position, kind, header, commitment, self.head,
            run_previous,
        )  # fmt: skip
        self.position += 1
        return self.head
