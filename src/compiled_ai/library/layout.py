"""A page with its layout: rows, cells, labels and the values beside or below them.

`Page.from_text` reads a layout-preserving text (columns kept apart by spaces, as `pdftotext -layout` gives),
`Page.from_boxes` reads boxes `[x0, y0, x1, y1, text]` as OCR gives. Everything else is the same for both.
Every value knows its place (`place_of(value)`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from itertools import accumulate, islice, takewhile
from typing import Literal, cast, overload

from compiled_ai.library.boxes import rows_of
from compiled_ai.library.cells import Block, Cell, blocks_of, cells_of, join, texts_of
from compiled_ai.library.columns import over_lines
from compiled_ai.library.dates import DateRange, Order
from compiled_ai.library.label_values import Candidate, Find, Label, Side, Value, agreed, continued, plain_texts, ways
from compiled_ai.library.labels import find_label, fuzzy_positions
from compiled_ai.library.page_tables import table
from compiled_ai.library.places import Extent, Located, LocatedDate, LocatedDecimal, located, part_of, place_of
from compiled_ai.library.readers import Kind, Reader, Reading, reader
from compiled_ai.library.totals import Total, total, totals
from compiled_ai.library.values import Box

__all__ = ["Block", "Candidate", "Cell", "NumberKind", "Page", "Side", "TextKind", "Value", "join"]

TextKind = Literal["text", "name", "identifier", "phone", "email"]
NumberKind = Literal["money", "number", "percent"]

_MOST_OCCURRENCES = 80
"""A label that occurs more often is read at its first and last occurrences only (a limit for hostile pages)."""
_MOST_VALUES = 20000
"""`find_all` stops there (a limit for hostile pages)."""
_GOOD = 55.0
"""Score from which a value of a preferred label is taken without looking at the labels after it."""
_DOUBLE = re.compile(r"(?:[^\n]*\n[ \t\r]*\n){3}")


class Page:
    """A page (or all pages of one document). Make it with `Page.from_text` or `Page.from_boxes`."""

    def __init__(
        self,
        text: str,
        rows: tuple[tuple[Cell, ...], ...] | None,
        heights: Sequence[float] | None,
        order: Order,
        base: date | None,
    ) -> None:
        self.text = text
        """The whole text; of boxes, their rows from top to bottom."""
        self.order: Order = order
        self.base = base
        self._lines = text.split("\n")
        self._starts = [0, *accumulate([len(line) + 1 for line in self._lines[:-1]])]
        self.height = len(self._lines)
        """How many rows it has."""
        self._heights = heights
        self._rows: dict[int, tuple[Cell, ...]] = dict(enumerate(rows)) if rows is not None else {}
        self._boxed = rows is not None

    @classmethod
    def from_text(cls, text: str, *, order: Order = "mdy", base: date | None = None) -> Page:
        """Reads a text whose columns are kept apart by two or more spaces, tabs, or `|`.

        `order` is the order of numeric dates on this page, `base` the date that completes dates without a year.
        """
        return cls(text.replace("\r", " "), None, None, order, base)

    @classmethod
    def from_boxes(
        cls, boxes: Iterable[Box | Sequence[object]], *, order: Order = "dmy", base: date | None = None
    ) -> Page:
        """Reads boxes `[x0, y0, x1, y1, text]` (any order and unit, y downwards) and finds their rows."""
        text, rows, heights = rows_of(boxes)
        return cls(text, rows, heights, order, base)

    # ------------------------------------------------------------------ structure

    @cached_property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """All rows from top to bottom, each with its cells from left to right; empty lines are empty rows."""
        return tuple(map(self.row, range(self.height)))

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for row in self.rows for cell in row)

    @property
    def lines(self) -> tuple[Located, ...]:
        """The text of each row that is not empty, from top to bottom; cells joined by two spaces."""
        return tuple(join([cell.text for cell in row], "  ") for row in self.rows if row)

    def row(self, index: int) -> tuple[Cell, ...]:
        """The cells of one row (0 is the top); empty beyond the page."""
        row = self._rows.get(index)
        if row is None:
            if not 0 <= index < self.height:
                return ()
            row = self._rows[index] = cells_of(self._lines[index], index, self._starts[index])
        return row

    def texts(self, index: int) -> list[str]:
        """The plain texts of the cells of a row: what is cheap to look at before the cells are made."""
        row = self._rows.get(index)
        return texts_of(self._lines[index]) if row is None else [cell.plain for cell in row]

    def line_span(self, index: int) -> tuple[int, int]:
        """First character of a row in `text`, and the one after its last."""
        start = self._starts[index]
        return start, start + len(self._lines[index])

    def y(self, row: int) -> float:
        """Vertical position of a row, in lines."""
        return row / self.pitch if self._heights is None else self._heights[row]

    @cached_property
    def pitch(self) -> int:
        """Lines from one row to the next: 2 on a text with a blank line after every line, else 1."""
        if self._boxed or not _DOUBLE.match(self.text):
            return 1
        lines = self.text[:20000].split("\n")[:-1]
        return 2 if not any(line.strip() for line in lines[1::2]) or not any(map(str.strip, lines[::2])) else 1

    def cell_at(self, position: int) -> Cell | None:
        """The cell that contains a character of `text`."""
        row = self.row(bisect_right(self._starts, position) - 1)
        at = bisect_right(row, position, key=_start_of) - 1
        return row[at] if at >= 0 and position < row[at].start + len(row[at].plain) else None

    def blocks(self) -> tuple[Block, ...]:
        """Neighbouring lines with a common left edge or centre, without a gap: addresses, paragraphs."""
        return blocks_of(self)

    # ------------------------------------------------------------------ labels

    @overload
    def labelled(
        self, *labels: str, kind: TextKind = "text", side: Side = "any", lines: int = 2, stop: Sequence[str] = ()
    ) -> Located | None: ...
    @overload
    def labelled(
        self, *labels: str, kind: Literal["date"], side: Side = "any", lines: int = 2, stop: Sequence[str] = ()
    ) -> LocatedDate | None: ...
    @overload
    def labelled(
        self, *labels: str, kind: Literal["date_range"], side: Side = "any", lines: int = 2, stop: Sequence[str] = ()
    ) -> DateRange | None: ...
    @overload
    def labelled(
        self, *labels: str, kind: NumberKind, side: Side = "any", lines: int = 2, stop: Sequence[str] = ()
    ) -> LocatedDecimal | None: ...
    @overload
    def labelled(
        self, *labels: str, kind: re.Pattern[str], side: Side = "any", lines: int = 2, stop: Sequence[str] = ()
    ) -> Located | None: ...
    def labelled(
        self,
        *labels: str,
        kind: Kind | re.Pattern[str] = "text",
        side: Side = "any",
        lines: int = 2,
        stop: Sequence[str] = (),
    ) -> Value | None:
        """Returns the value right of or below a label, or `None`.

        Args:
            labels: Ways the label may be written, best first: `"Invoice #", "Invoice No", "Bill No"`. Case, `:`
                and `#`/`No.`/`Number` do not matter; if no label is found, slips of OCR are forgiven.
            kind: What the value must be: `text`, `name` (has letters, is no date, amount or other label),
                `identifier` (a code with digits), `date`, `date_range`, `money`, `number`, `percent`, `phone`,
                `email`, or a compiled pattern (its first group, else its whole match).
            side: Look only right of or only below the label.
            lines: For `text` and `name`: how many lines the value may take; the next line of its column belongs to it
                if its first word did not fit into the line above.
            stop: Other labels of the page, which are never taken for a value.
        """
        best = self._best(labels, kind, side, stop)
        if best is None:
            return None
        if kind in ("date", "date_range", "money"):
            return over_lines(self, best, self._reader(kind))
        if lines < 2 or kind not in ("text", "name"):
            return best.value
        return continued(self, best, lines, plain_texts((*stop, *labels)), kind == "name")

    def candidates(
        self, *labels: str, kind: Kind | re.Pattern[str] = "text", side: Side = "any", stop: Sequence[str] = ()
    ) -> tuple[Candidate, ...]:
        """All values that the labels may have, best first: for a choice that `labelled` cannot make.

        None that is worse than an amount that was torn so that it cannot be read.
        """
        reads = self._reader(kind)
        stops = plain_texts((*stop, *labels))
        for find in ways(kind):
            found = [one for label in labels for one in self._of_label(label, find, reads, side, stops)]
            if found:
                best = sorted(found, key=lambda one: -one.score)
                return tuple(takewhile(lambda one: one.legible, best))
        return ()

    def _best(
        self, labels: Sequence[str], kind: Kind | re.Pattern[str], side: Side, stop: Sequence[str]
    ) -> Candidate | None:
        best = self._answer(labels, kind, side, stop)
        return best if best and best.legible else None

    def _answer(
        self, labels: Sequence[str], kind: Kind | re.Pattern[str], side: Side, stop: Sequence[str]
    ) -> Candidate | None:
        """What stands best beside a label, legible or not."""
        reads = self._reader(kind)
        stops = plain_texts((*stop, *labels))
        weak: Candidate | None = None
        for find in ways(kind):
            for label in labels:
                found = self._of_label(label, find, reads, side, stops)
                best = max(found, key=lambda one: one.score, default=None)
                if best and best.score >= _GOOD:
                    return best
                if best and best.score > 0 and (weak is None or best.score > weak.score + 10):
                    weak = best
        return weak

    def _reader(self, kind: Kind | re.Pattern[str]) -> Reader:
        return reader(kind, self.order, self.base, symbols=self.symbols)

    @cached_property
    def symbols(self) -> bool:
        """Whether amounts of this page carry a currency symbol: then a number without one is less likely an amount."""
        return len(re.findall(r"[$\u20ac\u00a3] ?\d", self.text[:20000])) >= 3

    def _of_label(self, label: str, find: Find, reads: Reader, side: Side, stops: frozenset[str]) -> list[Candidate]:
        positions = find(self.text, label)
        if len(positions) > _MOST_OCCURRENCES:
            positions = positions[: _MOST_OCCURRENCES // 2] + positions[-_MOST_OCCURRENCES // 2 :]
        found: list[list[Candidate]] = []
        for position in positions:
            cell = self.cell_at(position.start)
            if cell is not None:
                found.append(Label(self, cell, position, label).values(reads, side, stops))
        return agreed(found) if len(found) > 1 else found[0] if found else []

    def value_right_of(self, *labels: str, kind: Kind | re.Pattern[str] = "text") -> Value | None:
        """`labelled(..., side="right")`, for any kind."""
        best = self._best(labels, kind, "right", ())
        return best.value if best else None

    def value_below(self, *labels: str, kind: Kind | re.Pattern[str] = "text") -> Value | None:
        """`labelled(..., side="below")`, for any kind."""
        best = self._best(labels, kind, "below", ())
        return best.value if best else None

    def has(self, *labels: str) -> bool:
        """Tells whether one of the labels (or words) stands on the page, slips of OCR forgiven."""
        return any(find_label(self.text, label) or fuzzy_positions(self.text, label) for label in labels)

    def cell_of(self, value: Value) -> Cell | None:
        place = place_of(value)
        if place is None:
            return None
        span = place.spans[-1]
        for cell in self.row(span.line - 1):
            start, end = cell.extent[:2]
            if cell.box == span.box and start <= span.start <= end:
                return cell
        return None

    # ------------------------------------------------------------------ search

    @overload
    def find_all(self, kind: TextKind) -> tuple[Located, ...]: ...
    @overload
    def find_all(self, kind: Literal["date"]) -> tuple[LocatedDate, ...]: ...
    @overload
    def find_all(self, kind: Literal["date_range"]) -> tuple[DateRange, ...]: ...
    @overload
    def find_all(self, kind: NumberKind) -> tuple[LocatedDecimal, ...]: ...
    @overload
    def find_all(self, kind: re.Pattern[str]) -> tuple[Located, ...]: ...
    def find_all(self, kind: Kind | re.Pattern[str]) -> tuple[Value, ...]:
        """All values of a kind (or matches of a pattern) from top to bottom (`money` has decimals or a symbol)."""
        return tuple(islice(self._values(kind), _MOST_VALUES))

    def _values(self, kind: Kind | re.Pattern[str]) -> Iterator[Value]:
        reads = self._reader(kind)
        for index, line in enumerate(self._lines):
            if reads.sign is not None and not reads.sign.search(line):
                continue
            at = 0
            for number, text in enumerate(self.texts(index)):
                at = line.index(text, at)
                for reading in reads.all(text):
                    if reading.confidence >= 0.5:
                        yield _located(reading, partial(part_of, self._extent(index, number, at, len(text))))
                at += len(text)

    def _extent(self, index: int, number: int, at: int, length: int) -> Extent:
        """Where a cell of a row stands, by its number and by where it begins in its line: no cell is made for that."""
        if self._boxed:
            return self._rows[index][number].extent
        first = self._starts[index] + at
        return first, first + length, index + 1, at + 1, None, None

    @overload
    def first(self, kind: TextKind) -> Located | None: ...
    @overload
    def first(self, kind: Literal["date"]) -> LocatedDate | None: ...
    @overload
    def first(self, kind: Literal["date_range"]) -> DateRange | None: ...
    @overload
    def first(self, kind: NumberKind) -> LocatedDecimal | None: ...
    @overload
    def first(self, kind: re.Pattern[str]) -> Located | None: ...
    def first(self, kind: Kind | re.Pattern[str]) -> Value | None:
        """The first value of a kind (or match of a pattern) on the page, or `None`."""
        return next(self._values(kind), None)

    def largest(self) -> LocatedDecimal | None:
        """The largest amount on the page (with decimals or a currency symbol), or `None`."""
        return max(self.find_all("money"), default=None)

    def table(self, *headers: str, stop: Sequence[str] = ("Total", "Subtotal")) -> tuple[dict[str, Located], ...]:
        """The records under a row of headers, each a dictionary by header (without the columns that are empty).

        A row that fills only one column continues the text above it. Ends at a row beginning with a word of `stop`.
        """
        return table(self, headers, stop=stop)

    def totals(self) -> tuple[Total, ...]:
        """The lines of the page that name a sum (total, subtotal, tax, paid, change, ...) and their amounts."""
        return totals(self)

    def total(self) -> LocatedDecimal | None:
        """The amount to be paid on a bill or receipt, or `None`: the most specific total, checked by what was paid."""
        return total(self)

    def placed(self, cell: Cell, reading: Reading, offset: int = 0) -> Value:
        """Gives a reading its place: its characters count from an offset in a cell, and may lie in the cells behind."""

        def extent(start: int, end: int) -> Extent | None:
            own, at = cell, offset
            if not 0 <= at + start < len(cell.plain):
                beyond = self.cell_at(cell.start + at + start)
                if beyond is None:
                    return None
                own, at = beyond, cell.start + at - beyond.start
            return part_of(own.extent, at + start, min(at + end, len(own.plain)))

        return _located(reading, extent)


def _located(reading: Reading, extent: Callable[[int, int], Extent | None]) -> Value:
    """The value of a reading that has one, with its place or places; `extent` finds that of characters of its text."""
    value, start, end, _ = reading
    if isinstance(value, tuple):
        (first, *one), (second, *other) = value
        return DateRange(located(first, extent(*one)), located(second, extent(*other)))
    return located(cast(str | date | Decimal, value), extent(start, end))


def _start_of(cell: Cell) -> int:
    return cell.start
