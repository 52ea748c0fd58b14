"""A sheet of labels as people keep it, XLSX or CSV, read by the types of a specification's outputs.

Every fault is told with the cell that it stands in (`labels.xlsx[Sheet1]!C14`, `labels.csv:14`). Nothing is guessed: a
date such as `03/04/2024` is an error until another date of the sheet, or the person, says which number is the month,
and `45,50` until another amount of the sheet says which mark stands before the cents.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from compiled_ai.canonical import parse_json, plain_number
from compiled_ai.errors import InputError, NotFound, UsageError, suggest
from compiled_ai.library.dates import FoundDate, find_dates
from compiled_ai.library.money import parse_amount, repair_digits
from compiled_ai.library.types import FieldType
from compiled_ai.records import Finding
from compiled_ai.spec.findings import refuse
from compiled_ai.spec.model import Mark
from compiled_ai.spec.rules.tables import Grid, GridCell, csv_grid
from compiled_ai.spec.sheets import read_sheet

DateOrder = Literal["mdy", "dmy", "ymd"]
DecimalMark = Literal[".", ","]
ORDERS: tuple[DateOrder, ...] = ("mdy", "dmy", "ymd")
NULL = "null"
"""What a cell says if the document states no value; an empty cell is no label at all."""
_NUMERIC_DATE = re.compile(r"\s*(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})\s*")
_ONE_MARK = re.compile(r"[^\d.,]*(\d+)([.,])(\d+)[^\d.,]*")
_SAME_MARKS = re.compile(r"[^\d.,]*(\d+(?:([.,])\d+)(?:\2\d+)+)[^\d.,]*")
_LAST_MARK = re.compile(r"[^\d.,]*\d[\d.,]*([.,])\d+[^\d.,]*")
_WHOLE_DATE = re.compile(r"\d{1,4}\s?([/.\-])\s?\d{1,2}\s?\1\s?['\u2019]?\d{1,4}|\d{8}|.*[^\W\d_]{3}.*\d\d", re.DOTALL)
"""A date in digits and two marks, or with the name of its month: as it is written, nothing in it was put right."""
_TRUTH = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}


class Misread(ValueError):
    """A cell that is no value of its field; the message says why and what to write."""


@dataclass(frozen=True)
class Labels:
    """The rows of a sheet."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, GridCell], ...]

    def named(self, column: str, option: str) -> str:
        """Returns a column of the sheet; raises `UsageError` if there is none of that name."""
        if column not in self.columns:
            raise UsageError(
                f"{self.file!r} has no column {column!r}.{suggest(column, self.columns)}", remedy=f"Correct {option}."
            )
        return column

    def like(self, field: str) -> str | None:
        """Returns the one column that is called as a field is: `Gross Amount` for `gross_amount`."""
        found = [column for column in self.columns if plain_name(column) == plain_name(field)]
        return found[0] if len(found) == 1 else None


def plain_name(text: str) -> str:
    """Letters and digits in lower case."""
    return "".join(filter(str.isalnum, text.casefold()))


def read_labels(path: Path) -> Labels:
    """Reads a sheet: its first row names the columns.

    Raises:
        NotFound: there is no such file.
        UsageError: it is no XLSX or CSV file, or its header cannot be used.
        SpecError: the sheet holds what cannot be trusted (merged or hidden cells, stale formulas), cell by cell.
    """
    if not path.is_file():
        raise NotFound(f"There is no sheet of labels {str(path)!r}.", remedy="Name an XLSX or CSV file with --labels.")
    grid = _grid(path)
    if grid is None:
        raise UsageError(f"{path.name!r} has no rows.", remedy="The first row must name the columns.")
    header = [cell.text for cell in grid.header]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"Column {twice!r} occurs twice in {path.name!r}.", remedy="Rename one.")
    longer = next((row for row in grid.rows if len(row) > len(header)), None)
    if longer is not None:
        raise UsageError(f"{longer[0].origin}: the row has more cells than the header.", remedy="Quote commas in CSV.")
    return Labels(path.name, tuple(header), tuple(dict(zip(header, row, strict=True)) for row in grid.rows))


