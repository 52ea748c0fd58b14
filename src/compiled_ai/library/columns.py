"""Values below each other under one label: lines of a schedule that states no flight or sum elsewhere."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from compiled_ai.library.cells import Cell
from compiled_ai.library.dates import DateRange
from compiled_ai.library.label_values import Candidate, Value
from compiled_ai.library.labels import is_label
from compiled_ai.library.places import LocatedDate, place_of
from compiled_ai.library.readers import Reader, Reading

if TYPE_CHECKING:
    from compiled_ai.library.layout import Page

_FIRST = re.compile(r"\b(?:start|begin|from\b|first (?:day|date|air|spot))", re.IGNORECASE)
_LAST = re.compile(r"\b(?:end|stop|finish|thru\b|through\b|to\b|last (?:day|date|air|spot))", re.IGNORECASE)
_GAP = 3
"""Lines from one value of a column to the next, at most: a line of a schedule may go on below."""
_MOST = 500


def over_lines(page: Page, best: Candidate, reads: Reader) -> Value:
    """Returns what a label says of all lines below it: from the first to the last day, or the sum in the last one.

    A `Start` is the earliest of its dates, an `End` the latest. Anything else is the value right below the label.
    """
    value = best.value
    if best.side != "below" or isinstance(value, str):
        return value
    values = _column(page, value, reads)
    if len(values) == 1:
        return value
    if isinstance(value, DateRange):
        ranges = cast(list[DateRange], values)
        return DateRange(min(one.start for one in ranges), max(one.end for one in ranges))
    if isinstance(value, date):
        days = cast(list[LocatedDate], values)
        return max(days) if _LAST.search(best.label) else min(days) if _FIRST.search(best.label) else value
    summed = len(values) > 2 and values[-1] == sum(cast(list[Decimal], values[:-1]))
    return values[-1] if summed else value


def _column(page: Page, value: Value, reads: Reader) -> list[Value]:
    """A value and those of its kind below it, as far as no other label and no wider gap comes between."""
    first = value.start if isinstance(value, DateRange) else value
    cell, place = page.cell_of(first), place_of(first)
    if cell is None or place is None or cell.text.place is None:
        return [value]
    right = isinstance(value, Decimal)
    at = _edge(cell, (place.end if right else place.start) - cell.text.place.start)
    values, last, row = [value], cell.row, cell.row + page.pitch
    while row <= last + _GAP * page.pitch and row < page.height and len(values) < _MOST:
        cells = [one for one in page.row(row) if one.x0 <= at + 8 and one.x1 >= at - 8]
        if any(is_label(one.plain) >= 0.9 for one in cells):
            break
        found = next(
            ((one, reading) for one in cells for reading in reads.all(one.plain) if _under(one, reading, at)), None
        )
        if found is not None:
            values.append(page.placed(*found))
            last = row
        row += page.pitch
    return values


def _edge(cell: Cell, offset: int) -> float:
    """The column of a character of a cell."""
    return cell.x0 + offset * (cell.x1 - cell.x0) / max(1, len(cell.plain))


def _under(cell: Cell, reading: Reading, at: float) -> bool:
    """Tells whether a value stands under another: amounts end in the same column, dates begin there."""
    return abs(_edge(cell, reading.end if isinstance(reading.value, Decimal) else reading.start) - at) <= 2
