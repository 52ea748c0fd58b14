"""The output of an earlier pass: its lines stand, except for those that waited and can be brought up to date."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import parse_json
from compiled_ai.errors import CompiledAIError, UsageError
from compiled_ai.runtime.batch.sources import Mark
from compiled_ai.runtime.loading import ProgramSource
from compiled_ai.runtime.local import ModelSource, resume

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

_STATUSES = ("completed", "failed", "review", "waiting")
_WAITING = ("review", "waiting")
_HEAD = re.compile(rb'\{"index":(\d+),"run_id":(?:null|"[\w.-]+"),"status":"(completed|failed|review|waiting)",')


@dataclass(frozen=True, slots=True)
class EarlierOutput:
    """A whole output; `mark` says what it was when it was looked through."""

    path: Path
    mark: Mark
    waits_on_record: bool
    """True if some line waits for what the store will know."""

    def lines(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream):
                yield _read_line(self.path, number, text)


def look_through(path: Path) -> EarlierOutput:
    """Checks every line before anything is done; raises `UsageError` at the first that is not of a batch."""
    digest, count, size, waits = hashlib.sha256(), 0, 0, False
    with path.open("rb") as stream:
        for number, text in enumerate(stream):
            head = _HEAD.match(text)
            if head is None or int(head[1]) != number or head[2] != b"completed" or not text.endswith(b"}\n"):
                line = _read_line(path, number, text)
                waits = waits or (line["status"] in _WAITING and line["run_id"] is not None)
            digest.update(text)
            count, size = number + 1, size + len(text)
    return EarlierOutput(path, Mark(count, size, digest.hexdigest()), waits)


def _read_line(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        line = parse_json(text.decode("utf-8"))
        good = line["index"] == number and line["status"] in _STATUSES and {"run_id", "output"} <= line.keys()
    except (CompiledAIError, UnicodeDecodeError, KeyError, TypeError):
        good = False
    if not good:
        cut = "" if text.endswith(b"\n") else " (it is cut off)"
        raise UsageError(
            f"{path}:{number + 1}: this is not line {number + 1} of a batch's output{cut}.",
            remedy="Restore the file, or leave out --resume to begin anew.",
        )
    return dict(line)


@dataclass(frozen=True, slots=True)
class OtherArtifacts:
    """Brings lines up to date whose runs began on another artifact than the batch has; workers only have that one."""

    digest: str
    store: RunStore | None
    programs: ProgramSource
    model: ModelSource

    def settle(self, line: dict[str, Any]) -> dict[str, Any]:
        """Returns the line as it stands now; one that is left to a worker is returned as it is."""
        run_id = line["run_id"]
        if line["status"] not in _WAITING or run_id is None or self.store is None:
            return line
        if self.store.summary(run_id).artifact == self.digest:
            return line
        result = resume(run_id, store=self.store, programs=self.programs, model=self.model)
        told = {"status": result.status, "output": result.output}
        error: dict[str, Any] = {} if result.error is None else {"error": result.error}
        if result.status in ("completed", "failed") and result.abstained:
            error["abstained"] = list(result.abstained)
        rest = {name: value for name, value in line.items() if name not in ("index", "run_id", "error", *told)}
        return {"index": line["index"], "run_id": run_id, **told, **error, **rest}


__all__ = ["EarlierOutput", "OtherArtifacts", "look_through"]
