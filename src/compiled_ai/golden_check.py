"""What looks wrong in golden cases: `golden check`. A person reads this; no model ever sees it.

| rule | says |
|---|---|
| `golden.type` | a case does not fit its specification (or, without one, its neighbours) |
| `golden.duplicate` | the same input is there twice, with the same labels |
| `golden.contradiction` | the same input is there twice, with different labels |
| `golden.absent` | a label does not occur in its document |
| `golden.disagreement` | independent candidates agree with each other against the label |

The first is an error; the others are suspicions, and a suspected label may be right.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from compiled_ai.artifact import SealedArtifact
from compiled_ai.canonical import canonical_json, digest_json, parse_json
from compiled_ai.errors import InputError, NotFound, SpecError, UsageError, counted
from compiled_ai.golden_labels import ORDERS
from compiled_ai.library.agreement import MetricName, agreement, normalised
from compiled_ai.library.types import FieldType
from compiled_ai.records import Finding
from compiled_ai.runtime.loading import as_program
from compiled_ai.runtime.stepper import Done, Program
from compiled_ai.runtime.supplied import Supplied, decide
from compiled_ai.scoring import read_label
from compiled_ai.spec.cases import CaseReader
from compiled_ai.spec.findings import Findings
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import GoldenCase, Metric, WorkflowSpec
from compiled_ai.validation.metrics import score_field

_SPECIFICATION = frozenset({".yaml", ".yml"})
_OPEN = frozenset({"text", "string", "integer", "decimal", "float", "money", "date"})
_SHEET = frozenset({".csv", ".xlsx"})
_BY_VALUE: Mapping[str, MetricName] = {
    "money": "money",
    "decimal": "number",
    "float": "number",
    "integer": "number",
    "date": "date",
}
_MOSTLY = 0.5
"""A field most of whose labels do not occur in their documents is worked out, not read: nothing is said of it."""
_SHOWN = 60
_NUMBERED = 4
"""A label with so many digits in a row is a number with a prefix, which documents write in several ways."""


@dataclass(frozen=True)
class GoldenReport:
    file: str
    cases: int
    candidates: int
    """Independent candidates that were asked."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Some case cannot be used at all."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "cases": self.cases,
            "candidates": self.candidates,
            "findings": [finding.model_dump(mode="json", exclude_none=True) for finding in self.findings],
            "notes": list(self.notes),
        }

    def page(self) -> str:
        """Returns the report as a person reads it."""
        told = [
            f"{finding.file}:{finding.line}: {'error' if finding.severity == 'error' else 'suspected'}: "
            f"{finding.rule.removeprefix('golden.')}: {finding.message}"
            for finding in self.findings
        ]
        errors = sum(finding.severity == "error" for finding in self.findings)
        counts = (counted(self.cases, "case"), counted(errors, "error"), counted(len(told) - errors, "suspicion"))
        end = f"{self.file}: {', '.join(counts)}"
        return "\n".join([*told, *(f"note: {text}" for text in self.notes), end])


@dataclass(frozen=True)
class _Placed:
    """A case and its line."""

    case: GoldenCase
    file: str
    line: int

    def suspect(self, rule: str, message: str) -> Finding:
        return Finding(rule=f"golden.{rule}", message=message, file=self.file, line=self.line, severity="warning")


