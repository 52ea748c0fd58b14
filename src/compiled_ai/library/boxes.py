"""Boxes of a scanned page, as OCR gives them, put into rows of cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from compiled_ai.library.cells import Cell
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
    for members in _in_rows(numbered):
        rows.append(_cells(members, len(rows), start, width))
        lines.append("  ".join(cell.plain for cell in rows[-1]))
        heights.append(_median([(box.y0 + box.y1) / 2 for _, box in members]) / (1.25 * height))
        start += len(lines[-1]) + 1
    return RowsOfBoxes("\n".join(lines), tuple(rows), heights)


def _cells(members: Sequence[_Numbered], row: int, start: int, width: float) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for index, box in members:
        text = _SPACE.sub(" ", box.text)
        edges = (box.x0, box.y0, box.x1, box.y1)
        cells.append(Cell(text, row, box.x0 / width, box.x1 / width, start, len(cells) + 1, index, edges))
        start += len(text) + 2
    return tuple(cells)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


class _Row:
    """A row that is being filled, from left to right."""

    def __init__(self, first: _Numbered) -> None:
        self.members = [first]
        self._lowest = first[1].y1

    def add(self, one: _Numbered) -> None:
        self.members.append(one)
        self._lowest = max(self._lowest, one[1].y1)

    def share(self, box: Box) -> float:
        """How much of its height a box shares with the nearest member; 0 where it covers that, or lies below."""
        if self._lowest <= box.y0:
            return 0.0
        near = _nearest(self.members[-12:], box)
        if min(near.x1, box.x1) - max(near.x0, box.x0) > 0.3 * min(near.x1 - near.x0, box.x1 - box.x0):
            return 0.0
        shared = min(near.y1, box.y1) - max(near.y0, box.y0)
        return shared / max(1e-9, min(near.y1 - near.y0, box.y1 - box.y0))


def _in_rows(boxes: Sequence[_Numbered]) -> list[list[_Numbered]]:
    """Puts boxes into rows: each joins the row whose nearest member it overlaps most; a slanted page stays in rows."""
    rows: list[_Row] = []
    for one in sorted(boxes, key=lambda one: ((one[1].y0 + one[1].y1) / 2, one[1].x0)):
        best, overlap = None, 0.45
        for row in rows[-4:]:
            share = row.share(one[1])
            if share > overlap:
                best, overlap = row, share
        if best is None:
            rows.append(_Row(one))
        else:
            best.add(one)
    sides = [sorted(row.members, key=lambda one: one[1].x0) for row in rows]
    return sorted(sides, key=lambda row: _median([(box.y0 + box.y1) / 2 for _, box in row]))


def _nearest(members: Sequence[_Numbered], box: Box) -> Box:
    """The member with the smallest gap to the left or right of a box, of equals the first."""
    best, least = members[0][1], float("inf")
    for _, member in members:
        gap = max(member.x0 - box.x1, box.x0 - member.x1)
        if gap <= 0:
            return member
        if gap < least:
            best, least = member, gap
    return best
