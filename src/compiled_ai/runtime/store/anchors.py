"""Anchors: the heads of all chains at one moment, kept where nobody who can write to the store can."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import ConfigError
from compiled_ai.runtime.store.session import Session
from compiled_ai.runtime.store.times import now_text


@dataclass(frozen=True, slots=True)
class Head:
    writer: str
    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The heads of all chains at one moment."""

    store: str
    made_at: str
    events: int
    heads: tuple[Head, ...]
    mac: str

    def body(self) -> str:
        return canonical_json({key: value for key, value in asdict(self).items() if key != "mac"})


def export_anchor(session: Session, file: Path) -> Anchor:
    """Writes it aside, syncs, and puts it in place."""
    with session.reading() as database:
        rows = database.execute(
            "SELECT e.writer, e.position, e.hash FROM events e JOIN "
            "(SELECT writer, MAX(position) AS position FROM events GROUP BY writer) last "
            "ON last.writer = e.writer AND last.position = e.position ORDER BY e.writer"
        )
        heads = tuple(Head(writer, position, bytes(value).hex()) for writer, position, value in rows)
        events = int(database.execute("SELECT COUNT(*) FROM events").fetchone()[0])
    unsigned = Anchor(store=session.store_id, made_at=now_text(), events=events, heads=heads, mac="")
    anchor = Anchor(unsigned.store, unsigned.made_at, events, heads, _mac(session, unsigned))
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as handle:
            handle.write(canonical_json(asdict(anchor)) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(file)
    except OSError as fault:
        raise ConfigError(
            f"The anchor cannot be written to {str(file)!r}: {fault}.", remedy="Check the path."
        ) from fault
    return anchor


def _mac(session: Session, anchor: Anchor) -> str:
    return session.anchor_mac.digest(anchor.body()).hex()


def read_anchor(session: Session, anchor: Path | Mapping[str, Any]) -> Anchor:
    """Reads an anchor of this store; whether it was altered is told by `is_authentic`."""
    try:
        data = json.loads(anchor.read_text(encoding="utf-8")) if isinstance(anchor, Path) else dict(anchor)
        heads = tuple(Head(**head) for head in data.pop("heads"))
        read = Anchor(heads=heads, **data)
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise ConfigError(
            f"The anchor cannot be read: {fault}.", remedy="Name a file that `export_anchor` wrote."
        ) from fault
    if read.store != session.store_id:
        raise ConfigError(
            f"The anchor belongs to store {read.store!r}, and this is {session.store_id!r}.",
            remedy="Open the store that it was made from.",
        )
    return read


def is_authentic(session: Session, anchor: Anchor) -> bool:
    return hmac.compare_digest(_mac(session, anchor), anchor.mac)