def check_golden(path: Path, *, artifacts: Sequence[SealedArtifact] = ()) -> GoldenReport:
    """Checks a golden file, or the cases of a specification.

    Args:
        path: JSON lines of `{"id", "input", "expected"}`, or a specification, whose cases are then checked. The types
            of `NAME/golden.jsonl` are those of the specification `NAME.yaml` beside the folder, if it is there.
        artifacts: candidates; what two independent ones agree on is held against the labels.

    Raises:
        SpecError: the specification itself is wrong.
        NotFound: there is no such file.
        UsageError: it is a sheet of labels, which is not golden cases yet.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", remedy="Name a golden file (JSONL) or a specification.")
    if path.suffix.lower() in _SHEET:
        raise UsageError(
            f"{str(path)!r} is a sheet, and golden cases are JSON lines {{id, input, expected}}.",
            remedy=f"Make cases of it: compiled-ai golden import DIR --labels {path.name} --key COLUMN.",
        )
    named = path.suffix in _SPECIFICATION
    spec, errors = _specification(path if named else _beside(path), required=named)
    placed = _of_spec(spec) if named and spec else [] if named else _lines(path, errors)
    if spec is not None and not named:
        errors = _fit(spec, path)
    count = len(placed)
    wrong = [*errors, *([] if spec or errors else _odd_types(placed))]
    placed = [each for each in placed if not any(finding.line == each.line for finding in wrong)]
    findings = [*wrong, *_twice(placed)]
    missing, notes = _absent(placed, spec)
    programs, dropped = _independent(artifacts)
    against = _disagreements(placed, programs, spec) if len(programs) > 1 else []
    return GoldenReport(str(path), count, len(programs), (*findings, *missing, *against), (*notes, *dropped))


# ---------------------------------------------------------------- reading


def _beside(golden: Path) -> Path:
    """`NAME.yaml` beside the folder `NAME` of a golden file; it need not be there."""
    folder = golden.parent if golden.parent.name else golden.absolute().parent
    return folder.with_name(f"{folder.name}.yaml") if folder.name else folder


def _specification(path: Path, *, required: bool) -> tuple[WorkflowSpec | None, list[Finding]]:
    """Returns the specification, or what is wrong with its cases if nothing else is wrong with it."""
    if not required and not path.is_file():
        return None, []
    try:
        return load_spec(path), []
    except SpecError as fault:
        found = [Finding.model_validate(each) for each in fault.details or ()]
        if not found or any(each.rule != "spec.case" for each in found):
            raise
        return None, [_mistyped(each) for each in found]


def _mistyped(found: Finding) -> Finding:
    return found.model_copy(update={"rule": "golden.type", "severity": "error"})


def _fit(spec: WorkflowSpec, path: Path) -> list[Finding]:
    findings = Findings()
    CaseReader(spec.inputs, spec.outputs, spec.steps, findings).from_file(path, str(path))
    try:
        findings.raise_any()
    except SpecError as fault:
        return [_mistyped(Finding.model_validate(each)) for each in fault.details or ()]
    return []


def _of_spec(spec: WorkflowSpec) -> list[_Placed]:
    """The cases of a specification; those that stand in a file of their own have its lines."""
    beside = Path(spec.file).with_suffix("") / "golden.jsonl"
    lines = {each.case.id: each for each in _lines(beside, [])} if beside.is_file() else {}
    return [lines.get(case.id) or _Placed(case, spec.file, 1) for case in (*spec.examples, *spec.golden)]


def _lines(path: Path, errors: list[Finding]) -> list[_Placed]:
    placed: list[_Placed] = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        problem, value = _parsed(line)
        if problem:
            errors.append(Finding(rule="golden.type", message=problem, file=str(path), line=number))
            continue
        name = str(value.get("id") or f"line {number}")
        effects, reviews = value.get("effects") or {}, value.get("reviews") or {}
        case = GoldenCase(name, value["input"], value["expected"], value.get("group"), effects, reviews)
        placed.append(_Placed(case, str(path), number))
    return placed


def _parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    """Returns what is wrong with a line, and its value."""
    try:
        value = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "The line is not UTF-8. Save the file as UTF-8.", {}
    except InputError as fault:
        return f"{fault} Write one case {{id, input, expected}} on each line.", {}
    if not isinstance(value, dict) or not all(isinstance(value.get(key), dict) for key in ("input", "expected")):
        return "A case is an object {id, input, expected}.", {}
    return "", value


# ---------------------------------------------------------------- the cases among themselves


def _odd_types(placed: Sequence[_Placed]) -> Iterator[Finding]:
    """Without a specification: a label whose JSON type is not that of most others of its field."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for each in placed:
        kinds.update({name: kinds[name] + Counter([_kind(value)]) for name, value in each.case.expected.items()})
    for each in placed:
        for name, value in each.case.expected.items():
            usual, times = max(kinds[name].items(), key=lambda item: (item[0] != "null", item[1]))
            if _kind(value) not in ("null", usual) and times > sum(kinds[name].values()) / 2:
                message = f"Label {name!r} of {each.case.id!r} is {_kind(value)}, elsewhere it is {usual}."
                yield Finding(rule="golden.type", message=message, file=each.file, line=each.line)


