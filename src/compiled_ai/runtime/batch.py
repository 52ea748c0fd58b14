"""Many records: JSONL or CSV in, JSONL out, one line for each line, in order, and no record can stop the others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import CompiledAIError, InputError, NotFound, UsageError, Waiting
from compiled_ai.records import RunRecord
from compiled_ai.runtime.lines import Columns, LineReader, RawLine, plan_columns
from compiled_ai.runtime.loading import ArtifactLike, ProgramSource, as_program
from compiled_ai.runtime.local import ModelSource, RunResult, hides_errors, open_review, run
from compiled_ai.runtime.local import resume as resume_run
from compiled_ai.runtime.pool import KillablePool, Lost, RecordLimits
from compiled_ai.runtime.stepper import EffectRequest, Program, load_program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import Protection, RunStore

_WAITING = ("review", "waiting")
_SECONDS_BETWEEN_REPORTS = 0.1


Progress = Callable[[int, int | None], None]
"""Hears how many lines are done, of how many; `None` if that is not known before the end."""


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

    @property
    def rate(self) -> float | None:
        """Lines per second; `None` if nothing was measured."""
        return self.lines / self.seconds if self.seconds > 0 and self.lines else None

    @property
    def exit_code(self) -> int:
        """1 if `strict` and a line failed, 3 while any line waits, else 0."""
        return 1 if self.strict and self.failed else 3 if self.waiting else 0

    def to_json(self) -> dict[str, Any]:
        counts = {"lines": self.lines, "completed": self.completed, "failed": self.failed, "waiting": self.waiting}
        rate = None if self.rate is None else round(self.rate, 1)
        return {**counts, "seconds": round(self.seconds, 3), "lines_per_second": rate}

    def text(self) -> str:
        rate = "" if self.rate is None else f", {self.rate:,.0f} lines/s"
        ends = f"{self.completed} completed, {self.failed} failed, {self.waiting} waiting"
        return f"{self.lines} lines: {ends} ({self.seconds:.1f} s{rate})"


@dataclass(frozen=True, slots=True)
class LineDone:
    """One line's run, on its way from a worker to the file and the store."""

    status: str
    line: dict[str, Any]
    record: RunRecord | None = None
    reviews: tuple[EffectRequest, ...] = ()


@dataclass(frozen=True)
class LineJob:
    """What a worker does with a line. It carries the verified text of the artifact, not its folder."""

    digest: str
    files: Mapping[str, str]
    environment: Mapping[str, str]
    columns: Columns
    model: str | None
    recorded: bool

    def open(self) -> Callable[[tuple[int, RawLine]], LineDone]:
        program = load_program(self.files, digest=self.digest)
        program.environment = self.environment
        return _Liner(program, self.columns, self.model, self.recorded).run


@dataclass(frozen=True, slots=True)
class _Liner:
    program: Program
    columns: Columns
    model: ModelSource
    recorded: bool

    def run(self, item: tuple[int, RawLine]) -> LineDone:
        """Runs one line; whatever is wrong with it becomes a line of status `failed` or `waiting`."""
        index, raw = item
        kept: dict[str, Any] = dict.fromkeys(self.columns.keep)
        try:
            values = self.columns.values(raw)
            kept = self.columns.kept(values)
            result = run(self.program, self.columns.input_of(values), model=self.model)
        except Waiting as wait:
            return LineDone("waiting", _line(index, None, "waiting", kept, error=wait.message))
        except InputError as fault:
            shown = "the line is no valid input" if _quotes(fault) and hides_errors(self.program) else str(fault)
            return LineDone("failed", _line(index, None, "failed", kept, error=shown))
        except CompiledAIError as fault:
            if fault.exit_code == 2:
                raise  # a setting, a key: it would be the same for every line
            return LineDone("failed", _line(index, None, "failed", kept, error=str(fault)))
        return self._done(index, result, kept)

    def _done(self, index: int, result: RunResult, kept: dict[str, Any]) -> LineDone:
        status = result.status
        line = _line(index, result.run_id, status, kept, output=result.output, error=result.error)
        return LineDone(status, line, result.record() if self.recorded else None, result.reviews)


def _quotes(fault: InputError) -> bool:
    """True if the message may quote the line: all but the ones that were made without values."""
    return "values are not shown here" not in fault.message


def _kept(columns: Columns, raw: RawLine) -> dict[str, Any]:
    """The kept columns of a line, null where it cannot be read."""
    if not columns.keep:
        return {}
    try:
        return columns.kept(columns.values(raw))
    except InputError:
        return dict.fromkeys(columns.keep)


