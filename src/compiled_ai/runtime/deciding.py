"""What a worker does with the records of a batch or a stream: each becomes a run and one line of output.

Runs are named before they are made: `NAMING` and the index of the record. A record that comes again after a crash
therefore comes to the same run, and if that run is on record it is not made anew: what the store says is what stands.
Runs without outside effects are stored in groups, before their lines are handed over; a run with effects is on record
before the first of them starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from compiled_ai.canonical import canonical_json, utf8_json
from compiled_ai.errors import CompiledAIError, InputError, StoreFailed, UsageError, Waiting
from compiled_ai.runtime.letters import LetterForm
from compiled_ai.runtime.lines import Columns, RawLine
from compiled_ai.runtime.local import (
    Answers,
    ModelSource,
    RunResult,
    go_on,
    hides_errors,
    quiet,
    reference_of,
    resume,
)
from compiled_ai.runtime.quick_lines import QuickLines
from compiled_ai.runtime.stepper import Outcome, Pending, Program, Stepping, load_program

if TYPE_CHECKING:
    from compiled_ai.runtime.store import CompletedRun, Prepared, Protection, RunForm, RunStore, StoreAddress

OWN_READINGS = frozenset({"today", "clock", "id"})
"""Effects that this process answers by itself; they need not be on record before they start."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What a worker hands over: bytes for the output, bytes for the dead letters, and how many ended how."""

    lines: bytes
    letters: bytes
    counts: dict[str, int]
    unseen: frozenset[str] = frozenset()
    """Columns that somebody named and that no record had, of all that its worker has read so far."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A record that has a line of an earlier output: it stands, or is brought up to date if it waits."""

    line: dict[str, Any]
    raw: RawLine | None
    """The record; `None` if the input has it no more."""


