"""From a decision table to its function: a chain of rows, or a look-up by column where there are many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from compiled_ai.library.lookups import Admits, Interval
from compiled_ai.library.types import Field
from compiled_ai.spec.model import RuleStep
from compiled_ai.spec.rules.ast import Cell, Constant, DecisionTable, Expression, InputColumn, Name, Row
from compiled_ai.spec.rules.emit import Code, Emitter, call, joined
from compiled_ai.spec.rules.emit_rule import (
    converted,
    header,
    parameter_names,
    resolver,
    return_lines,
    statement,
    test_lines,
)
from compiled_ai.spec.rules.interpret import NO_ROW, is_list, priority
from compiled_ai.spec.rules.literals import LINE, WIDTH, comment, literal, split_arguments, width, wrapped_text
from compiled_ai.spec.rules.operators import MOMENTS
from compiled_ai.spec.rules.table_checks import disjoint, region

MANY_ROWS = 8
"""From so many rows on, the answer is found by column."""


def emit_table(step: RuleStep, table: DecisionTable) -> str:
    """Returns the source of the step's function, with the rows of a large table as a constant in front."""
    writer = _Writer(step, table)
    lines = writer.by_column() if dispatches(table) else writer.by_row()
    return "\n".join(lines) + "\n"


def dispatches(table: DecisionTable) -> bool:
    """Whether the rows can be found by column: enough rows, and every cell and outcome written out."""
    written = all(isinstance(output, Constant) for row in table.rows for output in row.outputs)
    kinds = all(column.expression.type.kind not in MOMENTS | {"any", "list", "object"} for column in table.inputs)
    known = all(region(cell) is not None for row in table.rows for cell in row.cells)
    return len(table.rows) >= MANY_ROWS and written and kinds and known and table.hit_policy != "ANY"


