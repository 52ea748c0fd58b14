"""One batch and the files beside its output: what is checked before it begins, and what before it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import digest, digest_json
from compiled_ai.errors import CompiledAIError, NotFound, UsageError
from compiled_ai.runtime.batch.checkpoint import Checkpoint, CheckpointFile
from compiled_ai.runtime.batch.earlier import EarlierOutput, OtherArtifacts, look_through
from compiled_ai.runtime.batch.journal import (
    Journal,
    just_finished,
    letters_of,
    part_of,
    publish,
    same_file,
    wait_until_free,
)
from compiled_ai.runtime.batch.running import Crew, Feed, Pass, Progress
from compiled_ai.runtime.batch.sources import Source, changed, open_source
from compiled_ai.runtime.deciding import LetterForm
from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.keys import KeyRing
from compiled_ai.runtime.lines import Columns, check_output, plan_columns
from compiled_ai.runtime.loading import ProgramSource
from compiled_ai.runtime.local import ModelSource
from compiled_ai.runtime.pool import RecordLimits
from compiled_ai.runtime.stepper import Program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import Protection, RunStore


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass over a batch came to."""

    counts: Mapping[str, int]
    """How many lines ended how."""
    before: int
    """Lines of them that were done before."""
    absent: frozenset[str]
    """Columns to be kept, or mapped to an input, that no record of the pass had."""
    was_whole: bool
    """True if it went over a whole output in which no line waited, and the source had no further record."""


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
        check_output(target)
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
    ) -> Passed:
        """Does what there is to do."""
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
            absent = going.unseen or frozenset()
            return Passed(going.counts, sum(begun.counts.values()), absent, _was_whole(earlier, going.counts))

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


def _was_whole(earlier: EarlierOutput | None, counts: Mapping[str, int]) -> bool:
    if earlier is None or earlier.waits_on_record or counts.get("review") or counts.get("waiting"):
        return False
    return earlier.mark.records == sum(counts.values())


def _protection(program: Program) -> Protection:
    from compiled_ai.runtime.store import Protection

    return Protection.from_sinks(program.sinks)


def unfinished(target: Path) -> UsageError:
    """What is said to whoever would begin a batch anew by mistake."""
    return UsageError(
        f"A batch to {str(target)!r} was cut off, and what it did is still there.",
        remedy=f"Go on with --resume; or delete {target.name}.part and {target.name}.checkpoint to begin anew.",
    )
