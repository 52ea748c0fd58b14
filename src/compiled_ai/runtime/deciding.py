"""What a worker does with the records of a batch or a stream: each becomes a run and one line of output.

Runs are named before they are made: `NAMING` and the index of the record. A record that comes again after a crash
therefore comes to the same run, and if that run is on record it is not made anew: what the store says is what stands.
Runs without outside effects are stored in groups, before their lines are handed over; a run with effects is on record
before the first of them starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import Canonical, canonical_json
from compiled_ai.errors import CompiledAIError, InputError, StoreFailed, UsageError, Waiting
from compiled_ai.records import Effect, RunStatus
from compiled_ai.runtime.letters import LetterForm
from compiled_ai.runtime.lines import Columns, RawLine
from compiled_ai.runtime.local import (
    Answers,
    ModelSource,
    RunResult,
    as_effect,
    go_on,
    hides_errors,
    quiet,
    reference_of,
    resume,
    utc_text,
)
from compiled_ai.runtime.stepper import Done, Outcome, Pending, Program, Stepping, load_program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import Protection, RunStore, StoreAddress

OWN_READINGS = frozenset({"today", "clock", "id"})
"""Effects that this process answers by itself; they need not be on record before they start."""
Naming = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Handed:
    """What a worker hands over: bytes for the output, bytes for the dead letters, and how many ended how."""

    lines: bytes
    letters: bytes
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """A record that has a line of an earlier output: it stands, or is brought up to date if it waits."""

    line: dict[str, Any]
    raw: RawLine | None
    """The record; `None` if the input has it no more."""


@dataclass(frozen=True, slots=True)
class Named:
    """A record with the id of its run, where ids do not follow from the index."""

    run_id: str
    raw: RawLine


Item = RawLine | Standing | Named


@dataclass(frozen=True)
class DecideJob:
    """What workers do. It carries the verified text of the artifact, not its folder."""

    digest: str
    files: Mapping[str, str]
    environment: Mapping[str, str]
    columns: Columns
    naming: str
    """Ids of runs are this and the index, unless items are `Named`."""
    model: str | None = None
    store: StoreAddress | None = None
    letters: LetterForm = LetterForm()
    held: Path | None = None
    """A file that a worker keeps locked while it lives."""

    def open(self) -> Bench:
        from compiled_ai.runtime.batch.journal import hold

        if self.held is not None:
            hold(self.held)
        program = load_program(self.files, digest=self.digest)
        program.environment = self.environment
        store = self.store.open() if self.store is not None else None
        return Bench(program, self.columns, self.naming, self.model, store, self.letters, owns_store=True)


@dataclass(frozen=True)
class HereJob:
    """The same in this process, with what is open here."""

    program: Program
    columns: Columns
    naming: str
    model: ModelSource
    store: RunStore | None
    letters: LetterForm

    def open(self) -> Bench:
        return Bench(self.program, self.columns, self.naming, self.model, self.store, self.letters, owns_store=False)


@dataclass(slots=True)
class StoredRun:
    """A run on its way to the store (`store.RunLike`), cheaper to make than a `RunRecord`."""

    run_id: str
    artifact: str
    workflow: str
    input: Any
    effects: Sequence[Effect]
    status: RunStatus
    output: Any
    error: str | None
    started_at: str
    finished_at: str | None
    environment: Mapping[str, str]
    reference: Mapping[str, str]


@dataclass(slots=True)
class _Line:
    status: str
    text: str
    letter: bytes = b""


@dataclass(slots=True)
class Bench:
    """The program, and what was made since the last handing over."""

    program: Program
    columns: Columns
    naming: str
    model: ModelSource
    store: RunStore | None
    letters: LetterForm
    owns_store: bool
    _protection: Protection = field(init=False)
    _lines: dict[int, _Line] = field(default_factory=dict)
    _runs: dict[int, StoredRun] = field(default_factory=dict)
    _items: dict[int, RawLine | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.store is not None:
            from compiled_ai.runtime.store import Protection

            self._protection = Protection.from_sinks(self.program.sinks)

    # ------------------------------------------------------------ what the pool calls

    def take(self, index: int, item: Item) -> None:
        """Whatever is wrong with a record becomes its line; what would be wrong with every record is raised."""
        if type(item) is Standing:
            self._lines[index] = self._again(index, item)
            return
        if type(item) is Named:
            self._decide(index, item.run_id, item.raw)
        else:
            self._decide(index, f"{self.naming}{index:08x}", item)  # type: ignore[arg-type]

    def lost(self, index: int, item: Item, why: str) -> None:
        self._runs.pop(index, None)
        raw = item.raw if isinstance(item, (Standing, Named)) else item
        kept_text = self._kept(self._keeping(raw))
        self._lines[index] = self._failed(index, None, why, raw, kept_text)

    def hand_over(self) -> Handed:
        if self._runs and self.store is not None:
            present = self.store.save_new(list(self._runs.values()), self._protection)
            for index, run in self._runs.items():
                if run.run_id in present:
                    self._lines[index] = self._on_record(index, run.run_id, self._items[index], run.input)
        lines = self._lines.values()
        counts: dict[str, int] = {}
        for line in lines:
            counts[line.status] = counts.get(line.status, 0) + 1
        text = "".join([line.text for line in lines]).encode("utf-8", "surrogatepass")
        handed = Handed(text, b"".join([line.letter for line in lines if line.letter]), counts)
        self._lines, self._runs, self._items = {}, {}, {}
        return handed

    def close(self) -> None:
        if self.owns_store and self.store is not None:
            self.store.close()

    # ------------------------------------------------------------ one record

    def _decide(self, index: int, run_id: str, raw: RawLine) -> None:
        started, columns, kept_text = time_ns(), self.columns, ""
        try:
            values = columns.values(raw)
            if columns.keep:
                kept_text = self._kept(columns.kept(values))
            stepping = Stepping(self.program, columns.input_of(values))
        except InputError as fault:
            kept_text = kept_text or self._kept(dict.fromkeys(columns.keep))
            self._lines[index] = self._failed(index, None, self._told(fault), raw, kept_text)
            return
        outcome = stepping.advance()
        if type(outcome) is Pending:
            outcome = self._read(stepping, outcome)
        if type(outcome) is Pending:
            self._lines[index] = self._effects(index, run_id, raw, kept_text, stepping, outcome, started)
            return
        if type(outcome) is Done:
            output = canonical_json(outcome.output)
            line = _Line("completed", _text(index, run_id, "completed", output, None, kept_text))
        else:
            output, error = None, RunResult(stepping, outcome, started, run_id).error or ""
            line = self._failed(index, run_id, error, raw, kept_text)
        if self.store is not None:
            self._items[index] = raw
            self._runs[index] = self._stored(run_id, stepping, outcome, started, output)
        self._lines[index] = line

    def _read(self, stepping: Stepping, outcome: Outcome) -> Outcome:
        """Answers what needs nobody else."""
        answers = Answers()
        while isinstance(outcome, Pending) and all(request.kind in OWN_READINGS for request in outcome.requests):
            for request in outcome.requests:
                stepping.record(answers.answer(request, self.program))
            outcome = stepping.advance()
        return outcome

    def _stored(
        self, run_id: str, stepping: Stepping, outcome: Outcome, started: int, output: str | None
    ) -> StoredRun:
        program = self.program
        given = program.encode_input(stepping.input)
        failed = output is None
        return StoredRun(
            run_id,
            program.digest,
            program.workflow,
            given,
            tuple(map(as_effect, stepping.effects)) if stepping.recorded else (),
            "failed" if failed else "completed",
            None if output is None else Canonical(output),
            RunResult(stepping, outcome, started, run_id).error if failed else None,
            utc_text(started),
            utc_text(time_ns()),
            program.environment,
            reference_of(program, given) if program.reference else {},
        )

    # ------------------------------------------------------------ effects, and runs that are on record

    def _effects(
        self, index: int, run_id: str, raw: RawLine, kept_text: str, stepping: Stepping, outcome: Pending, started: int
    ) -> _Line:
        """A run that asks something of the outside."""
        store, program, on_record = self.store, self.program, False
        try:
            if store is not None and run_id in store.stored([run_id]):
                return self._on_record(index, run_id, raw, program.encode_input(stepping.input), kept_text)
            answers = Answers(self.model)
            answers.check(outcome.requests, program)
            if store is not None:
                store.start(RunResult(stepping, Pending(()), started, run_id).record(), self._protection)
                on_record = True
                result = go_on(store, run_id, stepping, outcome, answers, started)
            else:
                result = _without_record(stepping, outcome, answers, started, run_id)
        except Waiting as wait:
            named = run_id if on_record else None
            return _Line("waiting", _text(index, named, "waiting", None, wait.message, kept_text))
        except (StoreFailed, UsageError):
            raise  # a setting, a key, a store: it would be the same for every record
        except CompiledAIError as fault:
            return self._given_up(index, run_id if on_record else None, fault, raw, kept_text)
        return self._line_of(index, result, raw, kept_text)

    def _given_up(
        self, index: int, run_id: str | None, fault: CompiledAIError, raw: RawLine | None, kept_text: str
    ) -> _Line:
        """A run that ends by a fault of what it asked (a model's provider, say)."""
        error = fault.code if hides_errors(self.program) else str(fault)
        if run_id is not None and self.store is not None:
            self.store.finish(run_id, "failed", None, error)
        return self._failed(index, run_id, error, raw, kept_text)

    def _on_record(
        self, index: int, run_id: str, raw: RawLine | None, given: Any, kept_text: str | None = None
    ) -> _Line:
        """The line of a run that was begun before a crash: what is on record stands, what is missing is done."""
        assert self.store is not None
        before = self.store.load(run_id)
        withheld = isinstance(before.input, dict) and "withheld" in before.input
        if before.artifact != self.program.digest or not (
            withheld or canonical_json(before.input) == canonical_json(given)
        ):
            raise UsageError(
                f"Record {index} comes to run {run_id!r}, which is on record with another input or artifact.",
                remedy="Restore the input, or begin anew without --resume.",
            )
        text = self._kept(self._keeping(raw)) if kept_text is None else kept_text
        return self._resumed(index, run_id, raw, text)

    def _resumed(self, index: int, run_id: str, raw: RawLine | None, kept_text: str) -> _Line:
        assert self.store is not None
        try:
            result = resume(run_id, store=self.store, programs=lambda _: self.program, model=self.model)
        except Waiting as wait:
            return _Line("waiting", _text(index, run_id, "waiting", None, wait.message, kept_text))
        except (StoreFailed, UsageError):
            raise
        except CompiledAIError as fault:
            return self._given_up(index, run_id, fault, raw, kept_text)
        return self._line_of(index, result, raw, kept_text)

    def _again(self, index: int, standing: Standing) -> _Line:
        """A line of an earlier output."""
        line, raw = standing.line, standing.raw
        status, run_id, error = line["status"], line["run_id"], line.get("error")
        known = ("index", "run_id", "status", "output", "error")
        kept_text = self._kept({name: value for name, value in line.items() if name not in known})
        if status in ("review", "waiting") and run_id is not None and self.store is not None:
            return self._resumed(index, run_id, raw, kept_text)
        output = None if line["output"] is None else canonical_json(line["output"])
        text = _text(index, run_id, status, output, error, kept_text)
        if status != "failed":
            return _Line(status, text)
        return _Line(status, text, self.letters.write(index, run_id, error or "", raw, self.columns))

    def _line_of(self, index: int, result: RunResult, raw: RawLine | None, kept_text: str) -> _Line:
        if result.status == "failed":
            return self._failed(index, result.run_id, result.error or "", raw, kept_text)
        output = None if result.output is None else canonical_json(result.output)
        return _Line(result.status, _text(index, result.run_id, result.status, output, None, kept_text))

    # ------------------------------------------------------------ what is written

    def _failed(self, index: int, run_id: str | None, error: str, raw: RawLine | None, kept_text: str) -> _Line:
        letter = self.letters.write(index, run_id, error, raw, self.columns)
        return _Line("failed", _text(index, run_id, "failed", None, error, kept_text), letter)

    def _told(self, fault: InputError) -> str:
        """Why a record is no input, without its values where a pack protects error texts."""
        if not hides_errors(self.program):
            return str(fault)
        return str(quiet(fault, self.program)) if fault.details else "the line is no valid input"

    def _keeping(self, raw: RawLine | None) -> dict[str, Any]:
        """The kept columns of a record, null where it cannot be read."""
        keep = self.columns.keep
        if keep and raw is not None:
            try:
                return self.columns.kept(self.columns.values(raw))
            except InputError:
                pass
        return dict.fromkeys(keep)

    def _kept(self, values: Mapping[str, Any]) -> str:
        return "".join([f",{canonical_json(name)}:{canonical_json(value)}" for name, value in values.items()])


def _text(index: int, run_id: str | None, status: str, output: str | None, error: str | None, kept_text: str) -> str:
    """One output line: compact JSON with plain decimals; the four columns first, then what was kept."""
    named = "null" if run_id is None else f'"{run_id}"'
    told = "" if error is None else f',"error":{canonical_json(error)}'
    return f'{{"index":{index},"run_id":{named},"status":"{status}","output":{output or "null"}{told}{kept_text}}}\n'


def _without_record(
    stepping: Stepping, outcome: Outcome, answers: Answers, started: int, run_id: str
) -> RunResult:
    from compiled_ai.runtime.local import answer_all

    return RunResult(stepping, answer_all(stepping, outcome, answers), started, run_id)


__all__ = ["Bench", "DecideJob", "Handed", "HereJob", "Item", "LetterForm", "Named", "Standing", "StoredRun"]
