"""Scores an artifact on golden or labelled cases: `score A GOLDEN`.

A golden case is `{"id", "input", "expected", ...}`. A labelled line is any JSON object: `--map input=column` says
where the inputs come from, `labels` which column holds the labels.
A missing label (absent, null or empty) is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from compiled_ai.artifact import SealedArtifact
from compiled_ai.canonical import kind_of, parse_json
from compiled_ai.errors import InputError, NotFound, UsageError, suggest
from compiled_ai.golden_labels import DateOrder, amount_as_written, dates_as_written
from compiled_ai.library.agreement import MetricName
from compiled_ai.library.types import FieldType
from compiled_ai.runtime.loading import as_program
from compiled_ai.runtime.stepper import Done, Program
from compiled_ai.runtime.supplied import Supplied, decide
from compiled_ai.spec.model import Metric
from compiled_ai.validation.metrics import Score, score_cases

_METRIC_OF_KIND: Mapping[str, MetricName] = {"text": "text", "string": "text", "date": "date", "money": "money"}


@dataclass(frozen=True)
class Scored:
    score: Score
    failed: int
    """Cases without a decision; each counts as wrong in all its fields."""

    def to_json(self) -> dict[str, Any]:
        return {**self.score.as_json(), "failed": self.failed}


def score_file(
    loaded: SealedArtifact,
    golden: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    labels: str = "expected",
    date_order: str = "mdy",
) -> Scored:
    """Runs every case of a JSONL file and scores it.

    Args:
        loaded: the artifact.
        golden: golden or labelled cases, one JSON object a line.
        mapping: input field to column, and `expected.FIELD` to column, for files of another shape.
        labels: column that holds the labels.
        date_order: order of numeric dates in labels that are not ISO 8601.

    Raises:
        InputError: a line is no JSON object (file and line are named).
        UsageError: a mapped field or column does not exist.
    """
    if date_order not in ("mdy", "dmy", "ymd"):
        raise UsageError(f"--date-order is {date_order!r}.", remedy="Use mdy, dmy or ymd.")
    program = as_program(loaded)
    columns = _checked_mapping(program, mapping or {})
    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = []
    for place, case in _cases(golden):
        expected = _expected(program, case, columns, labels, cast(DateOrder, date_order), place)
        pairs.append((expected, _actual(program, case, columns, place)))
    if not pairs:
        raise InputError(f"{golden.name!r} holds no case.", remedy="Give one JSON object a line.")
    score = score_cases(pairs, _metrics(loaded, program), null_is_label=False)
    return Scored(score, sum(actual is None for _, actual in pairs))


def _cases(golden: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not golden.is_file():
        raise NotFound(f"There is no file {str(golden)!r}.", remedy="Name a JSONL file.")
    with golden.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            place = f"{golden.name}:{number}"
            try:
                case = parse_json(line)
            except (InputError, UnicodeDecodeError) as fault:
                raise InputError(f"{place}: {fault}", remedy="Give one JSON object a line.") from fault
            if not isinstance(case, dict):
                raise InputError(f"{place}: a case is a JSON object, not {kind_of(case)}.")
            yield place, case


def _checked_mapping(program: Program, mapping: Mapping[str, str]) -> dict[str, str]:
    inputs = {field.name for field in program.input_type.fields}
    outputs = {f"expected.{field.name}" for field in program.output_type.fields}
    for field in mapping:
        if field not in inputs | outputs:
            raise UsageError(f"--map names {field!r}, which is no field.{suggest(field, inputs | outputs)}")
    return dict(mapping)


def _column(case: Mapping[str, Any], column: str, place: str) -> Any:
    if column not in case:
        raise InputError(f"{place}: there is no column {column!r}.{suggest(column, case)}")
    return case[column]


def _actual(
    program: Program, case: Mapping[str, Any], columns: Mapping[str, str], place: str
) -> Mapping[str, Any] | None:
    inputs = {field: column for field, column in columns.items() if not field.startswith("expected.")}
    if inputs:
        given = {field: _column(case, column, place) for field, column in inputs.items()}
    elif isinstance(case.get("input"), dict):
        given = case["input"]
    else:
        names = [field.name for field in program.input_type.fields]
        raise InputError(
            f"{place}: the case has no 'input'.", remedy=f"Say where it comes from: --map {names[0]}=COLUMN."
        )
    supplied = Supplied(_by_step(case, "effects", place), _by_step(case, "reviews", place))
    try:
        end = decide(program, given, supplied)
    except InputError as fault:
        raise InputError(f"{place}: {fault}", details=fault.details) from fault
    return end.output if isinstance(end, Done) else None


def _by_step(case: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    given = case.get(key) or {}
    if not isinstance(given, dict):
        raise InputError(
            f"{place}: {key!r} is {kind_of(given)}.",
            remedy="Write an object from step to result, or leave it out.",
        )
    return given


def _expected(
    program: Program,
    case: Mapping[str, Any],
    columns: Mapping[str, str],
    labels: str,
    order: DateOrder,
    place: str,
) -> dict[str, Any]:
    mapped = {field.removeprefix("expected."): col for field, col in columns.items() if field.startswith("expected.")}
    if mapped:
        told = {field: _column(case, column, place) for field, column in mapped.items()}
    else:
        told = _column(case, labels, place)
    if not isinstance(told, dict):
        raise InputError(f"{place}: {labels!r} is {kind_of(told)}, not an object of labels.")
    kinds = {field.name: field.type for field in program.output_type.fields}
    unknown = [name for name in told if name not in kinds]
    if unknown:
        raise InputError(f"{place}: the label {unknown[0]!r} is no output.{suggest(unknown[0], kinds)}")
    return {name: read_label(value, kinds[name], order) for name, value in told.items() if value not in (None, "")}


def read_label(value: Any, kind: FieldType, order: DateOrder) -> Any:
    """Reads a label as people write it: dates in their order, amounts with a currency (`RM 3.90`, `12.00 EUR`).

    What does not read (`2,795.OO`) stays as it is, and agrees with no answer.
    """
    if kind.kind == "date" and isinstance(value, str):
        found = dates_as_written(value, order)
        return found[0].value.isoformat() if found else value
    if kind.kind == "money" and isinstance(value, str):
        amount = amount_as_written(value)
        return format(amount, "f") if amount is not None else value
    return value


def _metrics(loaded: SealedArtifact, program: Program) -> dict[str, Metric]:
    """Returns the specification's metrics as the artifact keeps them."""
    kept: Mapping[str, Any] = loaded.program.get("accuracy", {})
    metrics = {}
    for field in program.output_type.fields:
        told = kept.get(field.name) or {"metric": _METRIC_OF_KIND.get(field.type.kind, "exact"), "threshold": 0}
        tolerance = told.get("tolerance")
        metrics[field.name] = Metric(
            told["metric"], Decimal(told["threshold"]), None if tolerance is None else Decimal(tolerance)
        )
    return metrics
