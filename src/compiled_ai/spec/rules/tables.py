"""Decision tables: a grid of cells, whatever it was written in, to a checked `DecisionTable`.

Cells hold unary tests. Blank or `-` is any value, null is written `null`. In columns of text, words without quotes
are that text, and a comma separates alternatives; in columns of dates, `2026-01-31` is a date.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from compiled_ai.canonical import digest_json, plain_number
from compiled_ai.errors import suggest
from compiled_ai.library.types import Field
from compiled_ai.spec.model import Mark
from compiled_ai.spec.names import Names as Identifiers
from compiled_ai.spec.rules import Parsed, Scope
from compiled_ai.spec.rules.ast import (
    ANY,
    NULL,
    TEXT,
    Aggregation,
    Call,
    Cell,
    Constant,
    DecisionTable,
    Expression,
    HitPolicy,
    InputColumn,
    Name,
    OutputColumn,
    Place,
    Row,
    Test,
    Value,
    ValueType,
    Words,
    field_type,
    value_type,
)
from compiled_ai.spec.rules.check import Checker, Report, merged, named, walk
from compiled_ai.spec.rules.lexer import Refused
from compiled_ai.spec.rules.logic import warn_untested
from compiled_ai.spec.rules.parser import parse
from compiled_ai.spec.rules.reading import names_of

CellValue = str | bool | Decimal | date | datetime | time | None


@dataclass(frozen=True)
class GridCell:
    """One cell: text as written, or the typed value of a sheet. None is blank."""

    value: CellValue
    place: Place
    origin: str = ""
    """Where it stands, for a person: `rates.xlsx[Plans]!C14`."""

    @property
    def blank(self) -> bool:
        return self.value is None or (isinstance(self.value, str) and self.value.strip() in ("", "-"))

    @property
    def text(self) -> str:
        """The cell as an author would write it."""
        if self.value is None:
            return ""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, Decimal):
            return plain_number(self.value)
        return self.value.strip() if isinstance(self.value, str) else self.value.isoformat()


@dataclass(frozen=True)
class Grid:
    """Header and rows; every row as long as the header."""

    file: str
    header: tuple[GridCell, ...]
    rows: tuple[tuple[GridCell, ...], ...]
    sheet: str | None = None
    """`rates.xlsx[Plans]`: from a sheet, where numbers are numbers and dates are dates."""


@dataclass(frozen=True)
class TableText:
    """What a specification says about a table; names of columns are those of the grid's header."""

    name: str
    grid: Grid
    mark: Mark
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Header to expression; the header itself where nothing else is said."""
    outputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Header to the values in order of priority (empty: whatever the rows say)."""
    hit_policy: str = "UNIQUE"
    default: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    id: str | None = None
    notes: str | None = None


_POLICIES: Mapping[str, HitPolicy] = {
    "U": "UNIQUE",
    "A": "ANY",
    "P": "PRIORITY",
    "F": "FIRST",
    "R": "RULE ORDER",
    "O": "OUTPUT ORDER",
    "C": "COLLECT",
}
_AGGREGATIONS: Mapping[str, Aggregation] = {
    "+": "sum",
    "<": "min",
    ">": "max",
    "#": "count",
    "SUM": "sum",
    "MIN": "min",
    "MAX": "max",
    "COUNT": "count",
}
KNOWN_POLICIES = (*_POLICIES.values(), *(f"COLLECT {name}" for name in ("sum", "min", "max", "count")))
LISTS = frozenset({"RULE ORDER", "OUTPUT ORDER"})
MAX_COMPARED = 2000
"""Tables with more rows are not compared row by row."""


def parse_table(table: TableText, *, scope: Scope, result: Sequence[Field] = ()) -> Parsed[DecisionTable]:
    """Returns the checked table. `result`, if given, declares the fields that the step yields."""
    report = Report(table.grid.file, table.grid.sheet)
    reader = _Reader(table, scope, report, {field.name: field for field in result})
    node = reader.read()
    wrong = any(finding.severity == "error" for finding in report.findings)
    outcome = next((column for column in node.result if column.name == "outcome"), None) if node else None
    enum = (outcome.type.enum or (outcome.type.items and outcome.type.items.enum)) if outcome else None
    return Parsed(
        None if wrong else node,
        tuple(report.findings),
        tuple(reader.checker.reads),
        tuple(enum or ()),
        node.result if node else (),
    )


