"""DOCX: headers, paragraphs and tables in the order of the document, footers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import docx
from docx.table import Table

from compiled_ai.reading.pages import ReadLimits, ReadPage, columns, tidy


def read(content: bytes, _: ReadLimits, __: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns one page: a DOCX has no pages before it is printed."""
    document = docx.Document(io.BytesIO(content))
    headers, footers = [
        [line for section in document.sections for line in _lines(getattr(section, part))]
        for part in ("header", "footer")
    ]
    text = tidy([*_once(headers), "", *_lines(document), "", *_once(footers)])
    warnings = [] if text else ["it holds no text (its pages may be pictures)"]
    return f"python-docx {version('python-docx')}", [ReadPage(text)], warnings


def _lines(part: Any) -> Iterator[str]:
    for block in part.iter_inner_content():
        if isinstance(block, Table):
            yield from columns([_row(row) for row in block.rows])
        else:
            yield from block.text.replace("\t", "    ").split("\n")


def _row(row: Any) -> list[str]:
    """The cells of a row; one that is merged over columns is there once."""
    seen: list[Any] = []
    for cell in row.cells:
        if not any(cell._tc is other._tc for other in seen):
            seen.append(cell)
    return [" ".join(cell.text.split()) for cell in seen]


def _once(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))
