"""From pieces of text where they stand to lines of text that keep the layout: one for PDF and for images."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from compiled_ai.reading.pages import Edges, tidy

_NARROW = 0.9
"""Of the median width of a letter: columns are a little narrower, so that long texts seldom push what follows."""
_GAP = 2
"""Letters of space from which two pieces are two columns."""
_BLANK = 1.8
"""Heights of a line from which a distance between lines shows as an empty line."""
_WIDEST = 2000
"""Columns; a page that claims to be wider is squeezed."""


def laid_out(pieces: Sequence[Edges]) -> str:
    """Writes pieces onto lines, each at the column that belongs to its left edge.

    What stands below each other on the page stands below each other in the text, as far as the texts leave room.
    """
    if not pieces:
        return ""
    left = min(piece[0] for piece in pieces)
    wide = max(piece[2] for piece in pieces) - left
    letter = median((piece[2] - piece[0]) / len(piece[4]) for piece in pieces)
    pitch = max(letter * _NARROW, wide / _WIDEST, 0.1)
    lines: list[str] = []
    last: list[Edges] = []
    for row in _rows(pieces):
        if last and _baseline(row) - _baseline(last) > _BLANK * max(_height(row), _height(last)):
            lines.append("")
        lines.append(_line(row, left, pitch, letter))
        last = row
    return tidy(lines)


def _baseline(row: Sequence[Edges]) -> float:
    return median(piece[3] for piece in row)


def _height(row: Sequence[Edges]) -> float:
    return median(piece[3] - piece[1] for piece in row)


def _rows(pieces: Sequence[Edges]) -> list[list[Edges]]:
    """Pieces whose middles lie within the first piece of a row belong to it."""
    rows: list[list[Edges]] = []
    for piece in sorted(pieces, key=lambda box: (box[1] + box[3], box[0])):
        middle = (piece[1] + piece[3]) / 2
        if rows and rows[-1][0][1] <= middle <= rows[-1][0][3]:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


def _line(row: Sequence[Edges], left: float, pitch: float, letter: float) -> str:
    text = ""
    end = left
    for piece in sorted(row, key=lambda box: box[0]):
        column = int((piece[0] - left) / pitch)
        if not text:
            text = " " * column
        elif piece[0] - end > _GAP * letter:
            text += " " * max(column - len(text), _GAP)
        else:
            text += " "
        text += piece[4]
        end = max(end, piece[2])
    return text