def policy_of(text: str) -> tuple[HitPolicy, Aggregation | None] | None:
    """Reads a hit policy: its name, its letter, `COLLECT sum`, `C+`."""
    words = " ".join(text.upper().replace("_", " ").split())
    if words in _POLICIES.values():
        return words, None  # type: ignore[return-value]
    if words in _POLICIES:
        return _POLICIES[words], None
    found = re.fullmatch(r"C(?:OLLECT)?\s*(\+|<|>|#|SUM|MIN|MAX|COUNT)", words)
    return ("COLLECT", _AGGREGATIONS[found.group(1)]) if found else None


def csv_grid(text: str, *, file: str) -> Grid | None:
    """Reads CSV (comma, double quotes); None if there is no header. Short rows end in blanks."""
    lines: list[tuple[GridCell, ...]] = []
    reader = csv.reader(io.StringIO(text))
    for record in reader:
        line = reader.line_num
        lines.append(
            tuple(GridCell(value, Place(line, column), f"{file}:{line}") for column, value in enumerate(record, 1))
        )
    filled = [record for record in lines if any(not _empty(cell) for cell in record)]
    if not filled:
        return None
    header, *rows = filled
    return Grid(file, header, tuple(_as_long(row, header) for row in rows))


def _empty(cell: GridCell) -> bool:
    return isinstance(cell.value, str) and not cell.value.strip()


def _as_long(row: tuple[GridCell, ...], header: tuple[GridCell, ...]) -> tuple[GridCell, ...]:
    missing = len(header) - len(row)
    return (*row, *[GridCell(None, row[0].place, row[0].origin)] * missing) if missing > 0 else row


def _unknown_policy(text: str) -> str:
    return f"Unknown hit policy {text!r}.{suggest(text.upper(), KNOWN_POLICIES, show=12)}"