def _kind(value: Any) -> str:
    names = {bool: "true or false", str: "text", dict: "object", list: "list", type(None): "null"}
    return names.get(type(value), "number")


def _twice(placed: Sequence[_Placed]) -> Iterator[Finding]:
    first: dict[str, _Placed] = {}
    for each in placed:
        key = digest_json([_plain(each.case.input), dict(each.case.effects), dict(each.case.reviews)])
        other = first.setdefault(key, each)
        if other is each:
            continue
        different = sorted(
            name
            for name in {*each.case.expected, *other.case.expected}
            if canonical_json(each.case.expected.get(name)) != canonical_json(other.case.expected.get(name))
        )
        same = f"{each.case.id!r} has the input of {other.case.id!r} (line {other.line})"
        if different:
            yield each.suspect("contradiction", f"{same} and other labels: {', '.join(different)}.")
        else:
            yield each.suspect("duplicate", f"{same} and the same labels.")


def _plain(value: Any) -> Any:
    """A value in which texts that differ in spaces and case alone are the same."""
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


# ---------------------------------------------------------------- labels and documents


def _absent(placed: Sequence[_Placed], spec: WorkflowSpec | None) -> tuple[list[Finding], list[str]]:
    kinds = {output.field.name: output.field.type for output in spec.outputs} if spec else {}
    missing: dict[str, list[Finding]] = defaultdict(list)
    labels: Counter[str] = Counter()
    for each in placed:
        document = _Document(" \n ".join(_texts(each.case.input)))
        for name, value in each.case.expected.items():
            kind = kinds.get(name)
            if document.text.strip() and _is_read(kind, value):
                labels[name] += 1
                if not document.holds(kind, value):
                    shown = _brief(value)
                    message = f"Label {name!r} of {each.case.id!r} is {shown}, which its document does not hold."
                    missing[name].append(each.suspect("absent", message))
    worked_out = [name for name, found in missing.items() if len(found) > labels[name] * _MOSTLY]
    notes = [
        f"most labels of {name!r} do not occur in their documents: it is worked out, and was not judged by that"
        for name in sorted(worked_out)
    ]
    return [finding for name, found in missing.items() if name not in worked_out for finding in found], notes


def _is_read(kind: FieldType | None, value: Any) -> bool:
    """Tells whether a label is of the sort that is read from a document: open texts, numbers, dates."""
    if value is None or isinstance(value, bool) or value == "":
        return False
    if kind is not None and (kind.kind not in _OPEN or getattr(kind, "enum", None)):
        return False
    return isinstance(value, (str, int, Decimal))


class _Document:
    def __init__(self, text: str) -> None:
        self.text = text
        self._letters = normalised(text)
        self._numbers: frozenset[Decimal] | None = None
        self._days: frozenset[date] | None = None

    def holds(self, kind: FieldType | None, value: Any) -> bool:
        number, day = _number(value), _day(value)
        if normalised(str(value)) and normalised(str(value)) in self._letters:
            return True
        if day is not None and (kind is None or kind.kind == "date"):
            return day in self._all_days()
        if number is not None and (kind is None or kind.kind not in ("text", "string")):
            return abs(number) in self._all_numbers()
        digits = max(re.findall(r"\d+", str(value)), key=len, default="")
        if len(digits) >= _NUMBERED and digits in self._letters:
            return True
        words = [normalised(word) for word in str(value).split()]
        return isinstance(value, str) and bool(words) and all(word in self._letters for word in words)

    def _all_numbers(self) -> frozenset[Decimal]:
        if self._numbers is None:
            found = re.findall(r"\d[\d.,' ]*", self.text)
            self._numbers = frozenset(value for text in found for value in _readings(text))
        return self._numbers

    def _all_days(self) -> frozenset[date]:
        from compiled_ai.library.dates import find_dates

        if self._days is None:
            orders = ("mdy", "dmy", "ymd")
            self._days = frozenset(one.value for order in orders for one in find_dates(self.text, order=order))  # type: ignore[arg-type]
        return self._days