@dataclass
class _Writer:
    step: RuleStep
    table: DecisionTable

    def __post_init__(self) -> None:
        self.emitter = Emitter(resolver(parameter_names(self.step.parameters)))
        self.rows = list(self.table.rows)
        if self.table.hit_policy in ("PRIORITY", "OUTPUT ORDER"):
            self.rows.sort(key=lambda row: priority(self.table, row))
        self.lists = self.table.aggregation is not None or is_list(self.table)
        self.taken = {parameter.identifier for parameter in self.step.parameters}

    # ------------------------------------------------------------ by row

    def by_row(self) -> list[str]:
        lines = header(self.step)
        self.subjects = dict(self._subjects(lines))
        policy = self.table.hit_policy
        if policy in ("FIRST", "PRIORITY") or (policy == "UNIQUE" and disjoint(self.table)):
            for row in self.rows:
                made = self._made(row, 8)
                lines.extend(self._branch(row, [f"        return {made[0]}", *made[1:]]))
            return [*lines, *self._none(4)]
        found = self._free("found")
        kind = "tuple[Any, ...]" if self.lists else self.step.class_name
        lines.append(f"    {found}: list[{kind}] = []")
        for row in self.rows:
            made = self._made(row, 8)
            made[-1] = f"{made[-1]})"
            lines.extend(self._branch(row, [f"        {found}.append({made[0]}", *made[1:]]))
        return [*lines, *(self._collected(found) if self.lists else self._policy(found))]

    def _subjects(self, lines: list[str]) -> Iterator[tuple[Expression, str]]:
        """Names what a column computes, so that every row can ask for it."""
        for number, column in enumerate(self.table.inputs, 1):
            if not _named(column.expression):
                name = self._free(f"column_{number}")
                lines.extend(comment(f"column {column.label}", 4))
                lines.extend(statement(f"{name} = ", self.emitter.value(column.expression), 4))
                yield column.expression, name

    def _free(self, wanted: str) -> str:
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted

    def _branch(self, row: Row, body: list[str]) -> Iterator[str]:
        yield from comment(f"{row_words(row, self.table)}", 4)
        conditions = [
            self._cell(cell, column) for cell, column in zip(row.cells, self.table.inputs, strict=True) if cell.tests
        ]
        code = joined(conditions, "and") if conditions else Code("True")
        if code.text == "True":
            yield from (line.removeprefix("    ") for line in body)
        else:
            yield from test_lines(code, 4)
            yield from body

    def _cell(self, cell: Cell, column: InputColumn) -> Code:
        subject = self._subject(column)
        return self.emitter.ask_tests(subject, cell.tests, not cell.negated)

    def _subject(self, column: InputColumn) -> Expression:
        local = self.subjects.get(column.expression)
        if local is None:
            return column.expression
        self.emitter.locals[local] = local
        return Name(place=column.expression.place, type=column.expression.type, key=local, local=True)

    def _made(self, row: Row, margin: int) -> list[str]:
        """Returns what a row yields: the step's dataclass, or a tuple where rows are collected."""
        values = self._row_values(row, margin + 4)
        if not self.lists:
            first, *rest = return_lines(self.step, values, margin, before=8)
            return [first.strip().removeprefix("return "), *rest]
        line = f"({', '.join(values)},)" if len(values) == 1 else f"({', '.join(values)})"
        if margin + width(line) <= WIDTH - 20 and "\n" not in line:
            return [line]
        return ["(", *(f"{' ' * margin}    {value}," for value in values), f"{' ' * margin})"]

    def _row_values(self, row: Row, margin: int) -> list[str]:
        given: dict[str, Expression] = {
            column.name: output for column, output in zip(self.table.outputs, row.outputs, strict=True)
        }
        return [self._field(field, given.get(field.name), row.reason, margin) for field in self.step.result]

    def _field(self, field: Field, value: Expression | None, reason: str, margin: int) -> str:
        if value is None:
            return wrapped_text(reason, margin) if field.name == "reason" else "None"
        if isinstance(value, Constant) and isinstance(value.value, str):
            return wrapped_text(value.value, margin)
        return converted(self.emitter.value(value), field, self.emitter.nullable(value))

    def _policy(self, found: str) -> list[str]:
        if self.table.hit_policy == "ANY":
            outputs = [f for f in self.step.result if any(f.name == column.name for column in self.table.outputs)]
            same = " and ".join(f"each.{f.identifier} == {found}[0].{f.identifier}" for f in outputs)
            agree = f"if {found} and all({same} for each in {found}):"
            return [
                "    # ANY: rows that apply must agree",
                f"    {agree}",
                f"        return {found}[0]",
                *self._none(4, found),
            ]
        return [
            "    # UNIQUE: one row may apply",
            f"    if len({found}) == 1:",
            f"        return {found}[0]",
            *self._none(4, found),
        ]

    def _none(self, margin: int, found: str = "") -> list[str]:
        """What is returned when no row applies: the defaults, or None."""
        pad = " " * margin
        if all(column.default is None for column in self.table.outputs):
            return [f"{pad}return None"]
        values = [self._default(field) for field in self.step.result]
        lines = return_lines(self.step, values, margin)
        if not found:
            return [f"{pad}# {NO_ROW}", *lines]
        return [f"{pad}if {found}:", f"{pad}    return None", f"{pad}# {NO_ROW}", *lines]

    def _default(self, field: Field) -> str:
        column = next((column for column in self.table.outputs if column.name == field.name), None)
        if column is None:
            return literal(NO_ROW) if field.name == "reason" else "None"
        if column.default is None:
            return "(None,)" if is_list(self.table) else "None"
        code = converted(self.emitter.value(column.default), field, self.emitter.nullable(column.default))
        return f"({code},)" if is_list(self.table) else code

    # ------------------------------------------------------------ lists and sums

    def _collected(self, found: str) -> list[str]:
        """Returns the lines that put what the rows yield together: lists, or a sum, a least, a greatest, a count."""
        names = [self._free(f"all_{field.identifier}") for field in self.step.result]
        lines: list[str] = []
        if self.table.aggregation == "count":
            lines.append(f"    if not {found}:")
            lines.extend(return_lines(self.step, [self._counted(field) for field in self.step.result], 8))
        else:
            lines.append(f"    if not {found}:")
            lines.extend(self._none(8))
        trailing = "," if len(names) == 1 else ""
        lines.append(f"    {', '.join(names)}{trailing} = zip(*{found}, strict=True)")
        values = [self._together(field, name) for field, name in zip(self.step.result, names, strict=True)]
        return [*lines, *return_lines(self.step, values, 4)]

    def _counted(self, field: Field) -> str:
        if any(column.name == field.name for column in self.table.outputs):
            return converted(Code('Decimal("0")'), field, False)
        return '""' if field.name == "reason" else "None"

    def _together(self, field: Field, name: str) -> str:
        if not any(column.name == field.name for column in self.table.outputs):
            return f'"; ".join({name})' if field.name == "reason" else "None"
        if self.table.aggregation is None:
            return name
        function = {"sum": "sum_of", "min": "smallest", "max": "largest", "count": "count_of"}[self.table.aggregation]
        return converted(call(function, name), field, field.type.optional)

    # ------------------------------------------------------------ by column

    def by_column(self) -> list[str]:
        name = f"{self.step.identifier.upper()}_ROWS"
        lines = comment(f"{self.table.hit_policy}: {', '.join(column.label for column in self.table.inputs)}", 0)
        lines.append(f"{name} = RowTable(")
        for row in self.rows:
            lines.extend(comment(row_words(row, self.table), 4))
            lines.extend(self._row_line(row))
        lines.extend([")", "", "", *header(self.step)])
        if self.lists:
            return [*lines, *self._by_column_lists(name)]
        asked = ", ".join(self.emitter.value(column.expression).text for column in self.table.inputs)
        method = "single" if self.table.hit_policy == "UNIQUE" and not disjoint(self.table) else "first"
        if all(column.default is None for column in self.table.outputs):
            return [*lines, f"    return {name}.{method}({asked})"]
        found = self._free("found")
        lines.append(f"    {found} = {name}.{method}({asked})")
        lines.extend([f"    if {found} is not None:", f"        return {found}"])
        if method == "single":
            lines.extend([f"    if {name}.first({asked}) is not None:", "        return None"])
        return [*lines, *self._none(4)]

    def _by_column_lists(self, name: str) -> list[str]:
        asked = ", ".join(self.emitter.value(column.expression).text for column in self.table.inputs)
        found = self._free("found")
        return [f"    {found} = {name}.all({asked})", *self._collected(found)]

    def _row_line(self, row: Row) -> list[str]:
        cells = ", ".join(admits_source(region(cell)) for cell in row.cells)
        cells = f"({cells},)" if len(row.cells) == 1 else f"({cells})"
        made = self._made(row, 8)
        name = literal(row.id)
        line = f"    ({name}, {cells}, {made[0]}),"
        if len(made) == 1 and width(line) <= LINE:
            return [line]
        made[0] = f"        {made[0]}"
        return ["    (", f"        {name},", *_cells_lines(cells), *made[:-1], f"{made[-1]},", "    ),"]


