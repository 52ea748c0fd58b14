"""Cells: the runs of words that stand together on a page, cut from its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from compiled_ai.library.places import Located, Place

if TYPE_CHECKING:
    from compiled_ai.library.layout import Page

_LONGEST_CELL = 1000
"""Longer runs of words are cut into cells of at most so many characters (prose, or a hostile page)."""
_CELL = re.compile(r"[^\s|]+(?:[ \u00a0][^\s|]+)*")


class Cell(NamedTuple):
    """A run of words that stand together. `x0` and `x1` are columns in characters, `row` the position of its row."""

    text: Located
    row: int
    x0: float
    x1: float
    start: int
    """Position of its first character in `Page.text`."""


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring lines of one column, such as an address: the cells from top to bottom."""

    cells: tuple[Cell, ...]

    @property
    def text(self) -> Located:
        """The lines, joined by line breaks."""
        return join([cell.text for cell in self.cells], "\n")

    @property
    def lines(self) -> tuple[Located, ...]:
        return tuple(cell.text for cell in self.cells)


def join(parts: Sequence[str], between: str = " ") -> Located:
    """Joins texts and their places: for a value that goes on in the next line."""
    places = [part.place for part in parts if isinstance(part, Located)]
    spans = tuple(span for place in places if place for span in place.spans)
    return Located(between.join(parts), Place(spans) if spans else None)


def cells_of(line: str, row: int, start: int) -> tuple[Cell, ...]:
    """Cuts a line of a text, the one of a row, into its cells; `start` is the position of its first character."""
    stops = "\t" in line
    cells = []
    for first, last in pieces_of(line):
        text = Located(line[first:last], (start + first, start + last, row + 1, first + 1, None, None))
        x0 = len(line[:first].expandtabs(8)) if stops and first < 2000 else first
        cells.append(Cell(text, row, x0, x0 + last - first, start + first))
    return tuple(cells)


def pieces_of(line: str) -> list[tuple[int, int]]:
    """First and last character of each cell of a line; a cell of unreasonable length is cut."""
    pieces = [match.span() for match in _CELL.finditer(line)]
    if len(line) <= _LONGEST_CELL:
        return pieces
    return [part for first, last in pieces for part in _cut(line, first, last)]


def _cut(line: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    while last - first > _LONGEST_CELL:
        cut = line.rfind(" ", first + 1, first + _LONGEST_CELL)
        cut = cut if cut > 0 else first + _LONGEST_CELL
        yield first, cut
        first = cut + (line[cut] == " ")
    yield first, last


def blocks_of(page: Page) -> tuple[Block, ...]:
    """Puts cells below each other into blocks, sorted by their first cells; called as `Page.blocks()`."""
    blocks: list[list[Cell]] = []
    done: list[list[Cell]] = []
    for row in filter(None, page.rows):
        y = page.y(row[0].row)
        far = {above for above in {block[-1].row for block in blocks} if y - page.y(above) >= 1.8}
        if far:
            done += [block for block in blocks if block[-1].row in far]
            blocks = [block for block in blocks if block[-1].row not in far]
        blocks += _added(blocks[:60], row[:60])
    done += blocks
    done.sort(key=lambda block: (block[0].row, block[0].x0))
    return tuple(Block(tuple(block)) for block in done)


def _added(above: list[list[Cell]], row: Sequence[Cell]) -> list[list[Cell]]:
    """Adds the cells of a row to the blocks above it, each once; returns new blocks of those that fit to none."""
    fresh: list[list[Cell]] = []
    for cell in row:
        for at, block in enumerate(above):
            if _aligned(block[-1], cell):
                above.pop(at).append(cell)
                break
        else:
            fresh.append([cell])
    return fresh


def _aligned(above: Cell, below: Cell) -> bool:
    return abs(above.x0 - below.x0) <= 1.5 or abs((above.x0 + above.x1) - (below.x0 + below.x1)) <= 5