@dataclass
class _Reader:
    table: TableText
    scope: Scope
    report: Report
    declared: Mapping[str, Field]

    def __post_init__(self) -> None:
        self.checker = Checker(self.scope.fields, self.scope.tables, self.report)
        self.names = names_of(self.scope)
        self.place = Place(self.table.mark.line, self.table.mark.column)
        self.columns = {cell.text: index for index, cell in enumerate(self.table.grid.header)}

    # ------------------------------------------------------------ the table

    def read(self) -> DecisionTable | None:
        policy = policy_of(self.table.hit_policy)
        if policy is None:
            message = _unknown_policy(self.table.hit_policy)
            self._here("hit_policy", message)
        if not self._columns_known() or policy is None:
            return None
        if not self.table.grid.rows:
            self._here("empty_table", "The table has no rows. Write at least one.")
            return None
        inputs = tuple(self._input(header) for header in self._input_headers())
        outputs = tuple(self._output(header, policy[0]) for header in self.table.outputs)
        if not inputs or not outputs:
            self._here("columns", "A table needs an input and an output. Name its 'outputs'.")
            return None
        rows = tuple(self._rows(inputs, outputs))
        outputs = tuple(self._settled(column, index, rows) for index, column in enumerate(outputs))
        node = DecisionTable(
            self.table.name, inputs, outputs, rows, *policy, (), self.place, digest=table_digest(self.table)
        )
        node = replace(node, result=self._result(node))
        self._check(node)
        return node

    def _here(self, rule: str, message: str) -> None:
        self.report.add(rule, self.place, message, file=self.table.mark.file)

    def _columns_known(self) -> bool:
        known = True
        table = self.table
        headers = [cell.text for cell in table.grid.header]
        for cell in table.grid.header:
            if headers.count(cell.text) > 1 and headers.index(cell.text) != table.grid.header.index(cell):
                self._cell("columns", cell, f"Column {cell.text!r} occurs twice. Rename one.")
                known = False
        extra = [name for name in (table.reason, table.id, table.notes) if name is not None]
        for name in (*table.inputs, *table.outputs, *extra):
            if name not in self.columns:
                self._here("columns", f"The table has no column {name!r}.{suggest(name, headers)}")
                known = False
        for name in table.default:
            if name not in table.outputs:
                self._here("columns", f"The default names {name!r}, which is no output.{suggest(name, table.outputs)}")
                known = False
        return known

    def _input_headers(self) -> list[str]:
        table = self.table
        if table.inputs:
            return list(table.inputs)
        other = {*table.outputs, table.reason, table.id, table.notes}
        return [cell.text for cell in table.grid.header if cell.text not in other]

    def _cell(self, rule: str, cell: GridCell, message: str, severity: Any = "error") -> None:
        self.report.add(rule, cell.place, message, severity)

    # ------------------------------------------------------------ columns

    def _input(self, header: str) -> InputColumn:
        text = self.table.inputs.get(header, "") or header
        cell = self.table.grid.header[self.columns[header]]
        node = self._parsed(text, "value", cell)
        checked = (
            self.checker.expression(node) if node is not None else Constant(place=cell.place, value=None, type=ANY)
        )
        allowed: tuple[Value, ...] = checked.type.enum or ()
        if checked.type.kind == "boolean":
            allowed = (True, False)
        if checked.type.optional and allowed:
            allowed = (*allowed, None)
        return InputColumn(header, checked, allowed)

    def _output(self, header: str, policy: HitPolicy) -> OutputColumn:
        declared = self.declared.get(header)
        if self.declared and declared is None:
            self._here(
                "unknown_field", f"Output {header!r} is no field of this step's result.{suggest(header, self.declared)}"
            )
        cells = [row[self.columns[header]] for row in self.table.grid.rows]
        kind = value_type(declared.type) if declared else self._inferred(cells)
        allowed = tuple(self._allowed(text, kind) for text in self.table.outputs[header])
        default = self.table.default.get(header)
        column = OutputColumn(header, kind, allowed)
        if default is None:
            return column
        place = GridCell(default, self.place)
        return replace(column, default=self._yielded(place, column))

    def _allowed(self, text: str, kind: ValueType) -> Value:
        value = self._yielded(GridCell(text, self.place), OutputColumn("", kind))
        if not isinstance(value, Constant):
            self._here("values", f"Output value {text!r} is not written out. Give a plain value.")
            return None
        return value.value

    def _inferred(self, cells: Sequence[GridCell]) -> ValueType:
        """The kind that all cells of an output share; text where they are plain words."""
        kind: ValueType | None = None
        for cell in cells:
            if cell.blank or cell.text == "null":
                continue
            found = self._literal_type(cell)
            kind = found if kind is None else merged(kind, found)
            if kind is None or kind.kind == "text":
                return TEXT
        return replace(kind, declared=None) if kind is not None else TEXT

    def _literal_type(self, cell: GridCell) -> ValueType:
        if re.fullmatch(r"-?0\d+", cell.text):
            return TEXT
        silent = Report(self.report.file)
        try:
            tree = parse(cell.text, "value", names=self.names, mark=self._mark(cell), cell=True)
        except Refused:
            return TEXT
        nodes = tuple(walk(tree))
        computed = any(isinstance(node, (Name, Call)) for node in nodes)
        if any(isinstance(node, Words) for node in nodes) or not (computed or isinstance(tree, Constant)):
            return TEXT
        return Checker(self.scope.fields, self.scope.tables, silent).expression(tree).type

    def _settled(self, column: OutputColumn, index: int, rows: Sequence[Row]) -> OutputColumn:
        """Fills in what the rows say: the closed set of a text, and whether null occurs."""
        nodes = [row.outputs[index] for row in rows] + ([column.default] if column.default is not None else [])
        left_out = bool(self.table.default) and column.default is None
        kind = replace(column.type, optional=left_out or any(node.type.optional for node in nodes))
        for node in nodes:
            if kind.kind not in ("any", node.type.kind) and node.type.kind not in ("any", "null"):
                self.report.add(
                    "type", node.place, f"Column {column.name!r} holds {named(kind)}, and this is {named(node.type)}."
                )
        texts = [node.value for node in nodes if isinstance(node, Constant) and isinstance(node.value, str)]
        if kind.kind == "text" and len(texts) == len([n for n in nodes if n.type.kind != "null"]):
            members = tuple(value for value in column.allowed if isinstance(value, str))
            kind = replace(kind, enum=tuple(dict.fromkeys((*members, *texts))), declared=None)
        if column.allowed:
            for node in nodes:
                if isinstance(node, Constant) and node.value is not None and node.value not in column.allowed:
                    known = [str(value) for value in column.allowed]
                    self.report.add(
                        "values",
                        node.place,
                        f"{node.value!s} is not one of the values of {column.name!r}.{suggest(str(node.value), known)}",
                    )
        return replace(column, type=kind)

    # ------------------------------------------------------------ rows

    def _rows(self, inputs: tuple[InputColumn, ...], outputs: tuple[OutputColumn, ...]) -> Iterator[Row]:
        seen: dict[str, GridCell] = {}
        for number, cells in enumerate(self.table.grid.rows, 1):
            if len(cells) > len(self.table.grid.header):
                extra = cells[len(self.table.grid.header)]
                self._cell(
                    "columns", extra, f"The row has {len(cells)} cells, the header {len(self.columns)}. Quote commas."
                )
            row_id = cells[self.columns[self.table.id]].text if self.table.id else str(number)
            if self.table.id and not row_id:
                self._cell(
                    "row_id", cells[self.columns[self.table.id]], "The row has no id. Give it one, or leave out 'id'."
                )
            if row_id in seen:
                self._cell("row_id", cells[0], f"Row id {row_id!r} occurs twice, first at {_where(seen[row_id])}.")
            seen.setdefault(row_id, cells[0])
            tests = tuple(self._tests(cells[self.columns[column.label]], column) for column in inputs)
            yields = tuple(self._yielded(cells[self.columns[column.name]], column) for column in outputs)
            yield Row(
                row_id,
                tests,
                yields,
                self._reason(row_id, cells, tests, inputs),
                cells[0].place,
                cells[self.columns[self.table.notes]].text if self.table.notes else "",
                _where(cells[0]),
                tuple(cells[self.columns[column.name]].text for column in outputs),
            )

    def _reason(
        self, row_id: str, cells: Sequence[GridCell], tests: Sequence[Cell], inputs: Sequence[InputColumn]
    ) -> str:
        if self.table.reason:
            written = cells[self.columns[self.table.reason]].text
            if written:
                return written
        words = [f"{column.label} {test.source}" for test, column in zip(tests, inputs, strict=True) if test.tests]
        return f"row {row_id}: {', '.join(words) if words else 'always'}"

    def _tests(self, cell: GridCell, column: InputColumn) -> Cell:
        kind = column.expression.type
        if cell.blank:
            return Cell((), False, "-", cell.place)
        if not self._cell_kind_fits(cell, kind, column.label):
            return Cell((), False, cell.text, cell.place)
        text = cell.text
        inner = re.fullmatch(r"not\s*\((.*)\)", text, re.IGNORECASE | re.DOTALL)
        negated = inner is not None and _balanced(inner.group(1))
        body = inner.group(1) if inner is not None and negated else text
        offset = text.find(body) if negated else 0
        tests = self._split_text(body, cell, offset) if kind.kind == "text" else None
        if tests is None:
            tests = self._parsed(body, "cell", cell, offset)
        if tests is None:
            return Cell((), False, text, cell.place)
        checked = tuple(self.checker.test(self._enumerated(test, kind), column.expression) for test in tests)
        return Cell(checked, negated, text, cell.place)

    def _enumerated(self, test: Test, kind: ValueType) -> Test:
        """A bare word in a column of text is that text."""
        if isinstance(test.operand, Words) and kind.kind in ("text", "any"):
            word = test.operand
            return replace(test, operand=Constant(place=word.place, value=word.text, type=TEXT))
        return test

    def _split_text(self, text: str, cell: GridCell, offset: int) -> tuple[Test, ...] | None:
        """Reads alternatives of plain words; None if the cell is more than that."""
        tests: list[Test] = []
        for part in _alternatives(text):
            plain = part.strip()
            if not _bare_words(plain):
                return None
            value: Value = None if plain == "null" else plain
            operand = Constant(place=cell.place, value=value, type=NULL if value is None else TEXT)
            tests.append(Test(place=cell.place, how="=", operand=operand))
        return tuple(tests)

    def _yielded(self, cell: GridCell, column: OutputColumn) -> Expression:
        kind = column.type
        if cell.blank or cell.text == "null":
            return Constant(place=cell.place, value=None, type=NULL)
        if not self._cell_kind_fits(cell, kind, column.name):
            return Constant(place=cell.place, value=None, type=ANY)
        text = cell.text
        if kind.kind in ("text", "any") and not text.startswith(('"', "'", "=", *_CURLY)):
            return Constant(place=cell.place, value=text, type=TEXT)
        node = self._parsed(text.removeprefix("="), "value", cell, 1 if text.startswith("=") else 0)
        if node is None:
            return Constant(place=cell.place, value=None, type=ANY)
        return self.checker.expression(node)

    def _cell_kind_fits(self, cell: GridCell, kind: ValueType, column: str) -> bool:
        """A sheet's own types must agree with the column: this is where spreadsheets lose data."""
        message = _local_date(cell, kind)
        if not message and self.table.grid.sheet is not None:
            message = _misfit(cell, kind)
        if message:
            self._cell("sheet_type", cell, f"Cell of column {column!r} {message}.")
        return not message

    def _mark(self, cell: GridCell, offset: int = 0) -> Mark:
        return Mark(self.report.file, cell.place.line, cell.place.column + offset)

    def _parsed(self, text: str, start: Any, cell: GridCell, offset: int = 0) -> Any:
        try:
            return parse(text, start, names=self.names, mark=self._mark(cell, offset), cell=True)
        except Refused as fault:
            self.report.add(fault.rule.removeprefix("rules."), fault.place, fault.message)
            return None

    # ------------------------------------------------------------ the whole

    def _result(self, node: DecisionTable) -> tuple[Field, ...]:
        if self.declared:
            return tuple(self.declared.values())
        identifiers = Identifiers()
        fields = [self._result_field(column, node, identifiers) for column in node.outputs]
        if not any(field.name == "reason" for field in fields):
            fields.append(Field("reason", "reason", field_type(TEXT)))
        return tuple(fields)

    def _result_field(self, column: OutputColumn, node: DecisionTable, identifiers: Identifiers) -> Field:
        kind = column.type
        if node.aggregation == "count":
            kind = ValueType("number")
        elif node.aggregation is None and (node.hit_policy in LISTS or node.hit_policy == "COLLECT"):
            kind = ValueType("list", items=kind)
        return Field(column.name, identifiers.identifier(column.name), field_type(kind))

    def _check(self, node: DecisionTable) -> None:
        from compiled_ai.spec.rules.table_checks import check_table

        self._priorities(node)
        if node.aggregation is not None and node.aggregation != "count":
            self._aggregates(node)
        tested = {
            column.expression
            for index, column in enumerate(node.inputs)
            if any(
                isinstance(test.operand, Constant) and test.operand.value is None
                for row in node.rows
                for test in row.cells[index].tests
            )
            or all(not row.cells[index].tests for row in node.rows)
        }
        turning = [column.expression for column in node.inputs if column.expression not in tested]
        warn_untested(turning, set(), self.checker)
        if not any(finding.severity == "error" for finding in self.report.findings):
            check_table(node, self.report)

    def _priorities(self, node: DecisionTable) -> None:
        if node.hit_policy not in ("PRIORITY", "OUTPUT ORDER"):
            return
        if not any(column.allowed for column in node.outputs):
            self._here(
                "priority", f"{node.hit_policy} needs the output's values, best first. List them under 'outputs'."
            )
        for index, column in enumerate(node.outputs):
            for row in node.rows:
                if column.allowed and not isinstance(row.outputs[index], Constant):
                    self.report.add("priority", row.outputs[index].place, "A prioritised output must be written out.")

    def _aggregates(self, node: DecisionTable) -> None:
        for column in node.outputs:
            if column.type.kind not in ("number", "days_time_duration", "years_months_duration") and not (
                node.aggregation in ("min", "max") and column.type.kind in ("text", "date")
            ):
                self._here(
                    "aggregation",
                    f"COLLECT {node.aggregation} needs numbers, and {column.name!r} is {named(column.type)}.",
                )


