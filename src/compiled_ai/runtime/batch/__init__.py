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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import digest, digest_json
from compiled_ai.errors import CompiledAIError, NotFound, UsageError
from compiled_ai.runtime.batch.checkpoint import Checkpoint, CheckpointFile
from compiled_ai.runtime.batch.earlier import EarlierOutput, OtherArtifacts, look_through
from compiled_ai.runtime.batch.journal import Journal, just_finished, letters_of, part_of, publish, same_file, wait_until_free
from compiled_ai.runtime.batch.running import Crew, Feed, Pass, Progress
from compiled_ai.runtime.batch.sources import Source, changed, open_source
from compiled_ai.runtime.deciding import LetterForm
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.lines import Columns, plan_columns
from compiled_ai.runtime.loading import ArtifactLike, ProgramSource, as_program
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import Protection, RunStore

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
        return {**counts, "seconds": round(self.seconds, 3), "lines_per_second": rate, "dead_letters": letters}

    def text(self) -> str:
        rate = "" if self.rate is None else f", {self.rate:,.0f} lines/s"
        ends = f"{self.completed} completed, {self.failed} failed, {self.waiting} waiting"
        told = f"{self.lines} lines: {ends} ({self.seconds:.1f} s{rate})"
        return told if self.dead_letters is None else f"{told}\nfailed records and reasons: {self.dead_letters}"


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
        counts, before = batch.run(
            resume=resume,
            programs=programs or _only(program),
            most_errors=max_errors,
            seconds_between=checkpoint_seconds,
            progress=progress,
        )
    lines = sum(counts.values())
    return BatchResult(
        lines,
        counts.get("completed", 0),
        counts.get("failed", 0),
        counts.get("review", 0) + counts.get("waiting", 0),
        monotonic() - started,
        strict=strict,
        dead_letters=batch.letters if counts.get("failed") else None,
        here=lines - before,
    )


