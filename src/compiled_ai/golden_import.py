"""A person's labelled documents become golden cases: `golden import DIR --labels SHEET --key COLUMN`.

Each row of the sheet names its file by path, name or stem; the document is read as an artifact will see it, the cells
become the labels of the specification's outputs. All faults are told together, and then nothing is written.
"""

from __future__ import annotations

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import InputError, NotFound, UsageError, counted, suggest
from compiled_ai.golden_labels import (
    Labels,
    Misread,
    Writing,
    cell_finding,
    date_order,
    decimal_mark,
    label_of,
    read_labels,
    texts,
)
from compiled_ai.library.types import FieldType
from compiled_ai.reading import ReadLimits, ReadText, read_document
from compiled_ai.records import Finding
from compiled_ai.spec.findings import refuse
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import GoldenCase, WorkflowSpec
from compiled_ai.spec.rules.tables import GridCell
from compiled_ai.spec.values import Fitting

Row = Mapping[str, GridCell]
_MOST_READERS = 4
_EXPECTED = "expected."


@dataclass(frozen=True)
class ImportOptions:
    key: str
    """Column that names the file."""
    spec: Path | None = None
    out: Path | None = None
    """By default `NAME/golden.jsonl` beside the specification `NAME.yaml`, without one `golden.jsonl`."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """`expected.FIELD` or an input to its column, where they are not called alike."""
    group: str | None = None
    """Column of what must not be split between shown and sealed cases, such as the vendor."""
    date_order: str | None = None
    """`mdy`, `dmy` or `ymd`; by default the sheet itself must tell."""
    languages: str = "eng"
    replace: bool = False
    limits: ReadLimits = field(default_factory=ReadLimits)


@dataclass(frozen=True)
class Imported:
    """What was written, and what was left out of it."""

    out: Path
    cases: int
    groups: int
    fields: tuple[str, ...]
    """Outputs that have labels."""
    unlabelled: tuple[str, ...]
    """Outputs of the specification without a column."""
    rows_without_file: tuple[str, ...]
    files_without_row: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "out": str(self.out),
            "cases": self.cases,
            "groups": self.groups,
            "fields": list(self.fields),
            "unlabelled": list(self.unlabelled),
            "rows_without_file": list(self.rows_without_file),
            "files_without_row": list(self.files_without_row),
            "warnings": list(self.warnings),
        }

    def page(self) -> str:
        """Returns the report as a person reads it."""
        told = [
            *(f"row without a file: {row}" for row in self.rows_without_file),
            *(f"file without a row: {name}" for name in self.files_without_row),
            *(f"no column for output {name!r}: it has no labels" for name in self.unlabelled),
            *(f"note: {warning}" for warning in self.warnings),
        ]
        count = f"{counted(self.cases, 'case')} in {counted(self.groups, 'group')}"
        end = f"{count}, labels for {', '.join(self.fields)}: {self.out}"
        return "\n".join([*told, end])


@dataclass(frozen=True)
class _Columns:
    """Which column each field comes from, and which inputs hold the document."""

    expected: Mapping[str, str]
    inputs: Mapping[str, str]
    text: str | None
    boxes: str | None
    kinds: Mapping[str, FieldType]
    """Types of the outputs, empty without a specification."""
    input_kinds: Mapping[str, FieldType]


def import_golden(
    folder: Path, labels: Path, options: ImportOptions, *, progress: Callable[[int, int | None], None] | None = None
) -> Imported:
    """Makes golden cases of the documents of a folder and the labels of a sheet.

    Raises:
        NotFound: the folder, the sheet or the specification is not there.
        UsageError: columns, fields or options that do not go together; the output exists.
        SpecError: cells and documents that cannot be used, each with its place. Nothing is written.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {str(folder)!r}.", remedy="Name the folder with the documents.")
    out = _out(options)
    sheet = read_labels(labels)
    sheet.named(options.key, "--key")
    columns = _columns(sheet, load_spec(options.spec) if options.spec else None, options)
    files = _files(folder, {labels.resolve(), out.resolve()})
    matched, lonely, findings = _match(sheet, options.key, files)
    if not matched and not findings:
        first = lonely[0] if lonely else "there are no rows"
        raise UsageError(f"No row names a file in {str(folder)!r}: {first}.", remedy="Is --key the right column?")
    order = date_order(_cells(sheet, columns, ("date",)), options.date_order, findings)
    writing = Writing(order, decimal_mark(_cells(sheet, columns, ("money", "decimal", "float", "integer"))))
    read_rows = [_values_of(row, columns, writing, findings) for row, _ in matched]
    documents = _read_all([name for _, name in matched], folder, options, findings, progress)
    if findings:
        refuse(tuple(findings))
    cases = [
        _case(row, values, document, columns, options)
        for (row, _), values, document in zip(matched, read_rows, documents, strict=True)
    ]
    _write(out, cases)
    return Imported(
        out=out,
        cases=len(cases),
        groups=_groups(cases),
        fields=tuple(columns.expected),
        unlabelled=tuple(name for name in columns.kinds if name not in columns.expected),
        rows_without_file=tuple(lonely),
        files_without_row=tuple(sorted(set(files) - {name for _, name in matched})),
        warnings=tuple(f"{each.name}: {text}" for each in documents for text in each.warnings),
    )


