"""A page with its layout: rows, cells, labels and the values beside or below them.

`Page.from_text` reads a layout-preserving text (columns kept apart by spaces, as `pdftotext -layout` gives),
`Page.from_boxes` reads boxes `[x0, y0, x1, y1, text]` as OCR gives. Everything else is the same for both.
Every value knows its place (`place_of(value)`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from itertools import islice
from typing import Literal, cast, overload

from compiled_ai.library.dates import DateRange, Order
from compiled_ai.library.labels import (
    Found,
    bare_label,
    find_abbreviated,
    find_label,
    fuzzy_positions,
    is_label,
    is_smudged_label,
    words,
)
from compiled_ai.library.page_tables import table
from compiled_ai.library.places import Located, LocatedDate, LocatedDecimal, Place, Span, located, place_of
from compiled_ai.library.readers import Kind, Reader, Reading, reader
from compiled_ai.library.totals import Total, total, totals
from compiled_ai.library.values import Box

Side = Literal["any", "right", "below"]
TextKind = Literal["text", "name", "identifier", "phone", "email"]
NumberKind = Literal["money", "number", "percent"]
Value = Located | LocatedDate | LocatedDecimal | DateRange

_MOST_OCCURRENCES = 80
"""A label that occurs more often is read at its first and last occurrences only (a limit for hostile pages)."""
_MOST_VALUES = 20000
"""`find_all` stops there (a limit for hostile pages)."""
_WINDOW = 400
"""Characters of a cell that are read for the value of a label."""
_LONGEST_CELL = 1000
"""Longer runs of words are cut into cells of at most so many characters (prose, or a hostile page)."""
_GOOD = 55.0
"""Score from which a value of a preferred label is taken without looking at the labels after it."""
_DOUBLE = re.compile(r"(?:[^\n]*\n[ \t\r]*\n){3}")
_CELL = re.compile(r"[^\s|]+(?:[ \u00a0][^\s|]+)*")


@dataclass(frozen=True, slots=True)
class Cell:
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a label may have: what `labelled` chooses from, best first."""

    value: Value
    label: Located
    score: float
    """About 100 for a value right beside its exact label; below 0 nothing is taken."""
    side: Literal["right", "below"]


