"""XLSX under a contract: what a spreadsheet may silently change is an error, at `file.xlsx[Sheet]!C14`.

Merged cells, hidden rows and columns, formulas without a trustworthy stored value and error values are refused inside
the range. The answer is a grid of typed cells: how the file was saved makes no difference.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from compiled_ai.errors import suggest
from compiled_ai.records import Finding
from compiled_ai.spec.model import Mark
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.check import SHEET_COLUMN, Report, cell_name
from compiled_ai.spec.rules.tables import Grid, GridCell

MAX_CELLS = 5_000_000


@dataclass(frozen=True)
class SheetReading:
    grid: Grid | None
    findings: tuple[Finding, ...]


def read_sheet(path: Path, *, file: str, sheet: str | None, range_: str | None, mark: Mark) -> SheetReading:
    """Reads a range of a sheet (the whole of it, and the first sheet, unless said otherwise).

    `file` is the name for messages; `mark` is where the specification names the file.
    """
    import openpyxl  # type: ignore[import-untyped]

    report = Report(mark.file)
    here = Place(mark.line, mark.column)
    try:
        formulas = openpyxl.load_workbook(path, data_only=False)
        values = openpyxl.load_workbook(path, data_only=True)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as fault:
        report.add("sheet", here, f"Cannot read {file!r} as XLSX: {fault}.")
        return SheetReading(None, tuple(report.findings))
    name = sheet or formulas.sheetnames[0]
    if name not in formulas.sheetnames:
        report.add("sheet", here, f"{file!r} has no sheet {name!r}.{suggest(name, formulas.sheetnames)}")
        return SheetReading(None, tuple(report.findings))
    reader = _Sheet(formulas[name], values[name], Report(file, f"{file}[{name}]"), _calculated_later(path))
    bounds = reader.bounds(range_)
    if bounds is None:
        report.add("sheet", here, f"{range_!r} is no range of cells. Write for example A1:F60.")
        return SheetReading(None, tuple(report.findings))
    grid = reader.grid(bounds)
    if grid is None and not reader.report.findings:
        report.add("sheet", here, f"{file}[{name}] has no cells{f' in {range_}' if range_ else ''}.")
    findings = (*report.findings, *reader.report.findings)
    return SheetReading(None if findings else grid, findings)


_CALCULATION = re.compile(rb"<(?:\w+:)?calcPr\b[^>]*>")


def _calculated_later(path: Path) -> bool:
    """Whether the workbook asks to be calculated when it is opened, or was calculated by hand and is not up to date."""
    with zipfile.ZipFile(path) as book:
        found = _CALCULATION.search(book.read("xl/workbook.xml"))
    said = dict(re.findall(rb'(\w+)\s*=\s*"([^"]*)"', found[0])) if found else {}
    on = (b"1", b"true")
    by_hand = said.get(b"calcMode") == b"manual" and said.get(b"calcCompleted", b"1") not in on
    return by_hand or said.get(b"fullCalcOnLoad") in on


@dataclass(frozen=True)
class _Bounds:
    top: int
    left: int
    bottom: int
    right: int


@dataclass
class _Sheet:
    formulas: Any
    values: Any
    report: Report
    calculated_later: bool
    """Stored values of formulas may be older than what they are computed from."""
    skipped: set[int] = field(default_factory=set)

    def bounds(self, range_: str | None) -> _Bounds | None:
        from openpyxl.utils.cell import range_boundaries  # type: ignore[import-untyped]

        try:
            left, top, right, bottom = range_boundaries(range_ or self.formulas.calculate_dimension())
        except (ValueError, TypeError):
            return None
        if None in (left, top, right, bottom) or (right - left + 1) * (bottom - top + 1) > MAX_CELLS:
            return None
        return _Bounds(top, left, bottom, right)

    def grid(self, bounds: _Bounds) -> Grid | None:
        self._refuse_layout(bounds)
        rows = [tuple(self._row(row, bounds)) for row in range(bounds.top, bounds.bottom + 1)]
        filled = [row for row in rows if any(cell.value is not None for cell in row)]
        if not filled:
            return None
        kept = [place for place in range(len(filled[0])) if any(row[place].value is not None for row in filled)]
        header, *body = [tuple(row[place] for place in kept) for row in filled]
        for cell in header:
            if cell.value is None:
                self._refuse(cell.place, "The column has no header. Name it, or leave it out of the range.")
        return Grid(self.report.file, header, tuple(body), self.report.sheet)

    def _refuse(self, place: Place, message: str) -> None:
        self.report.add("sheet", place, message)

    def _refuse_layout(self, bounds: _Bounds) -> None:
        for merged in self.formulas.merged_cells.ranges:
            rows = merged.min_row <= bounds.bottom and merged.max_row >= bounds.top
            if rows and merged.min_col <= bounds.right and merged.max_col >= bounds.left:
                place = _place(merged.min_row, merged.min_col)
                self._refuse(place, f"Cells {merged.coord} are merged. Unmerge them and fill each cell.")
        for row in range(bounds.top, bounds.bottom + 1):
            if row in self.formulas.row_dimensions and self.formulas.row_dimensions[row].hidden:
                self._refuse(_place(row, bounds.left), f"Row {row} is hidden. Show it or delete it.")
        for column in self._hidden_columns(bounds):
            name = cell_name(_place(bounds.top, column)).rstrip("0123456789")
            self._refuse(_place(bounds.top, column), f"Column {name} is hidden. Show it or delete it.")

    def _hidden_columns(self, bounds: _Bounds) -> Iterator[int]:
        """Hidden columns are stored as runs, under the letter of the first."""
        for dimension in self.formulas.column_dimensions.values():
            if dimension.hidden:
                for column in range(dimension.min or 0, (dimension.max or 0) + 1):
                    if bounds.left <= column <= bounds.right:
                        yield column

    def _row(self, row: int, bounds: _Bounds) -> Iterator[GridCell]:
        for column in range(bounds.left, bounds.right + 1):
            place = _place(row, column)
            yield GridCell(self._value(row, column, place), place, f"{self.report.sheet}!{cell_name(place)}")

    def _value(self, row: int, column: int, place: Place) -> Any:
        stored = self.values.cell(row, column)
        value = stored.value
        if self.formulas.cell(row, column).data_type == "f":
            if value is None:
                self._refuse(place, "The formula has no stored value. Open the file in a spreadsheet and save it.")
            elif self.calculated_later:
                self._refuse(
                    place, "The formula's stored value may be stale: the workbook is set to be calculated later."
                )
        if stored.data_type == "e":
            self._refuse(place, f"The cell holds the error {value}. Correct it.")
            return None
        return self._typed(value, place)

    def _typed(self, value: Any, place: Place) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return Decimal(repr(value))
        if isinstance(value, datetime):
            return value.date() if value.time() == time() else value
        if isinstance(value, (str, date, time)):
            return value if not isinstance(value, str) or value.strip() else None
        self._refuse(place, f"The cell holds a {type(value).__name__}. Write it as text.")
        return None


def _place(row: int, column: int) -> Place:
    return Place(row, column * SHEET_COLUMN)
