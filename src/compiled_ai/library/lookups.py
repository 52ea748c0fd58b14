"""Large decision tables and reference tables: the answer is found by column, not by going through the rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from compiled_ai.canonical import canonical_json, digest, parse_json
from compiled_ai.errors import ArtifactRefused, NotFound

__all__ = ["ReferenceTable", "RowTable", "any_of", "any_value", "known_but", "none_of", "null_or", "one_of", "span"]

R = TypeVar("R")

# ---------------------------------------------------------------- decision tables


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; None is no bound."""

    low: Any = None
    high: Any = None
    low_closed: bool = True
    high_closed: bool = True


@dataclass(frozen=True, slots=True)
class Admits:
    """What a cell admits: some intervals (a point is the interval from itself to itself), null or not, or all."""

    intervals: tuple[Interval, ...] = ()
    excluded: tuple[Any, ...] | None = None
    """Everything except these."""
    null: bool = False


def any_value() -> Admits:
    """A cell that admits everything, null too."""
    return Admits(excluded=(), null=True)


def one_of(*values: Any) -> Admits:
    return Admits(tuple(Interval(value, value) for value in values))


def none_of(*values: Any) -> Admits:
    """Everything but these values; null too."""
    return Admits(excluded=values, null=True)


def known_but(*values: Any) -> Admits:
    """Everything but null and these values."""
    return Admits(excluded=values, null=False)


def span(low: Any, high: Any, ends: str = "[]") -> Admits:
    """A range; None is no bound, a round bracket excludes its end."""
    return Admits((Interval(low, high, ends[0] == "[", ends[1] == "]"),))


def any_of(*cells: Admits) -> Admits:
    """What one of several cells admits."""
    return Admits(tuple(interval for cell in cells for interval in cell.intervals))


def null_or(*cells: Admits) -> Admits:
    """Null, and what the other cells admit."""
    return Admits(tuple(interval for cell in cells for interval in cell.intervals), null=True)


class _Column:
    """For every value the rows that admit it, as an integer with one bit per row (row 0 lowest)."""

    __slots__ = ("bounds", "exact", "masks", "missing", "other")

    def __init__(self, cells: Sequence[Admits]) -> None:
        self.missing = _mask(cell.null for cell in cells)
        self.other = _mask(cell.excluded is not None for cell in cells)
        points = all(cell.excluded is not None or _only_points(cell) for cell in cells)
        self.exact: dict[Any, int] | None = self._points(cells) if points else None
        self.bounds: list[Any] = [] if points else _bounds(cells)
        self.masks: list[int] = [] if points else self._segments(cells)

    def _points(self, cells: Sequence[Admits]) -> dict[Any, int]:
        """Starts from the rows that admit everything, and sets or clears a bit for each value that a cell mentions."""
        masks: dict[Any, int] = {}
        for row, cell in enumerate(cells):
            for value in set(_mentioned(cell)):
                masks[value] = masks.get(value, self.other) ^ (1 << row)
        return masks

    def _segments(self, cells: Sequence[Admits]) -> list[int]:
        """Masks of the gaps between bounds (even places) and of the bounds themselves (odd places)."""
        return [
            _mask(_admits_segment(cell, self.bounds, place) for cell in cells)
            for place in range(2 * len(self.bounds) + 1)
        ]

    def rows(self, value: Any) -> int:
        if value is None:
            return self.missing
        if self.exact is not None:
            return self.exact.get(value, self.other)
        place = bisect_left(self.bounds, value)
        on_bound = place < len(self.bounds) and self.bounds[place] == value
        return self.masks[2 * place + 1 if on_bound else 2 * place]


def _bounds(cells: Sequence[Admits]) -> list[Any]:
    """Sorted; whole numbers as decimals, which compare faster with decimals."""
    found = {value for cell in cells for value in _mentioned(cell)}
    return sorted(Decimal(value) if type(value) is int else value for value in found)


def _mask(admitted: Iterable[bool]) -> int:
    return sum(1 << row for row, admits in enumerate(admitted) if admits)


def _only_points(cell: Admits) -> bool:
    return all(interval.low is not None and interval.low == interval.high for interval in cell.intervals)


def _mentioned(cell: Admits) -> Iterator[Any]:
    yield from cell.excluded or ()
    for interval in cell.intervals:
        yield from (end for end in (interval.low, interval.high) if end is not None)


def _admits_point(cell: Admits, value: Any) -> bool:
    if cell.excluded is not None:
        return value not in cell.excluded
    return any(_inside(interval, value) for interval in cell.intervals)


def _inside(interval: Interval, value: Any) -> bool:
    low = interval.low is None or interval.low < value or (interval.low_closed and interval.low == value)
    return low and (interval.high is None or value < interval.high or (interval.high_closed and interval.high == value))