def join(parts: Sequence[str], between: str = " ") -> Located:
    """Joins texts and their places: for a value that goes on in the next line."""
    places = [part.place for part in parts if isinstance(part, Located) and part.place]
    spans = tuple(span for place in places for span in place.spans)
    return Located(between.join(parts), Place(spans) if spans else None)


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
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
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
        return _page_of_boxes([_box(box) for box in boxes], order, base)

    # ------------------------------------------------------------------ structure

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """All rows from top to bottom, each with its cells from left to right; empty lines are empty rows."""
        return tuple(self.row(index) for index in range(len(self._starts)))

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for row in self.rows for cell in row)

    @property
    def lines(self) -> tuple[Located, ...]:
        """The text of each row that is not empty, from top to bottom; cells joined by two spaces."""
        return tuple(join([cell.text for cell in row], "  ") for row in self.rows if row)

    def row(self, index: int) -> tuple[Cell, ...]:
        """The cells of one row (0 is the top); empty beyond the page."""
        if index not in self._rows:
            if not 0 <= index < len(self._starts):
                return ()
            self._rows[index] = self._split(index)
        return self._rows[index]

    def _split(self, index: int) -> tuple[Cell, ...]:
        start, end = self._line(index)
        line = self.text[start:end]
        wide = "\t" in line
        cells = []
        for first, last in _pieces(line):
            place = Place((Span(start + first, start + last, index + 1, first + 1),))
            x0 = len(line[:first].expandtabs(8)) if wide and first < 2000 else first
            cells.append(Cell(Located(line[first:last], place), index, x0, x0 + last - first, start + first))
        return tuple(cells)

    def _line(self, index: int) -> tuple[int, int]:
        end = self._starts[index + 1] - 1 if index + 1 < len(self._starts) else len(self.text)
        return self._starts[index], end

    def _y(self, row: int) -> float:
        """Vertical position of a row, in lines."""
        return row / self._pitch if self._heights is None else self._heights[row]

    @cached_property
    def _pitch(self) -> int:
        """Lines from one row to the next: 2 on a text with a blank line after every line, else 1."""
        if self._boxed or not _DOUBLE.match(self.text):
            return 1
        lines = self.text[:20000].split("\n")[:-1]
        return 2 if not any(line.strip() for line in lines[1::2]) or not any(map(str.strip, lines[::2])) else 1

    def cell_at(self, position: int) -> Cell | None:
        """The cell that contains a character of `text`."""
        row = self.row(bisect_right(self._starts, position) - 1)
        at = bisect_right(row, position, key=_start_of) - 1
        return row[at] if at >= 0 and position < row[at].start + len(row[at].text) else None

    def _place(self, start: int, end: int) -> Place | None:
        """The place of characters of `text` that stand in one cell."""
        cell = self.cell_at(start)
        return cell.text[start - cell.start : end - cell.start].place if cell else None

    def blocks(self) -> tuple[Block, ...]:
        """Neighbouring lines with a common left edge or centre, without a gap: addresses, paragraphs."""
        return _blocks(self)

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
        if best is None or lines < 2 or kind not in ("text", "name"):
            return best.value if best else None
        return self._continued(best, lines, (*stop, *labels), kind == "name")

    def candidates(
        self, *labels: str, kind: Kind | re.Pattern[str] = "text", side: Side = "any", stop: Sequence[str] = ()
    ) -> tuple[Candidate, ...]:
        """All values that the labels may have, best first: for a choice that `labelled` cannot make."""
        reads = self._reader(kind)
        stops = frozenset(map(_plain, (*stop, *labels)))
        for find in _ways(kind):
            found = [one for label in labels for one in self._of_label(label, find, reads, side, stops)]
            if found:
                return tuple(sorted(found, key=lambda one: -one.score))
        return ()

    def _best(
        self, labels: Sequence[str], kind: Kind | re.Pattern[str], side: Side, stop: Sequence[str]
    ) -> Candidate | None:
        reads = self._reader(kind)
        stops = frozenset(map(_plain, (*stop, *labels)))
        weak: Candidate | None = None
        for find in _ways(kind):
            for label in labels:
                found = self._of_label(label, find, reads, side, stops)
                best = max(found, key=lambda one: one.score, default=None)
                if best and best.score >= _GOOD:
                    return best
                if best and best.score > 0 and (weak is None or best.score > weak.score + 10):
                    weak = best
        return weak

    def _reader(self, kind: Kind | re.Pattern[str]) -> Reader:
        return reader(kind, self.order, self.base, symbols=self._symbols)

    @cached_property
    def _symbols(self) -> bool:
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
                found.append(_Label(self, cell, position, label).values(reads, side, stops))
        return _agreed(found) if len(found) > 1 else found[0] if found else []

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

    def _continued(self, best: Candidate, lines: int, stop: Sequence[str], name: bool) -> Value:
        """Adds the next lines of the value's column, if they belong to it."""
        value = best.value
        cell = self._cell_of(value)
        if cell is None or not isinstance(value, Located):
            return value
        offset = max(0, str(cell.text).find(str(value)))
        if offset + len(value) < len(cell.text) - 2:
            return value
        x0 = cell.x0 + offset * (cell.x1 - cell.x0) / max(1, len(cell.text))
        beside = self._cell_of(best.label) if name and best.side == "right" else None
        stops = frozenset(map(_plain, stop))
        parts = [cell.text[offset:]]
        while len(parts) < lines:
            below = [other for other in self.row(cell.row + self._pitch) if -3 <= other.x0 - x0 <= 6]
            if not below or self._y(below[0].row) - self._y(cell.row) > 1.7 or not _may_continue(below[0], stops):
                break
            wrapped = abs(below[0].x0 - x0) <= 2.5 and self._wrapped(cell, below[0])
            wrapped = wrapped or bool(_CODE_ALONE.fullmatch(below[0].text))
            if not wrapped and not (beside is not None and self._unlabelled(below[0], beside)):
                break
            cell = below[0]
            parts.append(cell.text)
        return join(parts) if len(parts) > 1 else value

    def _unlabelled(self, below: Cell, label: Cell) -> bool:
        """Tells whether a line below a value has nothing in the column of the labels, as a continued line has."""
        before = [cell for cell in self.row(below.row) if cell.x0 < below.x0 - 1]
        if before and (before[-1].x1 >= label.x0 - 2 or is_label(before[-1].text) >= 0.9):
            return False
        return not any(map(str.isdigit, below.text)) and len(below.text.split()) <= 5

    def _wrapped(self, above: Cell, below: Cell) -> bool:
        """Tells whether the first word of a line would not have fitted into the line above it."""
        right = [cell.x0 for row in (above.row, below.row) for cell in self.row(row) if cell.x0 > above.x1]
        word = str(below.text).split(" ", 1)[0]
        if word[:1].isdigit() or not right:
            return False
        return min(right) - above.x1 < len(word) + 4

    def _cell_of(self, value: Value) -> Cell | None:
        place = place_of(value)
        if place is None:
            return None
        span = place.spans[-1]
        for cell in self.row(span.line - 1):
            own = cell.text.place.spans[0] if cell.text.place else None
            if own and own.box == span.box and own.start <= span.start <= own.end:
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
        reads = self._reader(kind)
        found = (
            value
            for index in range(len(self._starts))
            for cell in self.row(index)
            for value in self._all_in(cell, reads)
        )
        return tuple(islice(found, _MOST_VALUES))

    def _all_in(self, cell: Cell, reads: Reader) -> Iterator[Value]:
        for reading in reads.all(str(cell.text)):
            if reading.confidence >= 0.5:
                yield self.placed(cell, reading)

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
        reads = self._reader(kind)
        for index in range(len(self._starts)):
            for cell in self.row(index):
                for value in self._all_in(cell, reads):
                    return value
        return None

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
        """Gives a reading within a cell its place on the page."""
        at = cell.start + offset
        if isinstance(reading.value, tuple):
            (first, a, b), (second, c, d) = reading.value
            return DateRange(located(first, self._place(at + a, at + b)), located(second, self._place(at + c, at + d)))
        place = self._place(at + reading.start, at + reading.end)
        if isinstance(reading.value, str):
            return Located(reading.value, place)
        return located(reading.value, place)


