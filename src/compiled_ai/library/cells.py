"""Cells: the runs of words that stand together on a page, cut from its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from compiled_ai.library.places import Extent, Located, Place

if TYPE_CHECKING:
    from compiled_ai.library.layout import Page

_LONGEST_CELL = 1000
"""Longer runs of words are cut into cells of at most so many characters (prose, or a hostile page)."""
_CELL = re.compile(r"[^\s|]++(?:[ \u00a0][^\s|]++)*+")


class Cell(NamedTuple):
    """A run of words that stand together. `x0` and `x1` are columns in characters, `row` the position of its row."""

    plain: str
    """Its text as a plain `str`, which is quicker to look at than `text`."""
    row: int
    x0: float
    x1: float
    start: int
    """Position of its first character in `Page.text`."""
    column: int
    """Where it begins in its line (1-based); of a box, its position in the row."""
    box: int | None = None
    """Position of its box in the input."""
    edges: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of its box."""

    @property
    def text(self) -> Located:
        """Its text, which knows its place: made when it is asked for, since few of a page's thousands are."""
        return Located(self.plain, self.extent)

    @property
    def extent(self) -> Extent:
        """Where it stands, as `Located` keeps it: in the text of the page, or in that of its box."""
        first = self.start if self.box is None else 0
        return first, first + len(self.plain), self.row + 1, self.column, self.box, self.edges


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
    tabs = "\t" in line
    make = tuple.__new__
    cells = []
    first = last = 0
    for text in texts_of(line):
        first = line.index(text, last)
        last = first + len(text)
        x0 = len(line[:first].expandtabs(8)) if tabs and first < 2000 else first
        cells.append(make(Cell, (text, row, x0, x0 + last - first, start + first, first + 1, None, None)))
    return tuple(cells)


def texts_of(line: str) -> list[str]:
    """The texts of the cells of a line, from left to right; a cell of unreasonable length is cut."""
    texts = _CELL.findall(line)
    return texts if len(line) <= _LONGEST_CELL else [part for text in texts for part in _cut(text)]


def _cut(text: str) -> Iterator[str]:
    first = 0
    while len(text) - first > _LONGEST_CELL:
        cut = text.rfind(" ", first + 1, first + _LONGEST_CELL)
        cut = cut if cut > 0 else first + _LONGEST_CELL
        yield text[first:cut]
        first = cut + (text[cut] == " ")
    yield text[first:]


def blocks_of(page: Page) -> tuple[Block, ...]:
    """Puts cells below each other into blocks, sorted by their first cells; called as `Page.blocks()`."""
    done: list[list[Cell]] = []
    blocks: list[list[Cell]] = []
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
    lasts = [block[-1] for block in above]
    for cell in row:
        x0, both = cell.x0, cell.x0 + cell.x1
        for at, last in enumerate(lasts):
            if -1.5 <= last.x0 - x0 <= 1.5 or -5 <= last.x0 + last.x1 - both <= 5:
                del lasts[at]
                above.pop(at).append(cell)
                break
        else:
            fresh.append([cell])
    return fresh
