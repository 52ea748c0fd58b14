"""PDF through pypdf: text with its layout kept, and pieces of text where they stand."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pypdf
from pypdf.errors import FileNotDecryptedError

from compiled_ai.reading.grid import laid_out
from compiled_ai.reading.pages import Edges, ReadLimits, ReadPage, Unreadable, tidy

_SIGNS = 4
"""A page with fewer letters and digits has no text layer worth the name."""
_MOST = 0.9
"""Share of a page's letters and digits that its layout must hold."""
_PIECE = re.compile(r"\S+(?: \S+)*")
_GAP = 0.25
"""Of the height of the letters: pieces that are closer on one line belong together."""


def read(content: bytes, limits: ReadLimits, _: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns the pages; those that are pictures of text are named in the warnings.

    Raises `Unreadable` for an encrypted file, for too many pages, and if no page has any text.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    document = _document(content)
    count = len(document.pages)
    if count > limits.max_pages:
        raise Unreadable(f"has {count} pages, more than {limits.max_pages}.", "Split it, or raise max_pages.")
    read_pages = [_page(page, number) for number, page in enumerate(document.pages, 1)]
    pages = [page for page, _ in read_pages]
    warnings = [warning for _, told in read_pages for warning in told]
    if all(_signs(page.text) < _SIGNS for page in pages):
        raise Unreadable(
            "has no text layer: its pages are pictures.",
            "Run an OCR program over it (for example ocrmypdf), or save its pages as images.",
        )
    if fields := document.get_form_text_fields():
        told = [f"{name}: {value}" for name, value in fields.items() if value]
        pages[-1] = ReadPage("\n".join([pages[-1].text, *told]), pages[-1].boxes)
        warnings += [f"{len(told)} values of form fields stand at the end of the text"] if told else []
    return f"pypdf {pypdf.__version__}", pages, warnings


def _document(content: bytes) -> pypdf.PdfReader:
    try:
        document = pypdf.PdfReader(io.BytesIO(content))
    except RecursionError:
        raise
    except RuntimeError as fault:  # an encryption or a filter that pypdf does not know
        raise Unreadable(f"cannot be opened: {fault}.", "Save it anew, without a password.") from fault
    if document.is_encrypted:
        try:
            opened = document.decrypt("")
        except FileNotDecryptedError as fault:
            raise Unreadable(f"is encrypted: {fault}.", "Save it without a password.") from fault
        if not opened:
            raise Unreadable("is encrypted.", "Save it without a password.")
    return document


def _page(page: Any, number: int) -> tuple[ReadPage, list[str]]:
    """Reads a page with its layout; text whose place pypdf does not tell is not lost in silence."""
    if page.rotation:
        page.transfer_rotation_to_content()
    plain = page.extract_text().replace("\0", "")
    there = _signs(plain)
    if there < _SIGNS:
        return ReadPage(tidy(plain.split("\n"))), [f"page {number} has no text layer"]
    boxes = tuple(_joined(list(_pieces(page))))
    seen = sum(_signs(box[4]) for box in boxes)
    if seen < there / 2:
        return ReadPage(tidy(plain.split("\n"))), [f"page {number} is nested: its layout was not kept"]
    lost = [f"page {number} has turned or nested text that was left out"] if seen < _MOST * there else []
    return ReadPage(laid_out(boxes), boxes), lost


def _signs(text: str) -> int:
    return sum(map(str.isalnum, text))


def _pieces(page: Any) -> Iterator[Edges]:
    """Each shown text with its edges in points: x from the leftmost text, y from the top of the page.

    pypdf writes a gap within one text object as several spaces: there a new piece begins.
    pypdf has places only within its layout mode; the names used below are the only ones that it does not document.
    """
    from pypdf._text_extraction._layout_mode import text_show_operations
    from pypdf.generic import ContentStream

    if "/Contents" not in page:
        return
    operations = iter(ContentStream(page["/Contents"].get_object(), page.pdf, "bytes").operations)
    top = float(page.mediabox.top)
    for shown in text_show_operations(operations, page._layout_mode_fonts()):
        if shown["text"].strip(" \0"):
            y = shown["ty"] if shown["flip_sort"] < 0 else top - shown["ty"]
            x0, x1 = shown["tx"], max(shown["displaced_tx"], shown["tx"])
            pitch = (x1 - x0) / len(shown["text"])
            for piece in _PIECE.finditer(shown["text"]):
                left, right = round(x0 + pitch * piece.start(), 1), round(x0 + pitch * piece.end(), 1)
                yield left, round(y - shown["font_height"], 1), right, round(y, 1), piece[0]


def _joined(pieces: list[Edges]) -> Iterator[Edges]:
    """Joins what a producer cut up letter by letter or word by word: neighbours on one line."""
    last: Edges | None = None
    for piece in sorted(pieces, key=lambda box: (round(box[3]), box[0])):
        if last is not None and _neighbours(last, piece):
            space = " " if piece[0] - last[2] > _GAP / 2 * (last[3] - last[1]) else ""
            text = f"{last[4]}{space}{piece[4]}"
            last = (last[0], min(last[1], piece[1]), max(last[2], piece[2]), max(last[3], piece[3]), text)
            continue
        if last is not None:
            yield (*last[:4], " ".join(last[4].split()))
        last = piece
    if last is not None:
        yield (*last[:4], " ".join(last[4].split()))


def _neighbours(left: Edges, right: Edges) -> bool:
    height = left[3] - left[1]
    return abs(left[3] - right[3]) <= height / 4 and -height <= right[0] - left[2] <= _GAP * height
