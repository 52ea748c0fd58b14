"""Images through Tesseract: words where they stand, and a text that keeps their layout."""

from __future__ import annotations

import io
import warnings as python_warnings
from collections.abc import Iterator
from itertools import groupby
from statistics import median

import pytesseract  # type: ignore[import-untyped]
from PIL import Image, ImageSequence

from compiled_ai.reading.grid import laid_out
from compiled_ai.reading.pages import Edges, ReadLimits, ReadPage, Unreadable

_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")
_DOUBTFUL = 60
"""Tesseract's confidence (0 to 100) below which a page is worth a warning."""


def read(content: bytes, limits: ReadLimits, languages: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns one page a frame. Raises `Unreadable` if Tesseract is not installed or lacks a language."""
    try:
        reader = f"tesseract {pytesseract.get_tesseract_version()}"
    except pytesseract.TesseractNotFoundError as fault:
        raise Unreadable(
            "is an image, and Tesseract is not installed.",
            "Install it (Debian package tesseract-ocr), or give a file with text.",
            missing="tesseract",
        ) from fault
    lacking = [name for name in languages.split("+") if name not in pytesseract.get_languages()]
    if lacking:
        raise Unreadable(
            f"cannot be read in {lacking[0]!r}.", f"Install Tesseract's data for {lacking[0]!r}.", missing=lacking[0]
        )
    pages: list[ReadPage] = []
    warnings: list[str] = []
    for number, frame in enumerate(_frames(content, limits), 1):
        page, confidence = _page(frame, languages)
        pages.append(page)
        if confidence is None or confidence < _DOUBTFUL:
            said = "shows no words" if confidence is None else f"was read with a confidence of {confidence:.0f} %"
            warnings.append(f"page {number} {said}")
    return reader, pages, warnings


def _frames(content: bytes, limits: ReadLimits) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                if getattr(image, "n_frames", 1) > limits.max_pages:
                    raise Unreadable(f"has more than {limits.max_pages} frames.", "Split it, or raise max_pages.")
                for frame in ImageSequence.Iterator(image):
                    yield frame.convert("L")
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as fault:
            raise Unreadable(
                f"has more than {limits.max_pixels:,} pixels.", "Make it smaller, or raise max_pixels."
            ) from fault


def _page(frame: Image.Image, languages: str) -> tuple[ReadPage, float | None]:
    found = pytesseract.image_to_data(frame, lang=languages, output_type=pytesseract.Output.DICT)
    words: list[tuple[tuple[int, ...], Edges, float]] = []
    for index, text in enumerate(found["text"]):
        if text.strip():
            x, y = found["left"][index], found["top"][index]
            edges = (float(x), float(y), float(x + found["width"][index]), float(y + found["height"][index]), text)
            place = tuple(found[key][index] for key in ("block_num", "par_num", "line_num"))
            words.append((place, edges, float(found["conf"][index])))
    if not words:
        return ReadPage(""), None
    boxes = [_united([word[1] for word in line]) for _, line in groupby(words, key=lambda word: word[0])]
    return ReadPage(laid_out([word[1] for word in words]), tuple(boxes)), median(word[2] for word in words)


def _united(line: list[Edges]) -> Edges:
    return (
        min(word[0] for word in line),
        min(word[1] for word in line),
        max(word[2] for word in line),
        max(word[3] for word in line),
        " ".join(word[4] for word in line),
    )
