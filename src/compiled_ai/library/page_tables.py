"""Tables of a page: the records under a row of headers.

Called as `Page.table("Description", "Qty", "Amount")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiled_ai.library.labels import find_label, fuzzy_positions
from compiled_ai.library.places import Located, Place

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
    last, columns = found
    records: list[Record] = []
    idle = 0
    wanted = frozenset(headers)
    ends = [word.casefold() for word in stop]
    for index in range(last + 1, len(page.rows)):
        row = page.row(index)
        if not row:
            continue
        if any(str(row[0].text).casefold().startswith(word) for word in ends) or idle > 2 or len(records) >= most:
            break
        record = {name: text for name, text in _record(row, columns).items() if name in wanted}
        idle = _add(records, record, len(columns), idle, headers)
    return tuple(records)


def _add(records: list[Record], record: Record, columns: int, idle: int, headers: Sequence[str]) -> int:
    """Adds a row to the records; returns how many rows in a row had nothing of the table."""
    if all(str(text).casefold().rstrip("s:.") == name.casefold().rstrip("s:.") for name, text in record.items()):
        return idle + (not record)
    if len(record) >= 2 or (len(headers) == 1 and record):
        records.append(record)
        return 0
    name, text = next(iter(record.items()))
    if records and name in records[-1] and idle == 0:
        records[-1][name] = _joined((records[-1][name], text))
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
    return cell.x0 + offset * (cell.x1 - cell.x0) / max(1, len(cell.text))


def _record(row: Sequence[Cell], columns: Sequence[_Column]) -> Record:
    parts: dict[str, list[Located]] = {}
    for cell in row:
        for name, text in _assigned(cell, columns):
            parts.setdefault(name, []).append(text)
    return {name: _joined(texts) for name, texts in parts.items()}


def _assigned(cell: Cell, columns: Sequence[_Column]) -> list[tuple[str, Located]]:
    """The columns that a cell stands in: a cell under several headers is divided between its words."""
    over = [column for column in columns if column.x0 < cell.x1 and cell.x0 < column.x1]
    if len(over) < 2 or " " not in cell.text:
        return [(_nearest(cell.x0, cell.x1, columns).name, cell.text)]
    found: list[tuple[str, Located]] = []
    at = 0
    for word in str(cell.text).split(" "):
        column = _nearest(_x(cell, at), _x(cell, at + len(word)), over)
        part = cell.text[at : at + len(word)]
        if found and found[-1][0] == column.name:
            found[-1] = (column.name, _joined((found[-1][1], part)))
        else:
            found.append((column.name, part))
        at += len(word) + 1
    return found


def _nearest(x0: float, x1: float, columns: Sequence[_Column]) -> _Column:
    """The column that shares most with a span, else the nearest one."""
    return max(
        columns,
        key=lambda column: (min(x1, column.x1) - max(x0, column.x0), -abs((x0 + x1) - (column.x0 + column.x1))),
    )


def _joined(parts: Sequence[Located]) -> Located:
    spans = tuple(span for part in parts if part.place for span in part.place.spans)
    return Located(" ".join(parts), Place(spans) if spans else None)