def _grid(path: Path) -> Grid | None:
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        reading = read_sheet(path, file=path.name, sheet=None, range_=None, mark=Mark(path.name, 1, 1))
        if reading.findings:
            refuse(reading.findings)
        return reading.grid
    if suffix != ".csv":
        raise UsageError(f"{path.name!r} is no .xlsx or .csv file.", remedy="Save the labels as one.")
    try:
        return csv_grid(path.read_bytes().decode("utf-8-sig"), file=path.name)
    except UnicodeDecodeError as fault:
        raise UsageError(f"{path.name!r} is not UTF-8 (byte {fault.start}).", remedy="Save it as UTF-8.") from fault
    except csv.Error as fault:
        raise UsageError(f"{path.name!r} cannot be read: {fault}.", remedy="Save it anew as CSV.") from fault


def date_order(cells: Iterable[GridCell], asked: str | None, findings: list[Finding]) -> DateOrder:
    """Finds out whether the sheet writes the day or the month first.

    It is a finding if the cells contradict each other, or if none of them tells.
    """
    if asked is not None:
        if asked not in ORDERS:
            raise UsageError(f"--date-order is {asked!r}.", remedy="Use mdy, dmy or ymd.")
        return asked
    told: dict[DateOrder, GridCell] = {}
    open_: GridCell | None = None
    for cell in cells:
        found = _NUMERIC_DATE.fullmatch(cell.value) if isinstance(cell.value, str) else None
        if found is None:
            continue
        first, second = int(found[1]), int(found[2])
        if first > 12 or second > 12:
            told.setdefault("dmy" if first > 12 else "mdy", cell)
        elif first != second:
            open_ = open_ or cell
    if len(told) > 1:
        one, other = told.values()
        message = f"dates are written in two orders: {other.text!r} here, {one.text!r} at {one.origin}. Correct one."
        findings.append(Finding(rule="golden.cell", message=message, file=other.origin))
    if open_ is not None and not told:
        message = f"{open_.text!r} may be two days. Say --date-order mdy or --date-order dmy."
        findings.append(Finding(rule="golden.cell", message=message, file=open_.origin))
    return next(iter(told), "mdy")


def decimal_mark(cells: Iterable[GridCell]) -> DecimalMark | None:
    """Finds out what stands before the cents, by cells such as `1.234,50` or `12.50`; `None` if that stays open."""
    told = {mark for cell in cells if isinstance(cell.value, str) and (mark := _told_mark(cell.value))}
    return told.pop() if len(told) == 1 else None


def _told_mark(text: str) -> DecimalMark | None:
    last, one = _LAST_MARK.fullmatch(text), _ONE_MARK.fullmatch(text)
    if last and {".", ","} <= set(text):
        return "," if last[1] == "," else "."
    return "." if one and one[2] == "." and len(one[3]) != 3 else None


@dataclass(frozen=True)
class Writing:
    """How a sheet writes what can be written in two ways."""

    order: DateOrder = "mdy"
    decimal: DecimalMark | None = None
    """`None`: the sheet does not tell."""


def label_of(cell: GridCell, kind: FieldType | None, writing: Writing) -> Any:
    """Returns a cell as JSON value of a field; without a type every label but true and false is text.

    Raises `Misread`.
    """
    if isinstance(cell.value, str) and cell.value.strip().casefold() == NULL:
        return None
    if kind is None:
        return cell.value if isinstance(cell.value, bool) else cell.text
    return _READERS.get(kind.kind, _as_text)(cell, writing)


def amount_as_written(text: str) -> Decimal | None:
    """Returns the amount that a label consists of. `2,795.OO` is none: slips of OCR are repaired in documents only."""
    return parse_amount(text) if repair_digits(text) == text else None


def dates_as_written(text: str, order: DateOrder) -> list[FoundDate]:
    """Returns the dates of a label. `l2/O3/2O24` is none: slips of OCR are repaired in documents only."""
    return [found for found in find_dates(text, order=order) if _WHOLE_DATE.fullmatch(text[found.start : found.end])]


