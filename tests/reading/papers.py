"""Documents for the tests, drawn by hand: no program of an office is needed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SIZE = 8.0
"""Height of the letters of a drawn PDF, in points; Courier is 0.6 of it wide."""


def pdf(*pages: str) -> bytes:
    """Returns a PDF whose pages show these texts in Courier, each word where it stands; an empty page is a picture."""
    parts = ["", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"]
    wide = max((len(line) for page in pages for line in page.split("\n")), default=0) * _SIZE * 0.6 + 80
    high = max((page.count("\n") for page in pages), default=0) * _SIZE * 1.3 + 80
    kids = []
    for page in pages:
        drawn = _drawn(page, high)
        parts.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
        content = len(parts)
        parts.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {wide:.0f} {high:.0f}] /Contents {content} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(parts)} 0 R")
    parts[0] = "<< /Type /Catalog /Pages 2 0 R >>"
    parts[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    return assembled([part.encode("cp1252") for part in parts])


def assembled(parts: Sequence[bytes]) -> bytes:
    """Returns a PDF file of numbered objects, of which the first is the catalogue."""
    out = b"%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (len(parts) + 1, table, end)


def _drawn(page: str, high: float) -> str:
    shown = []
    for row, line in enumerate(page.split("\n")):
        for piece in re.finditer(r"\S+(?: \S+)*", line):
            text = re.sub(r"([\\()])", r"\\\1", piece[0])
            x, y = 40 + piece.start() * _SIZE * 0.6, high - 40 - row * _SIZE * 1.3
            shown.append(f"1 0 0 1 {x:.2f} {y:.2f} Tm ({text}) Tj")
    return "\n".join([f"BT /F1 {_SIZE} Tf", *shown, "ET"]) if shown else "0 0 50 50 re f"


def docx(path: Path, paragraphs: Sequence[str], table: Sequence[Sequence[str]] = ()) -> Path:
    import docx as word

    document = word.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    if table:
        drawn = document.add_table(len(table), len(table[0]))
        for row, cells in enumerate(table):
            for column, text in enumerate(cells):
                drawn.cell(row, column).text = text
    document.save(str(path))
    return path


def xlsx(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    import openpyxl  # type: ignore[import-untyped]

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def with_parts(path: Path, changed: Mapping[str, bytes]) -> Path:
    """Rewrites an Office file with some parts changed or added."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()} | changed
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    path.write_bytes(out.getvalue())
    return path
