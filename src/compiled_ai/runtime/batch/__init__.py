"""Many records: from JSONL, CSV, Parquet or a query to JSONL, one line for each record, in order.

No record can stop the others, and a batch that is killed at any instant goes on where it was (`resume`):

| file | is |
|---|---|
| OUT | the whole output; it has this name only when every record is answered |
| OUT.part | the output under way |
| OUT.checkpoint | the place up to which OUT.part is certain (`checkpoint`) |
| STEM.dead.jsonl | what failed and why, with the record (`runtime.letters`); `.part` while under way |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiled_ai.errors import InputError, UsageError, suggest
from compiled_ai.runtime.batch.batch import Batch, unfinished
from compiled_ai.runtime.batch.running import Progress
from compiled_ai.runtime.batch.sources import Mark, open_source
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.lines import Columns
from compiled_ai.runtime.loading import ArtifactLike, ProgramSource, as_program
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import RunStore

SECONDS_BETWEEN_CHECKPOINTS = 1.0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch."""

    lines: int
    completed: int
    failed: int
    waiting: int
    """Lines that wait for a person or a model's reply."""
    seconds: float
    strict: bool = False
    dead_letters: Path | None = None
    """Where the failed records are, if any failed."""
    here: int = 0
    """Lines of this call: fewer than `lines` if it went on after a checkpoint."""
    absent: tuple[str, ...] = ()
    """Columns that were to be kept, or mapped to an input, and that no record of this call has."""
    columns: tuple[str, ...] = ()
    """Columns of the first record, where some were absent: what may have been meant."""
    was_whole: bool = False
    """True if nothing was left to do: all lines are those of an earlier call, and none waits."""

    @property
    def rate(self) -> float | None:
        """Lines per second of this call; `None` if nothing was measured."""
        return self.here / self.seconds if self.seconds > 0 and self.here else None

    @property
    def exit_code(self) -> int:
        """1 if `strict` and a line failed, 3 while any line waits, else 0."""
        return 1 if self.strict and self.failed else 3 if self.waiting else 0

    def to_json(self) -> dict[str, Any]:
        counts = {"lines": self.lines, "completed": self.completed, "failed": self.failed, "waiting": self.waiting}
        rate = None if self.rate is None else round(self.rate, 1)
        letters = None if self.dead_letters is None else str(self.dead_letters)
        told = {"seconds": round(self.seconds, 3), "lines_per_second": rate, "dead_letters": letters}
        return {**counts, **told, "absent_columns": list(self.absent)}

    def text(self) -> str:
        rate = "" if self.rate is None else f", {self.rate:,.0f} lines/s"
        ends = f"{self.completed} completed, {self.failed} failed, {self.waiting} waiting"
        told = f"{self.lines} lines: {ends} ({self.seconds:.1f} s{rate})"
        if self.was_whole:
            told = f"nothing was left to do; {self.lines} lines: {ends}"
        if self.dead_letters is not None:
            told += f"\nfailed records and reasons: {self.dead_letters}"
        return told

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is no error and yet hardly meant."""
        told = []
        if self.absent:
            told.append(f"no record has a column {' or '.join(map(repr, self.absent))} (--keep, --map)")
            if self.columns:
                told[-1] += f".{suggest(self.absent[0], self.columns)}"
        if self.lines and self.failed == self.lines:
            told.append(f"every record failed; the reasons are in {str(self.dead_letters)!r} (--strict: exit code 1)")
        return tuple(told)


def run_batch(
    artifact: Program | ArtifactLike,
    source: Path | str,
    target: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    workers: int | None = None,
    model: ModelSource = None,
    store: RunStore | None = None,
    programs: ProgramSource | None = None,
    resume: bool = False,
    strict: bool = False,
    max_errors: int | None = None,
    keys: KeyRing | None = None,
    limits: RecordLimits | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> BatchResult:
    """Runs every record of a source.

    A record that is no valid input, never ends, or eats too much memory has `status` `failed` and an `error`, and
    lies with its reason among the dead letters; the others go on.

    Args:
        artifact: A verified artifact, or its program.
        source: JSONL, CSV if it ends in `.csv` (first row: columns; cells are read by type, empty is null), Parquet
            if it ends in `.parquet`, or `sql:CONNECTION:SELECT ...` (address in `COMPILED_AI_CONNECTION_<NAME>`).
        target: JSONL: `{"index", "run_id", "status", "output", ...kept columns}`, and `error` where there is one.
        mapping: Input field to column, where they are not called the same.
        keep: Columns that the output repeats.
        workers: Processes; by default one per processor, 0 runs in this process (then nothing can be killed).
        model: Who serves bounded calls; a name, if there are workers.
        store: Where runs are recorded, in groups; a run with effects before the first of them starts.
        programs: Gives the program of a digest: waiting lines are filled in on the artifact that they began on.
        resume: Go on after the last checkpoint of a batch that was cut off. If the output is whole: keep its lines,
            fill in those that were decided since, and run the records that the input has beyond them.
        strict: Let `exit_code` be 1 if any line failed.
        max_errors: Stop when more lines than this have failed; the checkpoint stands.
        keys: Master keys, where a pack protects dead letters or checkpoints; by default those of the store, or of the
            environment.
        limits: What one record may use.
        progress: Called ten times a second at most.
        checkpoint_seconds: Time between checkpoints, at least.

    Raises:
        UsageError: A column or an input is not there, or what is resumed was changed. Nothing has run.
        RunFailed: More than `max_errors` lines failed.
    """
    started = monotonic()
    program = artifact if isinstance(artifact, Program) else as_program(artifact)
    with ExitStack() as opened:
        batch = Batch.prepare(program, source, Path(target), mapping or {}, keep, store, keys, opened)
        batch.workers, batch.model, batch.limits = _workers(workers), model, limits or RecordLimits()
        passed = batch.run(
            resume=resume,
            programs=programs or _only(program),
            most_errors=max_errors,
            seconds_between=checkpoint_seconds,
            progress=progress,
        )
    counts, lines = passed.counts, sum(passed.counts.values())
    return BatchResult(
        lines,
        counts.get("completed", 0),
        counts.get("failed", 0),
        counts.get("review", 0) + counts.get("waiting", 0),
        monotonic() - started,
        strict=strict,
        dead_letters=batch.letters if counts.get("failed") else None,
        here=lines - passed.before,
        absent=tuple(sorted(passed.absent)),
        columns=_first_columns(source, batch.columns) if passed.absent else (),
        was_whole=passed.was_whole,
    )


def _first_columns(source: Path | str, columns: Columns) -> tuple[str, ...]:
    """Columns of the first record of a file; none if it is no JSON object, or cannot be read a second time."""
    if not Path(source).is_file():
        return ()
    with closing(open_source(source)) as again:
        first = next(iter(again.read(Mark(), None)), None)
    try:
        return () if first is None else tuple(columns.values(first))
    except InputError:
        return ()


def _workers(workers: int | None) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 0:
        raise UsageError(f"{workers!r} workers make no sense.", remedy="Give 1 or more; 0 runs in this process.")
    return workers


def _only(program: Program) -> Callable[[str], Program]:
    def find(digest: str) -> Program:
        if digest != program.digest:
            raise UsageError(
                f"The waiting runs began on artifact {digest[:12]!r}, not on {program.digest[:12]!r}.",
                remedy="Resume with the artifact that the batch began with.",
            )
        return program

    return find


__all__ = ["Batch", "BatchResult", "Progress", "RecordLimits", "run_batch", "unfinished"]