def _out(options: ImportOptions) -> Path:
    beside = options.spec.with_suffix("") / "golden.jsonl" if options.spec else Path("golden.jsonl")
    out = options.out or beside
    if out.is_dir():
        raise UsageError(f"{str(out)!r} is a folder.", remedy="Name the file of golden cases with --out.")
    if out.exists() and not options.replace:
        raise UsageError(f"{str(out)!r} is there already.", remedy="Name another --out, or replace it with --replace.")
    return out


# ---------------------------------------------------------------- columns and fields


def _columns(sheet: Labels, spec: WorkflowSpec | None, options: ImportOptions) -> _Columns:
    if options.group is not None:
        sheet.named(options.group, "--group")
    for column in options.mapping.values():
        sheet.named(column, "--map")
    labelled = {name: column for name, column in options.mapping.items() if name.startswith(_EXPECTED)}
    mapped = {name.removeprefix(_EXPECTED): column for name, column in labelled.items()}
    if spec is None:
        return _free_columns(sheet, mapped, options)
    outputs = {output.field.name: output.field.type for output in spec.outputs}
    inputs = {each.name: each.type for each in spec.inputs}
    known = [*inputs, *(f"{_EXPECTED}{name}" for name in outputs)]
    wrong = next((name for name in options.mapping if name not in known), None)
    if wrong is not None:
        raise UsageError(f"--map names {wrong!r}, which is no field.{suggest(wrong, known)}")
    expected = {name: found for name in outputs if (found := mapped.get(name) or sheet.like(name))}
    if not expected:
        raise UsageError(
            f"No column of {sheet.file!r} is called like an output.{suggest(sheet.columns[0], outputs)}",
            remedy="Write --map expected.FIELD=COLUMN.",
        )
    given = {name: found for name in inputs if (found := options.mapping.get(name) or sheet.like(name))}
    rest = {name: kind for name, kind in inputs.items() if name not in given}
    text = _one(rest, lambda kind: kind.kind in ("text", "string"))
    boxes = _one(rest, lambda kind: kind.kind == "list" and kind.items is not None and kind.items.kind == "box")
    if text is None and boxes is None:
        raise UsageError("No input is left for the document.", remedy="It needs an input of type text or list[box].")
    lacking = [name for name, kind in rest.items() if not kind.optional and name not in (text, boxes)]
    if lacking:
        raise UsageError(f"Nothing is said of input {lacking[0]!r}.", remedy=f"Write --map {lacking[0]}=COLUMN.")
    return _Columns(expected, given, text, boxes, outputs, inputs)


def _free_columns(sheet: Labels, mapped: Mapping[str, str], options: ImportOptions) -> _Columns:
    """Without a specification: all other columns are labels, and the document is the input `document`."""
    wrong = next((name for name in options.mapping if not name.startswith(_EXPECTED)), None)
    if wrong is not None:
        raise UsageError(f"--map names the input {wrong!r}.", remedy="Name the specification with --spec.")
    rest = {_field_name(column): column for column in sheet.columns if column not in (options.key, options.group)}
    if not (mapped or rest):
        raise UsageError(f"{sheet.file!r} has no column of labels beside the key.", remedy="Add one.")
    return _Columns(dict(mapped) or rest, {}, "document", None, {}, {})


def _field_name(column: str) -> str:
    return re.sub(r"\W+", "_", column.strip().lower()).strip("_") or column


def _one(kinds: Mapping[str, FieldType], fits: Callable[[FieldType], bool]) -> str | None:
    found = [name for name, kind in kinds.items() if fits(kind)]
    if len(found) > 1:
        raise UsageError(
            f"Inputs {found[0]!r} and {found[1]!r} could both hold the document.",
            remedy=f"Give one a column: --map {found[1]}=COLUMN.",
        )
    return found[0] if found else None


def _cells(sheet: Labels, columns: _Columns, kinds: Sequence[str]) -> list[GridCell]:
    """All cells of the columns whose fields are of these kinds."""
    mapped = [(columns.kinds.get(name), column) for name, column in columns.expected.items()]
    mapped += [(columns.input_kinds.get(name), column) for name, column in columns.inputs.items()]
    return texts(sheet.rows, [column for kind, column in mapped if kind is not None and kind.kind in kinds])


# ---------------------------------------------------------------- rows and files