@dataclass(kw_only=True)
class Batch:
    """One batch and the files beside its output."""

    program: Program
    source: Source
    target: Path
    columns: Columns
    store: RunStore | None
    form: LetterForm
    file: CheckpointFile
    workers: int = 0
    model: ModelSource = None
    limits: RecordLimits = RecordLimits()

    @classmethod
    def prepare(
        cls,
        program: Program,
        source: Path | str,
        target: Path,
        mapping: Mapping[str, str],
        keep: Sequence[str],
        store: RunStore | None,
        keys: KeyRing | None,
        opened: ExitStack,
    ) -> Batch:
        """Checks all that can be checked before anything is written."""
        if same_file(Path(source), target) or same_file(Path(source), letters_of(target)):
            raise UsageError(f"{str(source)!r} is input and output at once.", remedy="Name another output.")
        found = open_source(source)
        opened.callback(found.close)
        sinks = program.sinks
        if keys is None:
            keys = store.address.keys if store is not None else KeyRing.from_environment()
        form = LetterForm(sinks.get("dead_letters", "clear"), keys)
        form.require()
        if store is not None:
            store.require(_protection(program))
        columns = plan_columns(program.input_type, found.header(), mapping, keep)
        return cls(
            program=program,
            source=found,
            target=target,
            columns=columns if found.has_cells else replace(columns, header=None),
            store=store,
            form=form,
            file=CheckpointFile(target, sinks.get("checkpoints", "clear"), keys),
        )

    @property
    def letters(self) -> Path:
        return letters_of(self.target)

    def run(
        self,
        *,
        resume: bool,
        programs: ProgramSource,
        most_errors: int | None,
        seconds_between: float,
        progress: Progress | None,
    ) -> tuple[dict[str, int], int]:
        """Returns how many lines ended how, and how many of them were done before this call."""
        if not resume and self.file.allowed and (self.file.path.exists() or part_of(self.target).exists()):
            raise unfinished(self.target)
        if resume:
            self.end_whole()
        found = self.file.read() if resume else None
        earlier = self._earlier(found) if resume else None
        with ExitStack() as opened:
            out, begun = self._open_output(found, earlier, opened)
            going = Pass(
                out=out,
                letters=self._open_letters(begun, opened),
                file=self.file,
                at=begun,
                most_errors=most_errors,
                seconds_between=seconds_between,
                report=progress,
            )
            self._go(going, earlier, programs)
            return going.counts, sum(begun.counts.values())

    # ------------------------------------------------------------ beginning, or going on

    def first_checkpoint(self, earlier: EarlierOutput | None = None) -> Checkpoint:
        """What the batch is, before anything is done; the ids of its runs begin with a new one."""
        return Checkpoint(
            batch=f"{new_run_id()}-",
            artifact=self.program.digest,
            mapping=digest_json(
                {"inputs": dict(self.columns.inputs), "keep": list(self.columns.keep), "header": self.columns.header}
            ),
            source=digest(self.source.name),
            base=None if earlier is None else earlier.mark,
        )

    def end_whole(self) -> None:
        """A batch that was cut off when only the names were missing gets them now."""
        if self._whole() is None:
            return
        for path in (part_of(self.target), self.target):
            wait_until_free(path)  # whose batch it is may be about to give the names
        if (found := self._whole()) is not None:
            publish(self.letters, wanted=found.letters.bytes > 0)
            publish(self.target, wanted=True)
            self.file.delete()

    def _whole(self) -> Checkpoint | None:
        found = self.file.read()
        return found if found is not None and found.whole else None

    def _earlier(self, begun: Checkpoint | None) -> EarlierOutput | None:
        """Checks what is resumed; returns the whole output whose waiting lines are filled in, if that is it."""
        if begun is not None:
            self.check(begun)
            if begun.base is None:
                return None
        elif part_of(self.target).exists():
            raise UsageError(
                f"{str(part_of(self.target))!r} has no checkpoint beside it: nothing says which of it is certain.",
                remedy="Restore the checkpoint; or delete the file, and leave out --resume to begin anew.",
            )
        if not self.target.is_file():
            raise NotFound(f"There is no {str(self.target)!r} to go on with.", remedy="Leave out --resume.")
        earlier = look_through(self.target)
        if begun is not None and begun.base != earlier.mark:
            raise changed(str(self.target), "output")
        if earlier.waits_on_record and self.store is None:
            raise UsageError("Waiting lines are filled in from the run store.", remedy="Leave out --no-store.")
        return earlier

    def check(self, begun: Checkpoint) -> None:
        """Raises `UsageError` if it is another batch that began."""
        fresh = self.first_checkpoint()
        if begun.artifact != fresh.artifact:
            raise UsageError(
                f"The batch began with artifact {begun.artifact[:12]!r}, not with {fresh.artifact[:12]!r}.",
                remedy=f"Name {begun.artifact[:12]!r}, or delete {self.file.path.name!r} and the .part files.",
            )
        if (begun.mapping, begun.source) != (fresh.mapping, fresh.source):
            raise UsageError(
                "The batch began with another input, --map or --keep.",
                remedy=f"Give the same, or delete {self.file.path.name!r} and the .part files to begin anew.",
            )

    def _open_output(
        self, found: Checkpoint | None, earlier: EarlierOutput | None, opened: ExitStack
    ) -> tuple[Journal, Checkpoint]:
        """Locks the output and cuts it back to the checkpoint, as it is once the lock is ours."""
        begun = found or self.first_checkpoint(earlier)
        if found is None:  # before there is anything to lose: from now on a batch that is cut off can be resumed
            self.file.commit(begun)
        out = Journal(self.target, keep=True)
        opened.callback(out.close)
        if found is None:
            self.file.commit(begun)  # ours, should two have begun at once: the other does not get the lock
        else:
            begun = self._still(found, out)
        out.cut(begun.output)
        return out, begun

    def _still(self, found: Checkpoint, out: Journal) -> Checkpoint:
        """The checkpoint now; `UsageError` if the batch was finished while its lock was waited for."""
        now = self.file.read()
        if now is None or now.whole or (now.batch, now.base) != (found.batch, found.base):
            out.discard_empty()
            raise just_finished(self.target)
        return now

    def _open_letters(self, begun: Checkpoint, opened: ExitStack) -> Journal:
        letters = Journal(self.letters, keep=False, private=True)
        opened.callback(letters.close)
        letters.cut(begun.letters)
        return letters

    # ------------------------------------------------------------ the pass

    def _go(self, going: Pass, earlier: EarlierOutput | None, programs: ProgramSource) -> None:
        done = going.lines
        wanted = [*self.columns.inputs.values(), *self.columns.keep]
        try:
            records = self.source.read(going.at.read, wanted)
            lines = iter(()) if earlier is None else self._lines(earlier, programs, done)
            feed = Feed(self.source, records, lines, done)
            going.run(feed, self.crew().pieces(feed, going.at.batch, part_of(self.letters)))
        except CompiledAIError:
            if going.lines == 0 and not self._has_runs(going.at.batch):
                going.out.discard()
                going.letters.discard()
                self.file.delete()
            raise

    def crew(self) -> Crew:
        """Who does its records."""
        return Crew(
            program=self.program,
            columns=self.columns,
            store=self.store,
            form=self.form,
            model=self.model,
            limits=self.limits,
            workers=self.workers,
        )

    def _lines(self, earlier: EarlierOutput, programs: ProgramSource, done: int) -> Iterator[dict[str, Any]]:
        others = OtherArtifacts(self.program.digest, self.store, programs, self.model)
        for number, line in enumerate(earlier.lines()):
            if number >= done:
                yield others.settle(line)

    def _has_runs(self, batch: str) -> bool:
        return self.store is not None and self.store.has_any(batch)


def _protection(program: Program) -> Protection:
    from compiled_ai.runtime.store import Protection

    return Protection.from_sinks(program.sinks)


def _workers(workers: int | None) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 0:
        raise UsageError(f"{workers!r} workers make no sense.", remedy="Give 1 or more; 0 runs in this process.")
    return workers


def unfinished(target: Path) -> UsageError:
    """What is said to whoever would begin a batch anew by mistake."""
    return UsageError(
        f"A batch to {str(target)!r} was cut off, and what it did is still there.",
        remedy=f"Go on with --resume; or delete {target.name}.part and {target.name}.checkpoint to begin anew.",
    )


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