def _start_of(cell: Cell) -> int:
    return cell.start


def _agreed(found: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Raises the score of a value that stands beside its label several times, as in the head of every page.

    Sums do not gain: those of the parts of a document are no surer for being equal.
    """
    best = [max(candidates, key=lambda one: one.score).value for candidates in found if candidates]
    times: Counter[Value] = Counter(value for value in best if not isinstance(value, Decimal))
    return [
        replace(one, score=one.score + min(12, 4 * (times[one.value] - 1))) if times[one.value] > 1 else one
        for candidates in found
        for one in candidates
    ]


def _may_continue(below: Cell, stops: frozenset[str]) -> bool:
    return _plain(below.text) not in stops and is_label(below.text) < 0.5 and ":" not in below.text


def _pieces(line: str) -> Iterator[tuple[int, int]]:
    """First and last character of each cell of a line; a cell of unreasonable length is cut."""
    for match in _CELL.finditer(line):
        first, last = match.span()
        while last - first > _LONGEST_CELL:
            cut = line.rfind(" ", first + 1, first + _LONGEST_CELL)
            cut = cut if cut > 0 else first + _LONGEST_CELL
            yield first, cut
            first = cut + (line[cut] == " ")
        yield first, last


def _find_bare(text: str, label: str, *, dated: bool) -> list[Found]:
    """Finds `Contract` or `Begins` where a form calls by that word alone what `Contract #` or `Begin Date` asks for."""
    bare = bare_label(label, dated=dated)
    return [replace(found, quality=0.85) for found in find_label(text, bare)] if bare else []


Find = Callable[[str, str], list[Found]]


def _ways(kind: Kind | re.Pattern[str]) -> tuple[Find, ...]:
    """How labels are looked for: each way only where no label had a good value the way before.

    Numbers and dates say by their shape what they are, so that a form may leave that out.
    """
    if kind not in ("identifier", "date", "date_range"):
        return find_label, fuzzy_positions, find_abbreviated
    return find_label, fuzzy_positions, partial(_find_bare, dated=kind != "identifier"), find_abbreviated


def _plain(text: str) -> str:
    return _NO_SIGN.sub("", text).lower()


@dataclass(frozen=True, slots=True)
class _Label:
    """One occurrence of a label, and the values around it."""

    page: Page
    cell: Cell
    found: Found
    label: str

    def values(self, reads: Reader, side: Side, stops: frozenset[str]) -> list[Candidate]:
        quality, after = self._quality()
        if reads.words and _NO_NAME.match(str(self.cell.text), self.found.end - self.cell.start):
            quality -= 35
        found: list[Candidate] = []
        if side != "below":
            found += self._inside(quality, after, reads, stops)
            if not found or found[0].score < quality - 10:
                found += self._right(quality, reads, stops)
        if side != "right" and not (found and found[0].score >= 95):
            found += self._below(quality, bool(found), reads, stops)
        return found

    def _quality(self) -> tuple[float, int]:
        """Scores how much the label stands for itself; returns also where in the cell its value may begin."""
        text: str = str(self.cell.text)
        start, end = self.found.start - self.cell.start, self.found.end - self.cell.start
        before = _BREAK.split(text[max(0, start - 80) : start])[-1].split()
        quality = 100 * self.found.quality - min(45, 14 * len([word for word in before if word.isalpha()]))
        quality -= 40 * (before[-1:] != [] and before[-1].strip(".").lower() in _OTHER)
        if len(text) > 60 and start > 0:
            quality -= 15 + 25 * (len(text) > 110)
        if _SENTENCE.match(text, end) and text[start].isupper():
            quality -= 45
        if text[start].islower() and self.label[:1].isupper():
            quality -= 10
        after, extra = _after_label(text, end)
        return quality - min(50, 17 * extra), after

    def _inside(self, quality: float, after: int, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        text: str = str(self.cell.text)
        window = _until_label(text[after : after + _WINDOW])
        if not _SIGN.search(window):
            return []
        return self._candidate(self.cell, window, after, quality + 2, reads, stops, "right")

    def _right(self, quality: float, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        found: list[Candidate] = []
        for shift, penalty in ((0, 0.0), (1, 16.0), (-1, 20.0)):
            row = self.cell.row + shift * self.page._pitch
            if (
                shift and abs(self.page._y(row) - self.page._y(self.cell.row)) > 1.6
                if 0 <= row < len(self.page._starts)
                else shift != 0
            ):
                continue
            if shift and self._owned(row, reads):
                continue
            found += self._along(row, quality - penalty, reads, stops)
            if any(one.score > 40 for one in found):
                break
        return found

    def _owned(self, row: int, reads: Reader) -> bool:
        """Tells whether what stands right in another row belongs there, or this label has its own value there."""
        x0, x1 = self._columns()
        beside = [cell for cell in self.page.row(row) if cell.x0 < self.cell.x1 and cell.x1 > self.cell.x0]
        return any(
            is_label(cell.text) > 0.5
            or (row > self.cell.row and -2 <= cell.x0 - x0 <= 4 and cell.x0 < x1 and reads(cell.text))
            for cell in beside
        )

    def _columns(self) -> tuple[float, float]:
        """First and last column of the label itself, which may be a part of its cell."""
        per = (self.cell.x1 - self.cell.x0) / max(1, len(self.cell.text))
        first, last = (self.cell.x0 + (at - self.cell.start) * per for at in (self.found.start, self.found.end))
        return first, last

    def _along(self, row: int, quality: float, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        edge = self.cell.x1
        found: list[Candidate] = []
        penalty = 0.0
        for cell in islice((other for other in self.page.row(row) if other.x0 >= edge - 1), 5):
            if not _SIGN.search(cell.text):
                continue
            far = min(14.0, max(0.0, cell.x0 - edge - 6) / 5)
            found += self._candidate(cell, str(cell.text[:_WINDOW]), 0, quality - penalty - far, reads, stops, "right")
            if any(map(str.isalpha, cell.text)):
                penalty += 8 if is_label(cell.text) > 0.8 and not found and penalty == 0 else 16
            else:
                penalty += 4
        return self._sums_first(found)

    def _sums_first(self, found: list[Candidate]) -> list[Candidate]:
        """Prefers the largest of the amounts beside a total: the others are parts of it, or quantities and ratings."""
        amounts = [one for one in found if isinstance(one.value, Decimal)]
        if len(amounts) < 2 or self.page._symbols or not re.search(r"total|gross", self.label, re.IGNORECASE):
            return found
        largest = max(amounts, key=lambda one: abs(cast(Decimal, one.value)))
        most = max(one.score for one in amounts)
        return [replace(one, score=most + 1) if one is largest else one for one in found]

    def _below(self, quality: float, beside: bool, reads: Reader, stops: frozenset[str]) -> list[Candidate]:
        text: str = str(self.cell.text)
        x0, x1 = self._columns()
        colon = text[self.found.end - self.cell.start :].lstrip().startswith(":")
        base = quality - (18 if colon and beside else 4 if colon else 0)
        found: list[Candidate] = []
        blocked = 0.0
        pitch = self.page._pitch
        for row in range(self.cell.row + pitch, self.cell.row + 5 * pitch + 1, pitch):
            over = [cell for cell in self.page.row(row) if cell.x0 <= x1 + 3 and cell.x1 >= x0 - 3]
            distance = self.page._y(row) - self.page._y(self.cell.row) if over else 0.0
            if distance > 4.5:
                break
            for cell in over:
                offset = min(abs(cell.x0 - x0), abs((cell.x0 + cell.x1) - (x0 + x1)) / 2)
                if any(map(str.isdigit, cell.text)):
                    offset = min(offset, abs(cell.x1 - x1))
                elsewhere = 12 if cell.x0 < x0 - 8 and offset > 4 else 0
                score = base - blocked - 4 - 7 * max(0.0, distance - 1) - min(14.0, offset / 2) - elsewhere
                found += self._candidate(cell, str(cell.text[:_WINDOW]), 0, score, reads, stops, "below")
            blocked += 14 if over else 0
        return found

    def _candidate(
        self,
        cell: Cell,
        window: str,
        offset: int,
        score: float,
        reads: Reader,
        stops: frozenset[str],
        side: Literal["right", "below"],
    ) -> list[Candidate]:
        if reads.words and cell is not self.cell:
            ahead = _LABEL_AHEAD.match(window)
            if ahead and is_label(ahead.group().rstrip(" :#")) >= 0.9:
                named = _plain(ahead.group()) == "name"
                offset, window = (offset + ahead.end(), window[ahead.end() :]) if named else (offset, window)
                score -= 0 if named else 60
        reading = reads(window)
        if reading is None and reads.wide and offset + len(window) >= len(cell.text) and re.search(r"\d", window):
            at = cell.start + offset
            reading = reads(self.page.text[at : min(at + 90, self.page._line(cell.row)[1])])
        if reading is None:
            return []
        if isinstance(reading.value, str):
            reading = self._without_revision(self._without_label(cell, reading), reads)
        lead = len(_WORDS_OF_TWO.findall(window, 0, min(reading.start, 80)))
        score -= 35 * (1 - reading.confidence) + min(30, 9 * lead)
        if isinstance(reading.value, str):
            score -= 70 * max(is_label(window), 0.7 * (reads.words and is_smudged_label(window))) + (
                90 if _plain(reading.value) in stops else 0
            )
            score -= 50 * (reads.words and side == "right" and self._reads_on(reading.value))
        if score <= 0:
            return []
        value = self.page.placed(cell, reading, offset)
        label = self.cell.text[self.found.start - self.cell.start : self.found.end - self.cell.start]
        return [Candidate(value, label, score, side)]

    def _reads_on(self, value: str) -> bool:
        """Tells a sentence that goes on behind the label (`the Advertiser is liable`) from a value."""
        last = str(self.cell.text)[self.found.end - self.cell.start :].lstrip()[:1]
        return value[:1].islower() and self.label[:1].isupper() and last not in (":", "#", "=")

    def _without_label(self, cell: Cell, reading: Reading) -> Reading:
        """Cuts the label of the next column from the end of a value that stands only one space before it."""
        value = str(reading.value)
        match = _LAST_LABEL.search(value[-60:])
        follows = any(other.x0 > cell.x1 for other in self.page.row(cell.row))
        if not match or not follows or is_label(match.group()) < 0.9:
            return reading
        kept = value[: len(value) - len(match.group())]
        return replace(reading, value=kept, end=reading.start + len(kept)) if len(kept) > 2 else reading

    def _without_revision(self, reading: Reading, reads: Reader) -> Reading:
        """Cuts `/2` from `1234567/2` where the label (`Contract / Revision`) says that a revision stands there."""
        value = str(reading.value)
        label = str(self.cell.text)[self.found.start - self.cell.start :][: self.found.end - self.found.start + 16]
        match = _REVISED.fullmatch(value) if reads.digits and _REVISION.search(label) else None
        if match is None:
            return reading
        return replace(reading, value=match.group(1), end=reading.start + match.end(1))


_NO_NAME = re.compile(
    r"[ /.\-]{1,3}(?:code|id|no|number|num|nbr|ref|reference|phone|tel|fax|e-?mail|type|date|contact|address)\b|\s?#",
    re.IGNORECASE,
)
"""What makes a label that of something else than a name: `Advertiser Code`, `Client #`."""
_REVISION = re.compile(r"\brev(?:ision|\b)", re.IGNORECASE)
_REVISED = re.compile(r"([\w\-]{4,})/\d{1,3}")
_LAST_LABEL = re.compile(
    r" (?:[A-Z][a-z]+ (?:Dates?|Number|No\.?|#|Code|Type|Name|Ref|Month|Period|Total|Amount|Address)"
    r"|[A-Z]{3,} (?:DATES?|NUMBER|NO\.?|#|CODE|TYPE|NAME|REF|MONTH|PERIOD|TOTAL|AMOUNT|ADDRESS))$"
)
_OTHER = words("alt alternate alternative old previous prior former external secondary agency agy net sub")
"""Words before a label that make it the label of something else: `Alt Order #` is not the `Order #`."""
_SIGN = re.compile(r"\w")
_NO_SIGN = re.compile(r"[\W_]+")
_BREAK = re.compile(r"[:;()]|\d\S*")
_GAP = re.compile(r"\s*[:#.=\-\u2013]*\s*")
_MARK = re.compile(r"[:#=]")
_WORD_AFTER = re.compile(r"\(?([^\W\d_]+)\)?[.:]?(?:\s+|$)")
_WORDS_OF_TWO = re.compile(r"[^\W\d_]{2,}")
_CODE_ALONE = re.compile(r"\([\w-]{1,12}\)")
_SENTENCE = re.compile(r",? [a-z]+,? [a-z]+|[.,;]? [^:]{60}")
"""What follows a word in running text, and not a label."""
_LABEL_AHEAD = re.compile(r"[^\W\d_][\w.$#/]*(?: [\w.$#/]+){0,3} ?[:#](?!\S*\d{2}:)")
_NEXT_MARK = re.compile(r"\s(?P<label>(?:[A-Z][\w.$/]*\s){0,2}[A-Z][\w.$/]*)\s?(?:#?:(?=\s|$)|#\s?(?=\d))")


def _after_label(text: str, end: int) -> tuple[int, int]:
    """Where the value begins after a label that ends at `end`, and how many further words the label has there."""
    rest = text[end : end + 120]
    gap = _GAP.match(rest)
    skipped = gap.end() if gap else 0
    if _MARK.search(rest, 0, skipped):
        second = _LABEL_AHEAD.match(rest, skipped)
        inner = second is not None and is_label(second.group().rstrip(" :#")) >= 0.9
        return end + (second.end() if second and inner else skipped), 0
    ahead = _LABEL_AHEAD.match(rest, skipped)
    if ahead:
        return end + ahead.end(), len(ahead.group().split())
    extra = 0
    while extra < 3:
        word = _WORD_AFTER.match(rest, skipped)
        if not word or is_label(word.group(1)) < 0.5:
            break
        skipped = word.end()
        extra += 1
    return end + skipped, extra


def _until_label(window: str) -> str:
    """Cuts a text before the next `Label:` or `Label # 123`: of the words before the mark, all that are of labels."""
    match = _NEXT_MARK.search(window)
    if not match or match.start() == 0:
        return window
    words_before = match.group("label").split(" ")
    known = next((at for at in range(len(words_before)) if is_label(" ".join(words_before[at:])) >= 0.9), None)
    at = known if known is not None else len(words_before) - 1
    return window[: match.start("label")].rstrip() + "".join(f" {word}" for word in words_before[:at])


# ---------------------------------------------------------------------- boxes


def _box(box: Box | Sequence[object]) -> Box:
    if isinstance(box, Box):
        return box
    x0, y0, x1, y1, text = box
    if not isinstance(text, str):
        raise ValueError(f"{box!r} is no box; give [x0, y0, x1, y1, text].")
    return Box(float(str(x0)), float(str(y0)), float(str(x1)), float(str(y1)), text)


def _page_of_boxes(boxes: Sequence[Box], order: Order, base: date | None) -> Page:
    numbered = [(index, box) for index, box in enumerate(boxes) if box.text.strip()]
    width = _median([(box.x1 - box.x0) / len(box.text) for _, box in numbered if len(box.text) > 2]) or 1.0
    height = _median([box.y1 - box.y0 for _, box in numbered]) or 1.0
    rows: list[tuple[Cell, ...]] = []
    lines: list[str] = []
    heights: list[float] = []
    start = 0
    for members in _rows_of_boxes(numbered, height):
        cells: list[Cell] = []
        for index, box in members:
            text = re.sub(r"\s", " ", box.text)
            at = cells[-1].start + len(cells[-1].text) + 2 if cells else start
            span = Span(0, len(text), len(rows) + 1, len(cells) + 1, index, (box.x0, box.y0, box.x1, box.y1))
            cells.append(Cell(Located(text, Place((span,))), len(rows), box.x0 / width, box.x1 / width, at))
        rows.append(tuple(cells))
        lines.append("  ".join(cell.text for cell in cells))
        heights.append(_median([(box.y0 + box.y1) / 2 for _, box in members]) / (1.25 * height))
        start += len(lines[-1]) + 1
    return Page("\n".join(lines), tuple(rows), heights, order, base)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def _rows_of_boxes(boxes: Sequence[tuple[int, Box]], height: float) -> list[list[tuple[int, Box]]]:
    """Puts boxes into rows: each joins the row whose nearest member it overlaps most; a slanted page stays in rows."""
    rows: list[list[tuple[int, Box]]] = []
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


def _blocks(page: Page) -> tuple[Block, ...]:
    open_blocks: list[list[Cell]] = []
    done: list[list[Cell]] = []
    for row in page.rows:
        if not row:
            continue
        y = page._y(row[0].row)
        still = [block for block in open_blocks if y - page._y(block[-1].row) < 1.8]
        done += [block for block in open_blocks if block not in still] if len(still) < len(open_blocks) else []
        taken: set[int] = set()
        fresh: list[list[Cell]] = []
        for cell in row[:60]:
            for position, block in enumerate(still[:60]):
                if position not in taken and block[-1].row != cell.row and _aligned(block[-1], cell):
                    taken.add(position)
                    block.append(cell)
                    break
            else:
                fresh.append([cell])
        open_blocks = still + fresh
    done += open_blocks
    done.sort(key=lambda block: (block[0].row, block[0].x0))
    return tuple(Block(tuple(block)) for block in done)


def _aligned(above: Cell, below: Cell) -> bool:
    return abs(above.x0 - below.x0) <= 1.5 or abs((above.x0 + above.x1) - (below.x0 + below.x1)) <= 5