@dataclass(frozen=True, slots=True)
class Named:
    """A record of a stream: its place in the source, and the id of its run that follows from it."""

    position: str
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
    _lines: QuickLines | None = field(init=False)
    _unseen: set[str] = field(init=False)
    """Columns that somebody named and that no record had so far."""
    _protection: Protection = field(init=False)
    _form: RunForm | None = None
    _texts: dict[int, str] = field(default_factory=dict)
    """Index to line, in order."""
    _positions: dict[int, str] = field(default_factory=dict)
    _others: dict[int, _Line] = field(default_factory=dict)
    """Lines among them that are not completed."""
    _plain: dict[int, CompletedRun] = field(default_factory=dict)
    """Runs that are to be stored, ..."""
    _prepared: dict[int, Prepared] = field(default_factory=dict)
    """... those with keys, effects or protection, ..."""
    _raw: dict[int, RawLine] = field(default_factory=dict)
    """... and the records that both are of."""

    def __post_init__(self) -> None:
        self._unseen = set(self.columns.named)
        build, is_quick = self.program.build_input, self.program.decides_alone and self.columns.header is None
        self._lines = QuickLines(self.columns, build) if build is not None and is_quick else None
        if self.store is not None:
            from compiled_ai.runtime.store import Protection

            self._protection = Protection.from_sinks(self.program.sinks)
            program = self.program
            self._form = self.store.form(program.digest, program.workflow, program.environment, self._protection)

    # ------------------------------------------------------------ what the pool calls

    def take(self, index: int, item: Item) -> None:
        """Whatever is wrong with a record becomes its line; what would be wrong with every record is raised."""
        if type(item) is bytes or type(item) is list:
            self._decide(index, f"{self.naming}{index:08x}", item)
        elif type(item) is Standing:
            self._unseen.clear()  # its columns are those of the earlier output
            self._keep(index, self._again(index, item))
        elif type(item) is Named:
            self._positions[index] = item.position
            self._decide(index, item.run_id, item.raw)
        else:
            self._decide(index, "", cast(RawLine, item))  # unreadable: there will be no run

    def lost(self, index: int, item: Item, why: str) -> None:
        self._plain.pop(index, None)
        self._prepared.pop(index, None)
        self._raw.pop(index, None)
        if isinstance(item, Named):
            self._positions[index] = item.position
        raw = item.raw if isinstance(item, (Standing, Named)) else item
        self._keep(index, self._failed(index, None, why, raw, self._kept(self._keeping(raw))))

    def hand_over(self) -> Handed:
        if self._raw and self.store is not None:
            self._save(self.store)
        others = self._others.values()
        counts = {"completed": len(self._texts) - len(others)}
        for line in others:
            counts[line.status] = counts.get(line.status, 0) + 1
        text = utf8_json("".join(self._texts.values()))
        handed = Handed(text, b"".join([line.letter for line in others]), counts, frozenset(self._unseen))
        self._texts, self._others, self._positions = {}, {}, {}
        self._plain, self._prepared, self._raw = {}, {}, {}
        return handed

    def _save(self, store: RunStore) -> None:
        """Stores the runs; for one that is on record already, from before a crash, that record stands."""
        present: set[str] = set()
        if self._plain:
            assert self._form is not None
            present |= store.save_completed(self._form, list(self._plain.values()))
        if self._prepared:
            present |= store.save_prepared(list(self._prepared.values()))
        for index, raw in self._raw.items() if present else ():
            run = self._plain.get(index) or self._prepared[index]
            if run.run_id in present:
                self._keep(index, self._on_record(index, run.run_id, raw))

    def _keep(self, index: int, line: _Line) -> None:
        """Puts a line in its place; it may be the second word on the record."""
        self._texts[index] = line.text
        self._others.pop(index, None)
        if line.status != "completed":
            self._others[index] = line

    def close(self) -> None:
        if self.owns_store and self.store is not None:
            self.store.close()

    # ------------------------------------------------------------ one record

    def _decide(self, index: int, run_id: str, raw: RawLine) -> None:
        started = time_ns()
        if type(raw) is bytes and self._lines is not None and (read := self._lines.read(raw)) is not None:
            given, kept_text = read
            if self._unseen:
                self._unseen -= self._lines.seen
            if (output := self.program.decide_alone(given)) is not None:
                self._completed(index, run_id, raw, given, output, kept_text, started)
                return
        self._decide_usual(index, run_id, raw, started)

    def _decide_usual(self, index: int, run_id: str, raw: RawLine, started: int) -> None:
        """A record of any kind, and with any fault."""
        columns, kept_text = self.columns, ""
        try:
            values = columns.values(raw)
            if self._unseen:
                self._unseen -= values.keys()
            if columns.keep:
                kept_text = self._kept(columns.kept(values))
            stepping = Stepping(self.program, columns.input_of(values))
        except InputError as fault:
            kept_text = kept_text or self._kept(dict.fromkeys(columns.keep))
            self._keep(index, self._failed(index, None, self._told(fault), raw, kept_text))
            return
        if (output := self.program.decide_alone(stepping.input)) is not None:
            self._completed(index, run_id, raw, stepping.input, output, kept_text, started)
        else:
            self._step(index, run_id, raw, kept_text, stepping, started)

    def _completed(
        self, index: int, run_id: str, raw: RawLine, given: Any, output: str, kept_text: str, started: int
    ) -> None:
        """A run without effects that has its decision."""
        if (form := self._form) is not None:
            program = self.program
            run = form.Run(run_id, program.input_text(given), output, started, time_ns())
            if form.is_plain and not program.reference:
                self._plain[index] = run
            else:
                self._prepared[index] = form.completed(run, reference_of(program, program.encode_input(given)))
            self._raw[index] = raw
        if self._positions:
            self._texts[index] = self._text(index, run_id, "completed", output, None, kept_text)
        else:
            self._texts[index] = (
                f'{{"index":{index},"run_id":"{run_id}","status":"completed","output":{output}{kept_text}}}\n'
            )

    def _step(self, index: int, run_id: str, raw: RawLine, kept_text: str, stepping: Stepping, started: int) -> None:
        """A run that asks for effects, or that fails."""
        outcome = stepping.advance()
        if type(outcome) is Pending:
            outcome = self._read(stepping, outcome)
        if type(outcome) is Pending:
            self._keep(index, self._effects(index, run_id, raw, kept_text, stepping, outcome, started))
            return
        result = RunResult(stepping, outcome, started, run_id)
        if self.store is not None:
            self._prepared[index] = self.store.prepare(result.record(), self._protection)
            self._raw[index] = raw
        self._keep(index, self._line_of(index, result, raw, kept_text))

    def _read(self, stepping: Stepping, outcome: Outcome) -> Outcome:
        """Answers what needs nobody else."""
        answers = Answers()
        while isinstance(outcome, Pending) and all(request.kind in OWN_READINGS for request in outcome.requests):
            for request in outcome.requests:
                stepping.record(answers.answer(request, self.program))
            outcome = stepping.advance()
        return outcome

    # ------------------------------------------------------------ effects, and runs that are on record

    def _effects(
        self, index: int, run_id: str, raw: RawLine, kept_text: str, stepping: Stepping, outcome: Pending, started: int
    ) -> _Line:
        """A run that asks something of the outside."""
        store, program, on_record = self.store, self.program, False
        try:
            if store is not None and run_id in store.stored([run_id]):
                return self._on_record(index, run_id, raw)
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
            return _Line("waiting", self._text(index, named, "waiting", None, wait.message, kept_text))
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

    def _on_record(self, index: int, run_id: str, raw: RawLine) -> _Line:
        """The line of a run that was begun before a crash: what is on record stands, what is missing is done."""
        assert self.store is not None
        before = self.store.load(run_id)
        withheld = isinstance(before.input, dict) and "withheld" in before.input
        stepping = Stepping(self.program, self.columns.input_of(self.columns.values(raw)))
        same = withheld or canonical_json(before.input) == self.program.input_text(stepping.input)
        if before.artifact != self.program.digest or not same:
            raise UsageError(
                f"Record {index} comes to run {run_id!r}, which is on record with another input or artifact.",
                remedy="Restore the input, begin a batch anew without --resume, or give a stream another --name.",
            )
        return self._resumed(index, run_id, raw, self._kept(self._keeping(raw)))

    def _resumed(self, index: int, run_id: str, raw: RawLine | None, kept_text: str) -> _Line:
        assert self.store is not None
        try:
            result = resume(run_id, store=self.store, programs=lambda _: self.program, model=self.model)
        except Waiting as wait:
            return _Line("waiting", self._text(index, run_id, "waiting", None, wait.message, kept_text))
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
        text = self._text(index, run_id, status, output, error, kept_text)
        if status != "failed":
            return _Line(status, text)
        return _Line(status, text, self.letters.write(index, run_id, error or "", raw, self.columns))

    def _line_of(self, index: int, result: RunResult, raw: RawLine | None, kept_text: str) -> _Line:
        if result.status in ("completed", "failed") and result.abstained:
            kept_text = self._kept({"abstained": list(result.abstained)}) + kept_text
        if result.status == "failed":
            return self._failed(index, result.run_id, result.error or "", raw, kept_text)
        output = None if result.output is None else canonical_json(result.output)
        return _Line(result.status, self._text(index, result.run_id, result.status, output, None, kept_text))

    # ------------------------------------------------------------ what is written

    def _failed(self, index: int, run_id: str | None, error: str, raw: RawLine | None, kept_text: str) -> _Line:
        letter = self.letters.write(self._positions.get(index, index), run_id, error, raw, self.columns)
        return _Line("failed", self._text(index, run_id, "failed", None, error, kept_text), letter)

    def _text(
        self, index: int, run_id: str | None, status: str, output: str | None, error: str | None, kept_text: str
    ) -> str:
        """One output line: compact JSON with plain decimals; the four columns first, then what was kept."""
        place = f'"position":{canonical_json(self._positions[index])}' if self._positions else f'"index":{index}'
        named = "null" if run_id is None else f'"{run_id}"'
        told = "" if error is None else f',"error":{canonical_json(error)}'
        return f'{{{place},"run_id":{named},"status":"{status}","output":{output or "null"}{told}{kept_text}}}\n'

    def _told(self, fault: InputError) -> str:
        """Why a record is no input, without its values where a pack protects error texts."""
        if not hides_errors(self.program):
            return str(fault)
        return str(quiet(fault, self.program)) if fault.details else "the line is no valid input"

    def _keeping(self, raw: RawLine | None) -> dict[str, Any]:
        """The kept columns of a record, null where it cannot be read, or not be written."""
        keep = self.columns.keep
        if keep and raw is not None:
            try:
                kept = self.columns.kept(self.columns.values(raw))
                self._kept(kept)
            except InputError:
                pass
            else:
                return kept
        return dict.fromkeys(keep)

    def _kept(self, values: Mapping[str, Any]) -> str:
        return "".join([f",{canonical_json(name)}:{canonical_json(value)}" for name, value in values.items()])


def _without_record(stepping: Stepping, outcome: Outcome, answers: Answers, started: int, run_id: str) -> RunResult:
    from compiled_ai.runtime.local import answer_all

    return RunResult(stepping, answer_all(stepping, outcome, answers), started, run_id)


__all__ = ["Bench", "DecideJob", "Handed", "HereJob", "Item", "LetterForm", "Named", "Standing"]