def _admits_segment(cell: Admits, bounds: Sequence[Any], place: int) -> bool:
    if place % 2:
        return _admits_point(cell, bounds[place // 2])
    if cell.excluded is not None:
        return True
    above = place // 2
    return any(
        (interval.low is None or (above > 0 and interval.low <= bounds[above - 1]))
        and (interval.high is None or (above < len(bounds) and interval.high >= bounds[above]))
        for interval in cell.intervals
    )


class RowTable(Generic[R]):
    """A decision table's rows: id, cells, and what a row yields. Reading it costs one look-up per column."""

    __slots__ = ("_all", "_columns", "_results", "ids")

    def __init__(self, *rows: tuple[str, tuple[Admits, ...], R]) -> None:
        self.ids = tuple(name for name, _, _ in rows)
        self._results = tuple(result for _, _, result in rows)
        self._all = (1 << len(rows)) - 1
        width = len(rows[0][1]) if rows else 0
        self._columns = tuple(_Column([cells[column] for _, cells, _ in rows]).rows for column in range(width))

    def _applying(self, values: tuple[Any, ...]) -> int:
        rows = self._all
        for column, value in zip(self._columns, values, strict=True):
            rows &= column(value)
        return rows

    def first(self, *values: Any) -> R | None:
        """What the first row that applies yields; None if none does."""
        rows = self._applying(values)
        return self._results[(rows & -rows).bit_length() - 1] if rows else None

    def single(self, *values: Any) -> R | None:
        """What the one row that applies yields; None if none or several do."""
        rows = self._applying(values)
        return self._results[rows.bit_length() - 1] if rows and not rows & (rows - 1) else None

    def all(self, *values: Any) -> tuple[R, ...]:
        """What every row that applies yields, in the order of the rows."""
        rows = self._applying(values)
        found: list[R] = []
        while rows:
            lowest = rows & -rows
            found.append(self._results[lowest.bit_length() - 1])
            rows ^= lowest
        return tuple(found)


# ---------------------------------------------------------------- reference tables

_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "text": str,
    "number": lambda value: value if isinstance(value, Decimal) else Decimal(value),
    "boolean": bool,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class _Version:
    starts: Any
    ends: Any
    row: tuple[Any, ...]


@dataclass
class ReferenceTable:
    """Reference data under its key columns; constant time however many rows it has.

    An artifact declares its tables and whoever loads the artifact fills them (`load_tables`): the data lies beside the
    module as `tables/NAME.jsonl` and must have the pinned digest. With effective dates the last key is a date, and the
    row answers that is in force on it (both ends included).
    """

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    digest: str
    effective_from: str | None = None
    effective_to: str | None = None
    _rows: dict[tuple[Any, ...], list[_Version]] | None = field(default=None, repr=False, compare=False)

    @property
    def file(self) -> str:
        """Name of the data file inside the folder `tables`."""
        return f"{self.name}.jsonl"

    def load_text(self, text: str) -> None:
        """Takes the content of the data file; refuses what has another digest than the pinned one."""
        if digest(text) != self.digest:
            raise ArtifactRefused(
                f"Reference table {self.name!r} is not the one that was compiled against: its digest is "
                f"{digest(text)[:12]}, not {self.digest[:12]}.",
                remedy="Compile again to pin the new data.",
            )
        self.fill(tuple(self._typed(parse_json(line)) for line in text.split("\n") if line))

    def _typed(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            None if value is None else _KINDS[kind](value) for kind, value in zip(self.kinds, values, strict=True)
        )

    def fill(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Takes typed rows, in the order of the columns."""
        keys = [self.columns.index(key) for key in self.keys]
        start = self.columns.index(self.effective_from) if self.effective_from else None
        end = self.columns.index(self.effective_to) if self.effective_to else None
        found: dict[tuple[Any, ...], list[_Version]] = {}
        for row in rows:
            version = _Version(None if start is None else row[start], None if end is None else row[end], row)
            found.setdefault(tuple(row[key] for key in keys), []).append(version)
        self._rows = found

    def has(self, *keys: Any) -> bool:
        """Whether there is a row for the keys; a null key has none."""
        return self._find(keys) is not None

    def value(self, column: str, *keys: Any) -> Any:
        """The column's value in the row of the keys; null if there is no such row."""
        row = self._find(keys)
        return None if row is None else row[self.columns.index(column)]

    def _find(self, keys: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._rows is None:
            raise NotFound(f"Reference table {self.name!r} was never loaded. Load the artifact with its tables.")
        if None in keys:
            return None
        if not (self.effective_from or self.effective_to):
            found = self._rows.get(keys)
            return found[0].row if found else None
        *given, on = keys
        for version in self._rows.get(tuple(given), ()):
            if (version.starts is None or version.starts <= on) and (version.ends is None or on <= version.ends):
                return version.row
        return None


def table_text(rows: Iterable[Sequence[Any]]) -> str:
    """Returns the data file of a reference table: one canonical JSON array per row."""
    return "".join(f"{canonical_json(list(row))}\n" for row in rows)


def load_tables(names: Mapping[str, Any], data: Mapping[str, str] | Path) -> dict[str, str]:
    """Fills every reference table that a module declares, and returns the data files that were read.

    Args:
        names: what the module defines (`vars(module)`).
        data: the folder `tables` of an artifact, or its files by name.

    Raises:
        ArtifactRefused: the data of a table is missing, or is not what its digest says.
    """
    declared = {table.file: table for table in names.values() if type(table) is ReferenceTable}
    texts = {file: _data_text(table, data) for file, table in declared.items()}
    for file, table in declared.items():
        table.load_text(texts[file])
    return texts


def _data_text(table: ReferenceTable, data: Mapping[str, str] | Path) -> str:
    try:
        return (data / table.file).read_text("utf-8") if isinstance(data, Path) else data[table.file]
    except (KeyError, OSError, UnicodeDecodeError) as fault:
        raise ArtifactRefused(
            f"The data of reference table {table.name!r} (tables/{table.file}) cannot be read: {fault}.",
            remedy="Restore the artifact from a backup, or compile the specification again.",
        ) from fault