def _files(folder: Path, without: set[Path]) -> list[str]:
    """Paths of all documents below the folder; hidden files and lock files of spreadsheets are none."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and path.resolve() not in without and not any(p.startswith((".", "~$")) for p in name.parts):
            found.append(name.as_posix())
    return found


def _match(sheet: Labels, key: str, files: Sequence[str]) -> tuple[list[tuple[Row, str]], list[str], list[Finding]]:
    """Returns rows with their files, rows without one (place and key), and rows that name two or are there twice."""
    ways = _ways(files)
    matched: list[tuple[Row, str]] = []
    lonely: list[str] = []
    findings: list[Finding] = []
    seen: dict[str, GridCell] = {}
    for row in sheet.rows:
        cell = row[key]
        found = _named(cell.text, ways)
        if len(found) > 1:
            findings.append(cell_finding(cell, key, f"{cell.text!r} may be {found[0]!r} or {found[1]!r}."))
        elif not found:
            lonely.append(f"{cell.origin}: {cell.text!r}")
        elif found[0] in seen:
            first = seen[found[0]].origin
            findings.append(cell_finding(cell, key, f"{found[0]!r} has a row already, at {first}."))
        else:
            seen[found[0]] = cell
            matched.append((row, found[0]))
    return matched, lonely, findings


def _ways(files: Sequence[str]) -> list[Mapping[str, list[str]]]:
    """How a file may be called, the surest first: path, name, stem; as written, then in any case."""
    ways: list[Mapping[str, list[str]]] = []
    for fold in (str, str.casefold):
        for part in (str, lambda name: Path(name).name, lambda name: Path(name).stem):
            way: dict[str, list[str]] = defaultdict(list)
            for name in files:
                way[fold(part(name))].append(name)
            ways.append(way)
    return ways


def _named(text: str, ways: Sequence[Mapping[str, list[str]]]) -> list[str]:
    wanted = text.strip().replace("\\", "/").removeprefix("./")
    if not wanted:
        return []
    for place, way in enumerate(ways):
        found = way.get(wanted if place < len(ways) / 2 else wanted.casefold())
        if found:
            return found
    return []


# ---------------------------------------------------------------- cells and documents


@dataclass(frozen=True)
class _RowValues:
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]


def _values_of(row: Row, columns: _Columns, writing: Writing, findings: list[Finding]) -> _RowValues:
    before = len(findings)
    inputs = dict(_values(row, columns.inputs, columns.input_kinds, writing, findings))
    expected = dict(_values(row, columns.expected, columns.kinds, writing, findings))
    if not expected and len(findings) == before:
        first = next(iter(columns.expected.values()))
        findings.append(cell_finding(row[first], first, "the row has no label. Fill one in, or delete the row."))
    return _RowValues(inputs, expected)


def _values(
    row: Row,
    columns: Mapping[str, str],
    kinds: Mapping[str, FieldType],
    writing: Writing,
    findings: list[Finding],
) -> Iterator[tuple[str, Any]]:
    """Yields fields with their values as their types have them; blank cells are left out."""
    for name, column in columns.items():
        cell, kind = row[column], kinds.get(name)
        if cell.value is None or not cell.text:
            continue
        try:
            value = label_of(cell, kind, writing)
        except Misread as fault:
            findings.append(cell_finding(cell, column, str(fault)))
            continue
        wrong = _misfit(name, kind, value)
        if wrong:
            findings.append(cell_finding(cell, column, f"{cell.text!r} does not fit {name!r}: {wrong}."))
        else:
            yield name, value


def _misfit(name: str, kind: FieldType | None, value: Any) -> str:
    from compiled_ai.library.types import Field

    if kind is None:
        return ""
    found = Fitting((Field(name, name, kind),)).some({name: value})
    return found[0].message if found else ""


def _read_all(
    names: Sequence[str],
    folder: Path,
    options: ImportOptions,
    findings: list[Finding],
    progress: Callable[[int, int | None], None] | None,
) -> list[ReadText]:
    """Reads documents side by side; those that cannot be read become findings."""

    def read(name: str) -> ReadText | UsageError:
        try:
            return read_document(name, root=folder, limits=options.limits, languages=options.languages)
        except (InputError, NotFound) as fault:
            return fault

    documents: list[ReadText] = []
    with ThreadPoolExecutor(min(_MOST_READERS, os.cpu_count() or 1)) as readers:
        for done, (name, found) in enumerate(zip(names, readers.map(read, names), strict=True), 1):
            if isinstance(found, ReadText):
                documents.append(found)
            else:
                findings.append(Finding(rule="golden.document", message=str(found), file=name))
            if progress is not None:
                progress(done, len(names))
    return documents


def _case(
    row: Row, values: _RowValues, document: ReadText, columns: _Columns, options: ImportOptions
) -> dict[str, Any]:
    given = dict(values.inputs)
    if columns.text is not None:
        given[columns.text] = document.text
    if columns.boxes is not None:
        given[columns.boxes] = document.boxes
    case: dict[str, Any] = {"id": row[options.key].text, "input": given, "expected": dict(values.expected)}
    if options.group is not None and row[options.group].text:
        case["group"] = row[options.group].text
    return case


def _groups(cases: Sequence[Mapping[str, Any]]) -> int:
    from compiled_ai.pools import group_keys

    golden = [GoldenCase(case["id"], case["input"], case["expected"], case.get("group"), {}, {}) for case in cases]
    return len(set(group_keys(golden).values()))


def _write(out: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    """Writes under a temporary name and renames it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}-{secrets.token_hex(4)}")
    try:
        draft.write_text("".join(f"{canonical_json(dict(case))}\n" for case in cases), "utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
