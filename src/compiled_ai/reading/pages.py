"""What reading gives: pages of text and boxes, and the limits within which a file is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Format = Literal["pdf", "html", "docx", "xlsx", "image", "text"]
Edges = tuple[float, float, float, float, str]
"""`(x0, y0, x1, y1, text)`, y grows downwards."""


@dataclass(frozen=True)
class ReadLimits:
    """What reading one file may use; beyond it the file is refused."""

    max_bytes: int = 50_000_000
    """Size of the file."""
    max_unpacked_bytes: int = 200_000_000
    """Size of what is compressed in it: parts of DOCX and XLSX, streams of PDF."""
    max_pages: int = 500
    """Pages, sheets, or frames of an image."""
    max_characters: int = 10_000_000
    """Length of the text."""
    max_pixels: int = 100_000_000
    """Pixels of one image."""
    memory_mb: int = 1024
    """Address space of the process that reads."""
    seconds: int = 60
    """Processor time of that process; on the clock it may take three times as long."""


@dataclass(frozen=True)
class ReadPage:
    text: str
    boxes: tuple[Edges, ...] = ()
    """Pieces of text where they stand, for inputs of type `list[box]`: points in a PDF, pixels in an image.
    Empty where the format has no places (HTML, DOCX, XLSX, plain text)."""


@dataclass(frozen=True)
class ReadText:
    """One document, read."""

    name: str
    """The file's name, without its folder."""
    format: Format
    reader: str
    """What read it, with its version: another version may lay text out differently."""
    pages: tuple[ReadPage, ...]
    warnings: tuple[str, ...] = ()
    """What a person should know: pages without a text layer, hidden sheets, a guessed encoding."""

    @property
    def text(self) -> str:
        """The whole text. Pages of PDF and image end with a form feed, sheets with an empty line."""
        if self.format in ("pdf", "image"):
            return "".join(f"{page.text}\n\f" for page in self.pages)
        return "\n\n".join(page.text for page in self.pages)

    @property
    def boxes(self) -> list[list[Any]]:
        """The boxes of all pages as JSON values; each page below the one before."""
        shifted: list[list[Any]] = []
        offset = 0.0
        for page in self.pages:
            shifted += [[x0, y0 + offset, x1, y1 + offset, text] for x0, y0, x1, y1, text in page.boxes]
            offset = max([offset, *(box[3] for box in shifted)])
        return shifted

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "format": self.format,
            "reader": self.reader,
            "text": self.text,
            "pages": [{"text": page.text, "boxes": [list(box) for box in page.boxes]} for page in self.pages],
            "warnings": list(self.warnings),
        }


class Unreadable(Exception):
    """A file that cannot be read, from within the process that reads: message and remedy."""

    def __init__(self, message: str, remedy: str = "", *, missing: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.missing = missing
        """What is not installed here, if that is the cause."""


def tidy(lines: list[str]) -> str:
    """Joins lines without trailing spaces, and with at most two empty lines in a row, none at the ends."""
    kept: list[str] = []
    for line in (line.rstrip() for line in lines):
        if line or kept[-2:] != ["", ""]:
            kept.append(line)
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    return "\n".join(kept)


def columns(rows: list[list[str]], *, widest: int = 60) -> list[str]:
    """Lays cells out in columns, two spaces apart; a cell wider than `widest` pushes its own row only."""
    count = max(map(len, rows), default=0)
    widths = [
        max((len(row[place]) for row in rows if place < len(row) and len(row[place]) <= widest), default=0)
        for place in range(count)
    ]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