def _line(
    index: int,
    run_id: str | None,
    status: str,
    kept: Mapping[str, Any],
    *,
    output: Any = None,
    error: str | None = None,
) -> dict[str, Any]:
    told = {"index": index, "run_id": run_id, "status": status, "output": output}
    return {**told, **({"error": error} if error is not None else {}), **kept}


@dataclass(kw_only=True)
class Batch:
    """One batch; `run_batch` is the function that makes it."""

    program: Program
    source: Path
    target: Path
    columns: Columns
    workers: int
    model: ModelSource
    store: RunStore | None
    strict: bool
    limits: RecordLimits
    report: Progress | None
    counts: dict[str, int] = field(default_factory=lambda: {"completed": 0, "failed": 0, "review": 0, "waiting": 0})

    def __post_init__(self) -> None:
        self.reader = LineReader(self.source)
        self.total = self.reader.count() if self.report else None
        self.started = monotonic()
        self.reported = self.started

    def run(self, earlier: Sequence[dict[str, Any]] = ()) -> BatchResult:
        """Writes all lines under a temporary name, and gives the file its name when it is whole."""
        draft = self.target.with_name(f".{self.target.name}.{os.getpid()}-{secrets.token_hex(3)}.part")
        try:
            with draft.open("w", encoding="utf-8", newline="\n") as out:
                for line in self._all_lines(earlier):
                    out.write(canonical_line(line))
                    self._count(line)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self.target)
        finally:
            draft.unlink(missing_ok=True)
        self._tell()
        return self._result()

    def _all_lines(self, earlier: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The lines in order: those that stand, and those that are run now."""
        stand = [line["status"] != "waiting" or line["run_id"] is not None for line in earlier]
        items = ((index, raw) for index, raw in enumerate(self.reader) if index >= len(stand) or not stand[index])
        group = self.store.group() if self.store is not None else nullcontext()
        with group, closing(self._results(items)) as results:
            for index, line in enumerate(earlier):
                done = None if stand[index] else next(results, None)
                yield line if done is None else self._written(done)
            yield from map(self._written, results)

    def _written(self, done: LineDone | Lost) -> dict[str, Any]:
        """Puts a line's run on record, and gives the line."""
        if isinstance(done, Lost):
            index, raw = done.item
            return _line(index, None, "failed", _kept(self.columns, raw), error=done.error)
        if done.record is not None and self.store is not None:
            self._keep(done.record, done.reviews, self.store)
        return done.line

    def _results(self, items: Iterator[tuple[int, RawLine]]) -> Generator[LineDone | Lost, None, None]:
        if self.workers == 0:
            liner = _Liner(self.program, self.columns, self.model, self.store is not None)
            yield from map(liner.run, items)
            return
        if not (self.model is None or isinstance(self.model, str)):
            raise UsageError("Workers open a model by its name.", remedy="Pass the model's name, or workers=0.")
        job = LineJob(
            self.program.digest,
            self.program.files,
            dict(self.program.environment),
            self.columns,
            self.model,
            self.store is not None,
        )
        with closing(KillablePool(_Careful(job), self.workers, self.limits).map(items)) as results:
            for result in results:
                if isinstance(result, CompiledAIError):
                    raise result
                yield result

    def _keep(self, record: RunRecord, reviews: Iterable[EffectRequest], store: RunStore) -> None:
        if record.status not in _WAITING:
            store.save(record, self._protection())
            return
        store.start(record, self._protection())
        for request in reviews:
            open_review(store, record.run_id, request)

    def _protection(self) -> Protection:
        from compiled_ai.runtime.store import Protection

        return Protection.from_sinks(self.program.sinks)

    def _count(self, line: Mapping[str, Any]) -> None:
        self.counts[line["status"]] += 1
        if self.report and monotonic() - self.reported > _SECONDS_BETWEEN_REPORTS:
            self._tell()

    def _tell(self) -> None:
        self.reported = monotonic()
        if self.report:
            done = sum(self.counts.values())
            self.report(done, None if self.total is None else max(done, self.total))

    def _result(self) -> BatchResult:
        counts = self.counts
        waiting = counts["review"] + counts["waiting"]
        seconds = monotonic() - self.started
        return BatchResult(
            sum(counts.values()), counts["completed"], counts["failed"], waiting, seconds, strict=self.strict
        )


def canonical_line(line: Mapping[str, Any]) -> str:
    """One output line: compact JSON with plain decimals; the four columns first, then what was kept."""
    return "{" + ",".join(f"{canonical_json(name)}:{canonical_json(value)}" for name, value in line.items()) + "}\n"


@dataclass(frozen=True)
class _Careful:
    """A job whose fatal errors travel to the parent instead of ending the worker."""

    job: LineJob

    def open(self) -> Callable[[tuple[int, RawLine]], LineDone | CompiledAIError]:
        try:
            act = self.job.open()
        except CompiledAIError as fault:
            refused = fault
            return lambda _: refused

        def attempt(item: tuple[int, RawLine]) -> LineDone | CompiledAIError:
            try:
                return act(item)
            except CompiledAIError as fault:
                return fault

        return attempt


def run_batch(
    artifact: Program | ArtifactLike,
    source: Path,
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
    limits: RecordLimits | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Runs every line of a file.

    A line that is no valid input, never ends, or eats too much memory has `status` `failed` and an `error`; the
    others go on. The output appears under its name only when it is whole.

    Args:
        artifact: A verified artifact, or its program.
        source: JSONL, or CSV if it ends in `.csv` (first row: columns; cells are read by type, empty is null).
        target: JSONL: `{"index", "run_id", "status", "output", ...kept columns}`, and `error` where there is one.
        mapping: Input field to column, where they are not called the same.
        keep: Columns that the output repeats.
        workers: Processes; by default one per processor, 0 runs in this process (then nothing can be killed).
        model: Who serves bounded calls; a name, if there are workers.
        store: Where runs are recorded, in groups.
        programs: Gives the program of a digest: waiting lines are filled in on the artifact that they began on.
        resume: Keep the lines of an existing output, fill in those that were decided since, and run the lines
            that the input has beyond them.
        strict: Let `exit_code` be 1 if any line failed.
        limits: What one record may use.
        progress: Called ten times a second at most.

    Raises:
        UsageError: A column or an input is not there. Nothing has run.
    """
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{str(source)!r} is input and output at once.", remedy="Name another file for the output.")
    program = artifact if isinstance(artifact, Program) else as_program(artifact)
    header = LineReader(source).header()
    batch = Batch(
        program=program,
        source=source,
        target=target,
        columns=plan_columns(program.input_type, header, mapping or {}, keep),
        workers=_workers(workers),
        model=model,
        store=store,
        strict=strict,
        limits=limits or RecordLimits(),
        report=progress,
    )
    if store is not None:
        store.require(batch._protection())
    return batch.run(_filled_in(batch, programs or _only(program)) if resume else ())


def _workers(workers: int | None) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 0:
        raise UsageError(f"{workers!r} workers make no sense.", remedy="Give 1 or more; 0 runs in this process.")
    return workers


def _filled_in(batch: Batch, programs: ProgramSource) -> list[dict[str, Any]]:
    """The lines of the existing output, with those that waited brought up to date from the store."""
    if batch.store is None:
        raise UsageError("Waiting lines are filled in from the run store.", remedy="Leave out --no-store.")
    if not batch.target.is_file():
        raise NotFound(f"There is no {str(batch.target)!r} to go on with.", remedy="Leave out --resume.")
    lines = []
    with batch.target.open(encoding="utf-8") as stream:
        for number, text in enumerate(stream):
            line = parse_json(text)
            if not isinstance(line, dict) or line.get("index") != number or line.get("status") not in batch.counts:
                raise UsageError(f"Line {number + 1} of {batch.target.name!r} is not of a batch.")
            lines.append(_fill_in(line, batch, batch.store, programs) if line["status"] in _WAITING else line)
    return lines


def _fill_in(line: dict[str, Any], batch: Batch, store: RunStore, programs: ProgramSource) -> dict[str, Any]:
    kept = {name: value for name, value in line.items() if name not in ("index", "run_id", "status", "output", "error")}
    if line["run_id"] is None:  # it waited for a model's reply before it was on record: it is run again
        return line
    result = resume_run(line["run_id"], store=store, programs=programs, model=batch.model)
    return _line(line["index"], result.run_id, result.status, kept, output=result.output, error=result.error)


def _only(program: Program) -> Callable[[str], Program]:
    def find(digest: str) -> Program:
        if digest != program.digest:
            raise UsageError(
                f"The waiting runs began on artifact {digest[:12]!r}, not on {program.digest[:12]!r}.",
                remedy="Resume with the artifact that the batch began with.",
            )
        return program

    return find


__all__ = ["Batch", "BatchResult", "Progress", "RecordLimits", "canonical_line", "run_batch"]
