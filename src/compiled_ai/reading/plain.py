"""Plain text: the encoding is found, never guessed in silence."""

from __future__ import annotations

import codecs

from compiled_ai.reading.pages import ReadLimits, ReadPage, Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGAL = frozenset("\t\n\r\f\v\x1b\x85")
_CONTROL_SHARE = 0.01


def read(content: bytes, _: ReadLimits, __: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns the text as it is, with `\\n` at the ends of lines."""
    text, warnings = decoded(content)
    return "plain", [ReadPage(text.replace("\r\n", "\n").replace("\r", "\n"))], warnings


def decoded(content: bytes) -> tuple[str, list[str]]:
    """Returns the text of bytes, and a warning where the encoding is neither marked nor UTF-8."""
    warnings: list[str] = []
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    try:
        text = content.decode(marked or "utf-8")
    except UnicodeDecodeError as fault:
        if marked:
            raise Unreadable(f"is marked as {marked} and is not (byte {fault.start}).", "Save it as UTF-8.") from fault
        text = content.decode("cp1252", "replace")
        warnings.append(f"not UTF-8 (byte {fault.start}): read as Windows-1252")
    odd = sum(character < " " and character not in _LEGAL for character in text)
    if "\0" in text or odd > len(text) * _CONTROL_SHARE:
        raise Unreadable("is binary, not text.", "Name a PDF, HTML, DOCX, XLSX, image or text file.")
    return text, warnings