def table_digest(table: TableText) -> str:
    """Returns the SHA-256 over the parsed cells and the columns' roles."""
    return digest_json(
        {
            "header": [cell.text for cell in table.grid.header],
            "rows": [[[type(cell.value).__name__, cell.text] for cell in row] for row in table.grid.rows],
            "hit_policy": table.hit_policy,
            "inputs": dict(table.inputs),
            "outputs": {name: list(values) for name, values in table.outputs.items()},
            "default": dict(table.default),
        }
    )


def _where(cell: GridCell) -> str:
    """The place of a row; without folders, so that an artifact is the same wherever it was compiled."""
    return re.sub(r"^.*[/\\\\]", "", cell.origin) or f"line {cell.place.line}"


def _local_date(cell: GridCell, kind: ValueType) -> str:
    """What is wrong with a date that is written as one's country writes it: it would be read as a division."""
    found = re.search(r"\b\d{1,4}([/.])\d{1,2}\1\d{1,4}\b", cell.value) if isinstance(cell.value, str) else None
    if found is None or kind.kind not in ("date", "datetime"):
        return ""
    return f"is the text {cell.text!r}, and the column holds dates: write 2026-01-31, or format the cell as a date"


def _misfit(cell: GridCell, kind: ValueType) -> str:
    """What is wrong with a sheet's cell in a column of this kind; empty if it fits."""
    value, held = cell.value, named(kind)
    if kind.kind == "text" and isinstance(value, Decimal):
        lost = "A code may have lost its leading zeros: format the cell as text"
        return f"is the number {cell.text}, and the column holds text. {lost}"
    if kind.kind not in ("boolean", "any") and isinstance(value, bool):
        return f"is the truth value {cell.text}, and the column holds {held}: format the cell as text, or correct it"
    if isinstance(value, time) and kind.kind not in ("time", "any"):
        return f"is the time {cell.text}, and the column holds {held}: format the cell as text, or correct it"
    if kind.kind not in ("date", "datetime", "time") and isinstance(value, date):
        turned = "A value such as 1-2 may have been turned into a date: format the cell as text"
        return f"is the date {cell.text}, and the column holds {held}. {turned}"
    if kind.kind in ("date", "datetime") and isinstance(value, Decimal):
        return f"is the number {cell.text}, and the column holds dates: format the cell as a date"
    if kind.kind == "number" and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
        return f"is the text {value.strip()!r}, and the column holds numbers: format the cell as a number"
    return ""


_CURLY = "\u201c\u201d\u201e"
_BARE = re.compile(rf"[^\s\"'<>=!?()\[\]@{_CURLY}][^\"'<>=?()\[\]@{_CURLY}]*")


def _bare_words(text: str) -> bool:
    """Whether a text has none of the signs of an expression."""
    return _BARE.fullmatch(text) is not None


def _alternatives(text: str) -> list[str]:
    return text.split(",")


def _balanced(text: str) -> bool:
    depth = 0
    for char in re.sub(r'"[^"]*"', "", text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth < 0:
            return False
    return depth == 0
