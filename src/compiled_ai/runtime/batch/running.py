"""One pass over the records of a batch: chunks out to the workers, pieces in to the files, a checkpoint now and then.

The order of every commit is: runs to the store (by the worker), lines to OUT.part, both files synced, then the
checkpoint. Whatever is killed between two of these steps is done again under the same ids, or is there already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiled_ai.errors import RunFailed, UsageError
from compiled_ai.runtime.batch.checkpoint import Checkpoint, CheckpointFile
from compiled_ai.runtime.batch.journal import Journal, publish
from compiled_ai.runtime.batch.sources import Source
from compiled_ai.runtime.deciding import DecideJob, HereJob, Item, LetterForm, Standing
from compiled_ai.runtime.lines import Columns, RawLine
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import Chunk, KillablePool, Piece, RecordLimits, work_here
from compiled_ai.runtime.stepper import Program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

_SECONDS_BETWEEN_REPORTS = 0.1
_CHUNK_BYTES = 1 << 20

Progress = Callable[[int, int | None], None]
"""Hears how many lines are done, of about how many; `None` if that is not known before the end."""


class Feed:
    """The chunks of a pass: records from the source, beside the lines of an earlier output where there is one."""

    def __init__(
        self, source: Source, records: Iterator[RawLine], earlier: Iterator[dict[str, Any]], first: int
    ) -> None:
        self.source = source
        self._items = _pairs(records, earlier)
        self._next = first

    def __call__(self, most: int) -> Chunk[Item] | None:
        items: list[Item] = []
        size = 0
        for item in islice(self._items, most):
            items.append(item)
            size += len(item) if type(item) is bytes else size_of(item)
            if size > _CHUNK_BYTES:
                break
        if not items:
            return None
        chunk = Chunk(self._next, items, size, self.source.mark())
        self._next += len(items)
        return chunk


def _pairs(records: Iterator[RawLine], earlier: Iterator[dict[str, Any]]) -> Iterator[Item]:
    for line in earlier:
        raw = next(records, None)
        on_no_record = line["status"] == "waiting" and line["run_id"] is None
        yield raw if raw is not None and on_no_record else Standing(line, raw)
    yield from records


def size_of(item: Item) -> int:
    """Bytes, about."""
    if isinstance(item, bytes):
        return len(item)
    if isinstance(item, list):
        return sum(map(len, item))
    return 200 + (size_of(item.raw) if isinstance(item, Standing) and item.raw is not None else 0)


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Who does the records of a pass: processes, or (0) this one."""

    program: Program
    columns: Columns
    store: RunStore | None
    form: LetterForm
    model: ModelSource = None
    limits: RecordLimits = RecordLimits()
    workers: int = 0

    def pieces(self, feed: Feed, naming: str, held: Path) -> Generator[Piece[Item], None, None]:
        """What is done, in order; processes keep the file `held` locked while they live."""
        program, store = self.program, self.store
        if self.workers == 0:
            return work_here(HereJob(program, self.columns, naming, self.model, store, self.form), feed)
        if not (self.model is None or isinstance(self.model, str)):
            raise UsageError("Workers open a model by its name.", remedy="Pass the model's name, or workers=0.")
        job = DecideJob(
            program.digest,
            program.files,
            dict(program.environment),
            self.columns,
            naming,
            self.model,
            None if store is None else store.address,
            self.form,
            held,
        )
        buried: Callable[[int], None] = (lambda process: None) if store is None else store.close_chains_of
        return KillablePool(job, self.workers, self.limits, buried).map(feed)


@dataclass(kw_only=True)
class Pass:
    """What a pass writes, and how far it is."""

    out: Journal
    letters: Journal
    file: CheckpointFile
    at: Checkpoint
    """The newest place that can be committed: the end of a chunk."""
    most_errors: int | None
    seconds_between: float
    """Between checkpoints, at least."""
    report: Progress | None
    counts: dict[str, int] = field(init=False)
    unseen: frozenset[str] | None = None
    """Columns that somebody named and no record of this pass had so far; `None` before its first one."""
    committed_at: float = field(default_factory=monotonic)
    reported_at: float = 0.0

    def __post_init__(self) -> None:
        self.counts = dict(self.at.counts)

    @property
    def lines(self) -> int:
        return sum(self.counts.values())

    def run(self, feed: Feed, pieces: Generator[Piece[Item], None, None]) -> None:
        """Writes all lines, and gives the files their names when they are whole."""
        self.write(feed, pieces)
        give_names(self.out, self.letters, self.file)
        if self.report:
            self.report(self.lines, self.lines)

    def write(self, feed: Feed, pieces: Generator[Piece[Item], None, None]) -> None:
        """Writes all lines, and commits that they are whole."""
        try:
            with closing(pieces):
                for piece in pieces:
                    self._write(piece)
                    self._tell(feed.source)
        except BaseException:
            self._commit()
            raise
        self.at = replace(self.at, whole=True)
        self._commit()

    def _write(self, piece: Piece[Item]) -> None:
        handed = piece.result
        self.out.write(handed.lines)
        self.letters.write(handed.letters)
        self.unseen = handed.unseen if self.unseen is None else self.unseen & handed.unseen
        for status, count in handed.counts.items():
            self.counts[status] = self.counts.get(status, 0) + count
        if piece.is_last:
            self.at = replace(
                self.at,
                read=piece.chunk.mark,
                output=self.out.place(),
                letters=self.letters.place(),
                counts=dict(self.counts),
            )
            if monotonic() - self.committed_at >= self.seconds_between:
                self._commit()
        if self.most_errors is not None and self.counts.get("failed", 0) > self.most_errors:
            raise self._too_many(self.most_errors)

    def _commit(self) -> None:
        self.out.sync()
        self.letters.sync()
        self.file.commit(self.at)
        self.committed_at = monotonic()

    def _too_many(self, most: int) -> RunFailed:
        return RunFailed(
            f"The batch was stopped: {self.counts['failed']} lines failed, and {most} may (--max-errors).",
            remedy=f"See {str(self.letters.part)!r}; go on with --resume and a larger --max-errors.",
        )

    def _tell(self, source: Source) -> None:
        if self.report and monotonic() - self.reported_at > _SECONDS_BETWEEN_REPORTS:
            self.reported_at = monotonic()
            expected = source.expected()
            self.report(self.lines, None if expected is None else max(self.lines, expected))


def give_names(out: Journal, letters: Journal, file: CheckpointFile) -> None:
    """Ends a pass whose files are whole, under the output's lock; may be done again if it was cut off."""
    letters.close()
    if os.name == "nt":
        out.close()  # what is open cannot be renamed there
    publish(letters.target, wanted=letters.bytes > 0)
    publish(out.target, wanted=True)
    file.delete()
    out.close()
