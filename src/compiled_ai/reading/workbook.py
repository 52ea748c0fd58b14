"""XLSX: every sheet a page, its cells in columns, as stored (formulas by their stored results)."""

from __future__ import annotations

import io
import warnings as python_warnings
from datetime import date, datetime, time
from importlib.metadata import version
from typing import Any

import openpyxl  # type: ignore[import-untyped]

from compiled_ai.reading.pages import ReadLimits, ReadPage, Unreadable, columns, tidy

_MOST_CELLS = 2_000_000


def read(content: bytes, limits: ReadLimits, _: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns one page a sheet; hidden sheets are read too, and named in the warnings."""
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # of openpyxl, about styles and extensions that it leaves out
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        if len(book.sheetnames) > limits.max_pages:
            raise Unreadable(f"has {len(book.sheetnames)} sheets, more than {limits.max_pages}.", "Split it.")
        pages = [ReadPage(tidy(columns(_rows(sheet)))) for sheet in book.worksheets]
    hidden = [f"sheet {sheet.title!r} is hidden, and was read" for sheet in book.worksheets if _is_hidden(sheet)]
    return f"openpyxl {version('openpyxl')}", pages, hidden


def _is_hidden(sheet: Any) -> bool:
    return bool(sheet.sheet_state != "visible")


def _rows(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # what a file says of its size need not be true
    rows: list[list[str]] = []
    count = 0
    for cells in sheet.iter_rows(values_only=True):
        row = [_shown(value) for value in cells]
        while row and not row[-1]:
            row.pop()
        count += len(row)
        if count > _MOST_CELLS:
            raise Unreadable(f"has more than {_MOST_CELLS:,} cells in {sheet.title!r}.", "Split it.")
        if row or rows[-2:] != [[], []]:
            rows.append(row)
    return rows


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return " ".join(str(value).split())
