"""Tables of a page: the records under a row of headers.

Called as `Page.table("Description", "Qty", "Amount")`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.cells import join
from compiled_ai.library.labels import find_label, fuzzy_positions
from compiled_ai.library.places import Located

if TYPE_CHECKING:
    from compiled_ai.library.layout import Cell, Page

Record = dict[str, Located]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    x0: float
    x1: float


def table(
    page: Page, headers: Sequence[str], *, stop: Sequence[str] = ("Total", "Subtotal"), most: int = 5000
) -> tuple[Record, ...]:
    """Returns the records under a row of headers, by header; a header without a value in a record is left out.

    The header row is the one (or two neighbouring ones) with most of the headers. A row that fills only one column,
    next to a record, continues that column's text. The table ends at a row that begins with a word of `stop`, or
    after three rows that fill no two columns; a repeated header (next page) is skipped.
    """
    found = _header(page, headers)
    if found is None:
        return ()
    last, given = found
    columns = _Columns(given)
    records: list[Record] = []
    idle = 0
    ends = tuple(word.casefold() for word in stop)
    for index in range(last + 1, page.height):
        row = page.row(index)
        if not row:
            continue
        if row[0].plain.casefold().startswith(ends) or idle > 2 or len(records) >= most:
            break
        idle = _add(records, columns.record(row), idle, headers)
    return tuple(records)


def _add(records: list[Record], record: Record, idle: int, headers: Sequence[str]) -> int:
    """Adds a row to the records; returns how many rows in a row had nothing of the table."""
    if all(str(text).casefold().rstrip("s:.") == name.casefold().rstrip("s:.") for name, text in record.items()):
        return idle + (not record)
    if len(record) >= 2 or (len(headers) == 1 and record):
        records.append(record)
        return 0
    name, text = next(iter(record.items()))
    if records and name in records[-1] and idle == 0:
        records[-1][name] = join((records[-1][name], text))
        return 0
    return idle + 1


def _header(page: Page, headers: Sequence[str]) -> tuple[int, list[_Column]] | None:
    """The last row of the header, and its columns from left to right."""
    found: dict[int, dict[str, tuple[Cell, int, int]]] = {}
    for name in headers:
        for place in (find_label(page.text, name) or fuzzy_positions(page.text, name))[:200]:
            cell = page.cell_at(place.start)
            if cell is not None:
                found.setdefault(cell.row, {}).setdefault(
                    name, (cell, place.start - cell.start, place.end - cell.start)
                )
    best = max(
        found, key=lambda row: (len({**found[row], **found.get(row + 1, {})}), len(found[row]), -row), default=None
    )
    if best is None:
        return None
    hits = {**found.get(best + 1, {}), **found[best]}
    if len(hits) < max(1, (len(headers) + 1) // 2):
        return None
    last = max(cell.row for cell, _, _ in hits.values())
    columns = [_Column(name, _x(cell, start), _x(cell, end)) for name, (cell, start, end) in hits.items()]
    columns += [
        _Column("", cell.x0, cell.x1) for row in {best, last} for cell in page.row(row) if not _holds(cell, hits)
    ]
    return last, sorted(columns, key=lambda column: column.x0)


def _holds(cell: Cell, hits: dict[str, tuple[Cell, int, int]]) -> bool:
    return any(other.start == cell.start for other, _, _ in hits.values())


def _x(cell: Cell, offset: int) -> float:
    return cell.x0 + offset * (cell.x1 - cell.x0) / max(1, len(cell.plain))


class _Columns:
    """The columns of a table, and which of them a cell stands in; cells of equal edges are looked up once."""

    def __init__(self, columns: Sequence[_Column]) -> None:
        self._columns = columns
        self._known: dict[tuple[float, float], tuple[str, list[_Column]]] = {}

    def record(self, row: Sequence[Cell]) -> Record:
        """The texts of a row by header; what stands in other columns is left out."""
        record: Record = {}
        for cell in row:
            name, over = self._known.get((cell.x0, cell.x1)) or self._under(cell.x0, cell.x1)
            if len(over) > 1 and " " in cell.plain:
                for word, column in _divided(cell, over):
                    _append(record, column.name, word)
            elif name:
                _append(record, name, cell.text)
        return record

    def _under(self, x0: float, x1: float) -> tuple[str, list[_Column]]:
        """The nearest column's name, and all columns that stand over a cell."""
        over = [column for column in self._columns if column.x0 < x1 and x0 < column.x1]
        return self._known.setdefault((x0, x1), (_nearest(x0, x1, self._columns).name, over))


def _divided(cell: Cell, over: Sequence[_Column]) -> Iterator[tuple[Located, _Column]]:
    """The words of a cell that stands under several headers, each with the nearest one."""
    at = 0
    for word in cell.plain.split(" "):
        yield cell.text[at : at + len(word)], _nearest(_x(cell, at), _x(cell, at + len(word)), over)
        at += len(word) + 1


def _append(record: Record, name: str, text: Located) -> None:
    if name:
        record[name] = join((record[name], text)) if name in record else text


def _nearest(x0: float, x1: float, columns: Sequence[_Column]) -> _Column:
    """The column that shares most with a span, else the nearest one."""
    return max(
        columns,
        key=lambda column: (min(x1, column.x1) - max(x0, column.x0), -abs((x0 + x1) - (column.x0 + column.x1))),
    )