def _cells_lines(cells: str) -> list[str]:
    line = f"        {cells},"
    if width(line) <= LINE:
        return [line]
    return ["        (", *(f"            {one}," for one in split_arguments(cells[1:-1])), "        ),"]


def row_words(row: Row, table: DecisionTable) -> str:
    """Returns a row as a comment: id, place, cells as written."""
    words = ", ".join(
        f"{column.label} {cell.source}" for column, cell in zip(table.inputs, row.cells, strict=True) if cell.tests
    )
    return f"row {row.id} ({row.origin}): {words or 'always'}"


def admits_source(admits: Admits | None) -> str:
    """Returns the call that makes a cell's region."""
    if admits is None:
        raise ValueError("This cell depends on other fields.")
    if admits.excluded is not None:
        if not admits.excluded and admits.null:
            return "any_value()"
        return call("none_of" if admits.null else "known_but", *(_short(value) for value in admits.excluded)).text
    points = [interval for interval in admits.intervals if interval.low is not None and interval.low == interval.high]
    parts = [call("one_of", *(_short(point.low) for point in points)).text] if points else []
    parts += [_span(interval) for interval in admits.intervals if interval not in points]
    if len(parts) == 1 and not admits.null:
        return parts[0]
    return call("null_or", *parts).text if admits.null else call("any_of", *parts).text


def _span(interval: Interval) -> str:
    ends = ("[" if interval.low_closed else "(") + ("]" if interval.high_closed else ")")
    shown = [] if ends == "[]" else [f'"{ends}"']
    return call("span", _short(interval.low), _short(interval.high), *shown).text


def _short(value: object) -> str:
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 10**15:
        return str(int(value))
    return literal(value)  # type: ignore[arg-type]


def _named(node: Expression) -> bool:
    return isinstance(node, Name) and node.type.kind != "list"