def _as_text(cell: GridCell, _: Writing) -> str:
    return cell.text


def _as_date(cell: GridCell, writing: Writing) -> str:
    if isinstance(cell.value, date) and not isinstance(cell.value, datetime):
        return cell.value.isoformat()
    found = dates_as_written(cell.text, writing.order) if isinstance(cell.value, str) else []
    if len(found) != 1:
        raise Misread(f"{cell.text!r} is not one date. Write it as 2024-05-31.")
    return found[0].value.isoformat()


def _number(cell: GridCell, mark: DecimalMark | None, *, doubtful: str) -> Decimal:
    """Reads a number; `doubtful` are the marks that say nothing by themselves if they stand before three digits."""
    if isinstance(cell.value, Decimal):
        return cell.value
    found = amount_as_written(_plainly(cell.value, mark, doubtful)) if isinstance(cell.value, str) else None
    if found is None:
        raise Misread(f"{cell.text!r} is no number. Write it as 1234.50.")
    return Decimal(found)


def _plainly(text: str, mark: DecimalMark | None, doubtful: str) -> str:
    """The same number with a point before its fraction and nothing between thousands, if it has one mark only.

    One mark several times stands between thousands, or the number may be two (`1,000,00`).
    """
    several = _SAME_MARKS.fullmatch(text)
    if several is not None:
        pieces = several[1].split(several[2])
        if any(len(piece) != 3 for piece in pieces[1:]):
            raise _may_be_two(text, "".join(pieces[:-1]), pieces[-1])
    found = _ONE_MARK.fullmatch(text)
    if found is None:
        return text
    whole, alone, rest = found.groups()
    grouped = len(rest) == 3 and len(whole) <= 3 and not whole.startswith("0")
    if alone == (mark or ".") and not (mark is None and grouped and alone in doubtful):
        return text.replace(alone, ".")
    if grouped and (mark is not None or alone not in doubtful):
        return text.replace(alone, "")
    raise _may_be_two(text, whole, rest)


def _may_be_two(text: str, whole: str, rest: str) -> Misread:
    return Misread(f"{text!r} may be {whole}.{rest} or {whole}{rest}. Write the one that it is, with a point or none.")


def _as_money(cell: GridCell, writing: Writing) -> str:
    return plain_number(_number(cell, writing.decimal, doubtful=".,"))


def _as_number(cell: GridCell, writing: Writing) -> Decimal:
    return _number(cell, writing.decimal, doubtful=",")


def _as_integer(cell: GridCell, writing: Writing) -> int:
    number = _number(cell, writing.decimal, doubtful="")
    if number != number.to_integral_value():
        raise Misread(f"{cell.text!r} is no whole number.")
    return int(number)


def _as_boolean(cell: GridCell, _: Writing) -> bool:
    value = _TRUTH.get(cell.text.casefold())
    if value is None:
        raise Misread(f"{cell.text!r} is neither true nor false. Write yes or no.")
    return value


def _as_json(cell: GridCell, _: Writing) -> Any:
    try:
        return parse_json(cell.text)
    except InputError as fault:
        raise Misread(f"{cell.text!r} is not JSON. Write lists and objects as JSON.") from fault


_READERS: Mapping[str, Callable[[GridCell, Writing], Any]] = {
    "date": _as_date,
    "money": _as_money,
    "decimal": _as_number,
    "float": _as_number,
    "integer": _as_integer,
    "boolean": _as_boolean,
    "list": _as_json,
    "object": _as_json,
    "json": _as_json,
    "box": _as_json,
}


def cell_finding(cell: GridCell, column: str, message: str) -> Finding:
    """A fault of one cell."""
    return Finding(rule="golden.cell", message=f"column {column!r}: {message}", file=cell.origin)


def texts(rows: Sequence[Mapping[str, GridCell]], columns: Iterable[str]) -> list[GridCell]:
    """All cells of some columns."""
    return [row[column] for column in columns for row in rows]
