"""Where a batch stands: committed beside its output after the output was synced, and verified before it goes on.

The file OUT.checkpoint is replaced as a whole. It names the artifact, the mapping, what was read of the input, how
long the output and the dead letters were then, and the id from which the ids of all its runs are derived. Where a pack
says `encrypted` for checkpoints it is sealed with the master key; where it says `masked` or `forbidden` there is none,
and a batch that is cut off begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import CompiledAIError, UsageError
from compiled_ai.runtime.batch.journal import sync_folder
from compiled_ai.runtime.batch.sources import Mark
from compiled_ai.runtime.keys import KeyRing

VERSION = 1
_CONTEXT = "batch checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One committed place of a batch."""

    batch: str
    """The ids of its runs begin with it."""
    artifact: str
    mapping: str
    """Digest of which column serves which input, and which are kept."""
    source: str
    """Digest of the source's name."""
    read: Mark = Mark()
    """What was read of the input, and is answered in the output."""
    output: Mark = Mark()
    letters: Mark = Mark()
    base: Mark | None = None
    """The earlier output whose waiting lines are filled in, as a whole; `None` for a first pass."""
    counts: Mapping[str, int] = field(default_factory=dict)
    whole: bool = False
    """Everything is answered: only the names are to be given."""


class CheckpointFile:
    """The checkpoint beside an output."""

    def __init__(self, target: Path, sink: str, keys: KeyRing | None) -> None:
        self.path = target.with_name(f"{target.name}.checkpoint")
        self._sealed = sink == "encrypted"
        self.allowed = sink in ("clear", "encrypted")
        self._keys = keys

    def commit(self, checkpoint: Checkpoint) -> None:
        if not self.allowed:
            return
        text = canonical_json({"version": VERSION, **asdict(checkpoint)}).encode()
        if self._sealed:
            assert self._keys is not None
            text = self._keys.seal(text, context=_CONTEXT)
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text + b"\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def read(self) -> Checkpoint | None:
        """Returns what was committed last; `UsageError` if the file is none of ours, `KeyMissing` without its key."""
        if not self.path.is_file():
            return None
        text = self.path.read_bytes()
        if self._sealed:
            assert self._keys is not None
            text = self._keys.open(text, context=_CONTEXT)
        try:
            told = parse_json(text)
            if told.pop("version") != VERSION:
                raise ValueError
            return Checkpoint(**{name: _read(name, value) for name, value in told.items()})
        except (CompiledAIError, ValueError, TypeError, KeyError, AttributeError) as fault:
            raise UsageError(
                f"{str(self.path)!r} is no checkpoint of a batch, or was damaged.",
                remedy="Restore it; or delete it and the .part files beside it, to begin anew.",
            ) from fault

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def _read(name: str, value: Any) -> Any:
    return Mark(**value) if name in ("read", "output", "letters", "base") and value is not None else value
