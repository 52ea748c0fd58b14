"""Reference data of a specification: CSV, XLSX or Parquet, typed, keyed, pinned by a digest over its values.

`ndc IN formulary` and `formulary[ndc].tier` read it. A key without its column's type declared is text: codes keep
their leading zeros. Other columns are what all their cells are: numbers, dates, true or false, else text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from compiled_ai.canonical import digest
from compiled_ai.errors import suggest
from compiled_ai.library.lookups import ReferenceTable, table_text
from compiled_ai.library.rules import date_from_text, number_from_text
from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.model import Mark, Table
from compiled_ai.spec.names import Names
from compiled_ai.spec.rules.ast import Place, value_type
from compiled_ai.spec.rules.check import Report
from compiled_ai.spec.rules.literals import WIDTH, text_literal
from compiled_ai.spec.rules.tables import Grid, GridCell, csv_grid
from compiled_ai.spec.sheets import read_sheet

MAX_FINDINGS = 20


@dataclass(frozen=True)
class TableSource:
    """What a specification says about reference data."""

    name: str
    file: str
    keys: tuple[str, ...]
    mark: Mark
    sheet: str | None = None
    range: str | None = None
    columns: Mapping[str, FieldType] = field(default_factory=dict)
    """Types that are declared."""
    effective_from: str | None = None
    effective_to: str | None = None


@dataclass(frozen=True)
class TableReading:
    table: Table | None
    findings: tuple[Finding, ...]


def read_reference_table(source: TableSource, *, folder: Path) -> TableReading:
    """Reads the data of one table; relative names are looked up in `folder`."""
    report = Report(source.mark.file)
    grid, findings = _grid(source, folder, report)
    if grid is None:
        return TableReading(None, (*report.findings, *findings))
    cells = Report(grid.file, grid.sheet)
    reader = _Reader(source, grid, report, cells)
    table = reader.table()
    found = (*report.findings, *cells.findings)
    return TableReading(None if found else table, found)


def _grid(source: TableSource, folder: Path, report: Report) -> tuple[Grid | None, tuple[Finding, ...]]:
    here = Place(source.mark.line, source.mark.column)
    path = folder / source.file
    suffix = path.suffix.lower()
    if not path.is_file():
        report.add("table", here, f"Table {source.name!r}: there is no file {source.file!r} beside the specification.")
    elif suffix == ".xlsx":
        reading = read_sheet(path, file=source.file, sheet=source.sheet, range_=source.range, mark=source.mark)
        return reading.grid, reading.findings
    elif suffix == ".parquet":
        return _parquet(path, source, report), ()
    elif suffix == ".csv":
        return _csv(path, source, report), ()
    else:
        report.add("table", here, f"Table {source.name!r}: {source.file!r} is no .csv, .xlsx or .parquet file.")
    return None, ()


def _csv(path: Path, source: TableSource, report: Report) -> Grid | None:
    here = Place(source.mark.line, source.mark.column)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as fault:
        report.add("table", here, f"{source.file!r} is not UTF-8 (byte {fault.start}). Save it as UTF-8.")
        return None
    grid = csv_grid(text, file=source.file)
    if grid is None:
        report.add("table", here, f"{source.file!r} is empty. Its first line names the columns.")
    return grid


def _parquet(path: Path, source: TableSource, report: Report) -> Grid | None:
    here = Place(source.mark.line, source.mark.column)
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError:
        report.add("table", here, f"{source.file!r} needs the package 'pyarrow'. Install it, or save the data as CSV.")
        return None
    data = parquet.read_table(path)
    header = tuple(GridCell(name, Place(1, column), source.file) for column, name in enumerate(data.column_names, 1))
    columns = [column.to_pylist() for column in data.columns]
    rows = tuple(
        tuple(GridCell(_exact(value), Place(number, place), source.file) for place, value in enumerate(row, 1))
        for number, row in enumerate(zip(*columns, strict=True), 2)
    )
    return Grid(source.file, header, rows, None)


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


@dataclass
class _Reader:
    source: TableSource
    grid: Grid
    report: Report
    """Findings about the specification."""
    cells: Report
    """Findings about cells of the data."""

    def table(self) -> Table | None:
        header = [cell.text for cell in self.grid.header]
        if not self._known(header):
            return None
        identifiers = Names()
        columns = tuple(
            Field(name, identifiers.identifier(name), self._type(name, place)) for place, name in enumerate(header)
        )
        rows = tuple(self._row(row, columns) for row in self.grid.rows)
        if self.cells.findings:
            return None
        self._unique(rows, header)
        return Table(
            name=self.source.name,
            identifier=Names().identifier(self.source.name),
            file=self.source.file,
            keys=self.source.keys,
            columns=columns,
            rows=rows,
            digest=digest(table_text(rows)),
            effective_from=self.source.effective_from,
            effective_to=self.source.effective_to,
            mark=self.source.mark,
        )

    def _known(self, header: Sequence[str]) -> bool:
        named = [*self.source.keys, *self.source.columns, self.source.effective_from, self.source.effective_to]
        here = Place(self.source.mark.line, self.source.mark.column)
        for name in dict.fromkeys(name for name in named if name is not None):
            if name not in header:
                self.report.add(
                    "table", here, f"Table {self.source.name!r} has no column {name!r}.{suggest(name, header)}"
                )
        for cell in self.grid.header:
            if header.count(cell.text) > 1:
                self.cells.add("table", cell.place, f"Column {cell.text!r} occurs twice. Rename one.")
        if not self.source.keys:
            self.report.add("table", here, f"Table {self.source.name!r} needs its key columns: 'keys: [COLUMN]'.")
        return not (self.report.findings or self.cells.findings)

    def _type(self, name: str, place: int) -> FieldType:
        if name in self.source.columns:
            return self.source.columns[name]
        if name in (self.source.effective_from, self.source.effective_to):
            return FieldType("date", optional=True)
        values = [row[place].value for row in self.grid.rows]
        known = [value for value in values if not _missing(value)]
        optional = len(known) < len(values) and name not in self.source.keys
        if name in self.source.keys:
            return FieldType("string")
        for kind, test in (("decimal", _is_number), ("date", _is_date), ("boolean", _is_boolean)):
            if known and all(test(value) for value in known):
                return FieldType(kind, optional=optional)  # type: ignore[arg-type]
        return FieldType("string", optional=optional)

    def _row(self, row: Sequence[GridCell], columns: Sequence[Field]) -> tuple[Any, ...]:
        if len(row) > len(columns):
            self._refuse(row[len(columns)], f"The row has {len(row)} cells, the header {len(columns)}. Quote commas.")
        return tuple(self._value(cell, column) for cell, column in zip(row, columns, strict=False))

    def _value(self, cell: GridCell, column: Field) -> Any:
        if _missing(cell.value):
            if column.name in self.source.keys:
                self._refuse(cell, f"Key {column.name!r} is missing. Every row needs its key.")
            elif not column.type.optional:
                self._refuse(cell, f"{column.name!r} is missing, and declared as required.")
            return None
        kind = value_type(column.type).kind
        value = _READ[kind](cell.value) if kind in _READ else None
        if value is None:
            self._refuse(cell, _misfit(cell, column, kind))
        if column.type.kind == "integer" and isinstance(value, Decimal) and value != value.to_integral_value():
            self._refuse(cell, f"{column.name!r} is declared as integer, and {value} is none.")
        if column.type.enum and value is not None and value not in column.type.enum:
            self._refuse(
                cell, f"{value!r} is not one of the values of {column.name!r}.{suggest(str(value), column.type.enum)}"
            )
        return value

    def _refuse(self, cell: GridCell, message: str) -> None:
        if len(self.cells.findings) < MAX_FINDINGS:
            self.cells.add("table", cell.place, message)

    def _unique(self, rows: Sequence[tuple[Any, ...]], header: Sequence[str]) -> None:
        keys = [header.index(key) for key in self.source.keys]
        seen: dict[tuple[Any, ...], list[int]] = {}
        for number, row in enumerate(rows):
            seen.setdefault(tuple(row[key] for key in keys), []).append(number)
        for key, numbers in seen.items():
            if len(numbers) > 1 and (clash := self._clash(numbers, rows, header)) is not None:
                place = self.grid.rows[clash][keys[0]].place
                shown = ", ".join(map(str, key))
                first = self.grid.rows[numbers[0]][keys[0]]
                where = f"line {first.place.line}" if self.grid.sheet is None else first.origin
                self._refuse(
                    GridCell(None, place),
                    f"Key {shown!r} has two rows in force at once, the first at {where}. Remove one.",
                )

    def _clash(self, numbers: Sequence[int], rows: Sequence[tuple[Any, ...]], header: Sequence[str]) -> int | None:
        if not (self.source.effective_from or self.source.effective_to):
            return numbers[1]
        start = header.index(self.source.effective_from) if self.source.effective_from else None
        end = header.index(self.source.effective_to) if self.source.effective_to else None
        spans = sorted(
            (
                date.min if start is None else rows[number][start] or date.min,
                date.max if end is None else rows[number][end] or date.max,
                number,
            )
            for number in numbers
        )
        for before, after in zip(spans, spans[1:], strict=False):
            if after[0] <= before[1]:
                return after[2]
        return None


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", "null"))


def _is_number(value: Any) -> bool:
    if isinstance(value, Decimal):
        return True
    return isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", value.strip(), re.ASCII) is not None


def _is_date(value: Any) -> bool:
    return isinstance(value, date) or (isinstance(value, str) and date_from_text(value.strip()) is not None)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def _number(value: Any) -> Decimal | None:
    return value if isinstance(value, Decimal) else number_from_text(value.strip()) if isinstance(value, str) else None


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) else date_from_text(value.strip()) if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None


_READ = {"number": _number, "date": _date, "boolean": _boolean, "text": _text}


def _misfit(cell: GridCell, column: Field, kind: str) -> str:
    if kind == "text" and isinstance(cell.value, Decimal):
        return (
            f"{column.name!r} holds text, and the cell is the number {cell.text}. A code may have lost its "
            "leading zeros: format the cell as text."
        )
    if kind == "text" and isinstance(cell.value, date):
        return (
            f"{column.name!r} holds text, and the cell is the date {cell.text}. A value such as 1-2 may have been "
            "turned into a date: format the cell as text."
        )
    if kind not in _READ:
        return f"{column.name!r} is declared as {column.type.kind}, which reference tables do not hold."
    held = {"number": "numbers", "date": "dates", "boolean": "true or false", "text": "text"}[kind]
    return f"{column.name!r} holds {held}, and the cell is {cell.text!r}."


# ---------------------------------------------------------------- for the artifact


def declare_tables(tables: Iterable[Table]) -> str:
    """Returns the constants that compiled rules read; whoever loads the artifact calls `load` on each."""
    return "\n".join(_declared(table) for table in tables)


def _declared(table: Table) -> str:
    kinds = tuple(value_type(column.type).kind for column in table.columns)
    parts = [
        f"name={text_literal(table.identifier)}",
        f"keys={_tuple(table.keys)}",
        f"columns={_tuple([column.name for column in table.columns])}",
        f"kinds={_tuple(kinds)}",
        f"digest={text_literal(table.digest)}",
    ]
    parts += [f"effective_from={text_literal(table.effective_from)}"] if table.effective_from else []
    parts += [f"effective_to={text_literal(table.effective_to)}"] if table.effective_to else []
    listed = "\n".join(f"    {part}," for part in parts)
    return f"# {table.file}, {len(table.rows)} rows\n{table.identifier.upper()} = ReferenceTable(\n{listed}\n)\n"


def _tuple(names: Sequence[str]) -> str:
    one = f"({', '.join(text_literal(name) for name in names)}{',' if len(names) == 1 else ''})"
    if len(one) <= WIDTH - 20:
        return one
    return "(\n" + "\n".join(f"        {text_literal(name)}," for name in names) + "\n    )"


def data_files(tables: Iterable[Table]) -> dict[str, str]:
    """Returns the data files of the artifact's folder `tables`, by name."""
    return {f"{table.identifier}.jsonl": table_text(table.rows) for table in tables}


def filled(table: Table) -> ReferenceTable:
    """Returns the run-time table with its rows, as an artifact has it after loading."""
    made = ReferenceTable(
        table.identifier,
        table.keys,
        tuple(column.name for column in table.columns),
        tuple(value_type(column.type).kind for column in table.columns),
        table.digest,
        table.effective_from,
        table.effective_to,
    )
    made.fill(table.rows)
    return made


__all__ = [
    "TableReading",
    "TableSource",
    "data_files",
    "declare_tables",
    "filled",
    "read_reference_table",
]
