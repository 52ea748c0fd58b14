"""DOCX and XLSX are ZIP archives of XML: what is looked at before a reader is let at them."""

from __future__ import annotations

import io
import zipfile
from typing import IO

from compiled_ai.reading.pages import Format, ReadLimits, Unreadable

_MOST_PARTS = 10_000
_BLOCK = 1 << 20
_TYPES = ("<!DOCTYPE", "<!ENTITY")
_FORBIDDEN = tuple(word.encode(coding) for word in _TYPES for coding in ("utf-8", "utf-16-le", "utf-16-be"))
"""The standard (ECMA-376 part 2) allows no document type in a part: it is how entities multiply or name files."""
_LONGEST = max(map(len, _FORBIDDEN))


def office_format(content: bytes, limits: ReadLimits) -> Format:
    """Returns `docx` or `xlsx` for an archive that unpacks within the limits and holds no document type."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _inspect(archive, limits)
            names = set(archive.namelist())
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError) as fault:
        raise Unreadable(f"is a damaged or encrypted archive: {fault}.", "Save it anew, without a password.") from fault
    if "word/document.xml" in names:
        return "docx"
    if "xl/workbook.xml" in names:
        return "xlsx"
    raise Unreadable("is an archive, but neither DOCX nor XLSX.", "Unpack it, and name one document.")


def _inspect(archive: zipfile.ZipFile, limits: ReadLimits) -> None:
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if len(parts) > _MOST_PARTS or size > limits.max_unpacked_bytes:
        raise Unreadable(
            f"unpacks to {len(parts):,} parts with {size:,} bytes, more than {limits.max_unpacked_bytes:,}.",
            "It may be made to harm; if not, split it or raise max_unpacked_bytes.",
        )
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels", ".vml")):
            with archive.open(part) as stream:
                _refuse_types(stream, part.filename)


def _refuse_types(stream: IO[bytes], name: str) -> None:
    kept = b""
    while block := stream.read(_BLOCK):
        window = kept + block
        if any(word in window for word in _FORBIDDEN):
            raise Unreadable(f"declares a document type in {name!r}, which such files must not.", "Save it anew.")
        kept = window[-_LONGEST:]