def _readings(text: str) -> Iterator[Decimal]:
    """`1.234,50` may be written with a point or a comma before its cents; pieces between spaces count too."""
    for piece in {text, *text.split()}:
        bare = re.sub(r"[' ]", "", piece).strip(".,")
        for mark in ".,":
            other = "," if mark == "." else "."
            value = _number(bare.replace(other, "").replace(mark, "."))
            if value is not None:
                yield value


def _number(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    parts: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _texts(part)


def _brief(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


# ---------------------------------------------------------------- labels and candidates


def _independent(artifacts: Sequence[SealedArtifact]) -> tuple[list[Program], list[str]]:
    """Drops candidates whose program is that of another: they would agree with themselves."""
    programs: dict[str, Program] = {}
    notes: list[str] = []
    for artifact in artifacts:
        source = digest_json((artifact.identity / "workflow.py").read_text("utf-8"))
        if source in programs:
            notes.append(f"{artifact.digest[:12]} has the same program as another candidate and was not asked")
        programs.setdefault(source, as_program(artifact))
    if len(programs) == 1:
        notes.append("one candidate alone cannot agree with another: no label was held against it")
    return list(programs.values()), notes


def _disagreements(
    placed: Sequence[_Placed], programs: Sequence[Program], spec: WorkflowSpec | None
) -> Iterator[Finding]:
    kinds = {field.name: field.type for program in programs for field in program.output_type.fields}
    for each in placed:
        answers = [_answer(program, each.case) for program in programs]
        for name, label in each.case.expected.items():
            given = [answer[name] for answer in answers if answer is not None and name in answer]
            metric = spec.accuracy.fields.get(name) if spec else None
            if _agree_against(label, given, metric, kinds.get(name)):
                message = (
                    f"Label {name!r} of {each.case.id!r} is {_brief(label)}; "
                    f"{len(given)} independent candidates say {_brief(given[0])}."
                )
                yield each.suspect("disagreement", message)


def _answer(program: Program, case: GoldenCase) -> Mapping[str, Any] | None:
    try:
        end = decide(program, dict(case.input), Supplied(case.effects, case.reviews, approve=True))
    except UsageError:
        return None
    return end.output if isinstance(end, Done) else None


def _agree_against(label: Any, given: Sequence[Any], metric: Metric | None, kind: FieldType | None) -> bool:
    """All candidates that decide, and at least two, give one answer, and it is not the label.

    Finding nothing together is no agreement: it is easily the same failure twice.
    """
    if len(given) < 2 or given[0] is None:
        return False
    same = all(_right(metric, kind, given[0], other) for other in given[1:])
    return same and not _right(metric, kind, label, given[0])


def _right(metric: Metric | None, kind: FieldType | None, expected: Any, actual: Any) -> bool:
    """Compares by the metric that is declared, else by the type: amounts by value, dates in whatever order they are."""
    by_value = _BY_VALUE.get(kind.kind) if kind else None
    if metric is None and kind is not None and by_value is not None:
        return any(agreement(by_value, read_label(expected, kind, order), actual) == 1 for order in ORDERS)
    if metric is None and isinstance(expected, str) and isinstance(actual, str):
        return normalised(expected) == normalised(actual)
    return score_field(metric, expected, actual)
