"""Boxes of a scanned page, as OCR gives them, put into rows of cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from compiled_ai.library.cells import Cell
from compiled_ai.library.places import Located
from compiled_ai.library.values import Box

_Numbered = tuple[int, Box]
"""A box and its position in the input."""
_SPACE = re.compile(r"\s")


def _box(box: Box | Sequence[object]) -> Box:
    if isinstance(box, Box):
        return box
    x0, y0, x1, y1, text = box
    if not isinstance(text, str):
        raise ValueError(f"{box!r} is no box; give [x0, y0, x1, y1, text].")
    return Box(float(str(x0)), float(str(y0)), float(str(x1)), float(str(y1)), text)


class RowsOfBoxes(NamedTuple):
    """The rows of a page of boxes, from top to bottom."""

    text: str
    """The rows as lines, cells apart by two spaces."""
    rows: tuple[tuple[Cell, ...], ...]
    heights: list[float]
    """The middle of each row, in lines from the top."""


def rows_of(given: Iterable[Box | Sequence[object]]) -> RowsOfBoxes:
    """Finds the rows of boxes `[x0, y0, x1, y1, text]`, in any order and unit; boxes without text are left out."""
    numbered = [(index, box) for index, box in enumerate(map(_box, given)) if box.text.strip()]
    width = _median([(box.x1 - box.x0) / len(box.text) for _, box in numbered if len(box.text) > 2]) or 1.0
    height = _median([box.y1 - box.y0 for _, box in numbered]) or 1.0
    rows: list[tuple[Cell, ...]] = []
    lines: list[str] = []
    heights: list[float] = []
    start = 0
    for members in _in_rows(numbered, height):
        rows.append(_cells(members, len(rows), start, width))
        lines.append("  ".join(cell.text for cell in rows[-1]))
        heights.append(_median([(box.y0 + box.y1) / 2 for _, box in members]) / (1.25 * height))
        start += len(lines[-1]) + 1
    return RowsOfBoxes("\n".join(lines), tuple(rows), heights)


def _cells(members: Sequence[_Numbered], row: int, start: int, width: float) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for index, box in members:
        text = _SPACE.sub(" ", box.text)
        extent = (0, len(text), row + 1, len(cells) + 1, index, (box.x0, box.y0, box.x1, box.y1))
        cells.append(Cell(Located(text, extent), row, box.x0 / width, box.x1 / width, start))
        start += len(text) + 2
    return tuple(cells)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def _in_rows(boxes: Sequence[_Numbered], height: float) -> list[list[_Numbered]]:
    """Puts boxes into rows: each joins the row whose nearest member it overlaps most; a slanted page stays in rows."""
    rows: list[list[_Numbered]] = []
    for index, box in sorted(boxes, key=lambda one: ((one[1].y0 + one[1].y1) / 2, one[1].x0)):
        best, overlap = None, 0.45
        for row in rows[-4:]:
            near = min(row[-12:], key=lambda one: _apart(one[1], box))[1]
            if min(near.x1, box.x1) - max(near.x0, box.x0) > 0.3 * min(near.x1 - near.x0, box.x1 - box.x0):
                continue
            shared = min(near.y1, box.y1) - max(near.y0, box.y0)
            share = shared / max(1e-9, min(near.y1 - near.y0, box.y1 - box.y0))
            if share > overlap:
                best, overlap = row, share
        if best is None:
            rows.append([(index, box)])
        else:
            best.append((index, box))
    for row in rows:
        row.sort(key=lambda one: one[1].x0)
    return sorted(rows, key=lambda row: _median([(box.y0 + box.y1) / 2 for _, box in row]))


def _apart(one: Box, other: Box) -> float:
    return max(one.x0 - other.x1, other.x0 - one.x1, 0.0)
