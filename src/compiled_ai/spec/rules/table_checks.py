"""What is cheap to see about a decision table: rows that repeat, contradict, hide or overlap, and values left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

from compiled_ai.library.lookups import Admits, Interval
from compiled_ai.library.rules import to_text
from compiled_ai.spec.rules.ast import Cell, Constant, DecisionTable, InputColumn, Range, Row, Test, Value
from compiled_ai.spec.rules.check import Report
from compiled_ai.spec.rules.interpret import interpret_cell

MAX_COMPARED = 1500
"""Tables with more rows are not compared row by row."""
MAX_FOUND = 20
"""Most findings of one kind."""


def check_table(table: DecisionTable, report: Report) -> None:
    """Adds warnings, and errors where two rows of a UNIQUE or ANY table contradict each other."""
    _gaps(table, report)
    if len(table.rows) > MAX_COMPARED:
        return
    regions = [tuple(region(cell) for cell in row.cells) for row in table.rows]
    found = 0
    for (i, first), (j, second) in combinations(enumerate(table.rows), 2):
        message = _pair(table, first, second, regions[i], regions[j])
        if message is None:
            continue
        report.add(message.rule, second.place, message.text, message.severity)
        found += 1
        if found >= MAX_FOUND:
            return


@dataclass(frozen=True)
class _Message:
    rule: str
    text: str
    severity: Any = "warning"


Regions = tuple[Admits | None, ...]


def _pair(table: DecisionTable, first: Row, second: Row, one: Regions, other: Regions) -> _Message | None:
    same_outputs = _values(first) == _values(second) and _values(first) is not None
    names = f"Row {second.id} ({second.origin})", f"row {first.id} ({first.origin})"
    if [_plain(cell) for cell in first.cells] == [_plain(cell) for cell in second.cells]:
        if same_outputs:
            return _Message("duplicate_row", f"{names[0]} says the same as {names[1]}. Remove one.")
        severity = "error" if table.hit_policy in ("UNIQUE", "ANY") else "warning"
        if table.hit_policy in ("UNIQUE", "ANY", "FIRST"):
            text = f"{names[0]} contradicts {names[1]}: the same conditions, another outcome."
            return _Message("contradictory_row", text, severity)
        return None
    if table.hit_policy == "FIRST" and _covers(one, other):
        return _Message("unreachable", f"{names[0]} is never reached: {names[1]} applies before it.")
    if table.hit_policy == "UNIQUE" and overlap(one, other):
        return _Message("overlap", f"{names[0]} and {names[1]} can both apply, and UNIQUE allows one.")
    if table.hit_policy == "ANY" and not same_outputs and overlap(one, other):
        return _Message(
            "overlap", f"{names[0]} and {names[1]} can both apply with different outcomes, and ANY allows one."
        )
    return None


def disjoint(table: DecisionTable) -> bool:
    """Whether no two rows can apply at once, as far as is plain to see."""
    if len(table.rows) > MAX_COMPARED:
        return False
    regions = [tuple(region(cell) for cell in row.cells) for row in table.rows]
    return not any(_maybe_overlap(one, other) for one, other in combinations(regions, 2))


def _values(row: Row) -> tuple[Value, ...] | None:
    if not all(isinstance(output, Constant) for output in row.outputs):
        return None
    return tuple(output.value for output in row.outputs if isinstance(output, Constant))


def _plain(cell: Cell) -> tuple[object, ...]:
    return (cell.negated, cell.tests)


# ---------------------------------------------------------------- regions


def region(cell: Cell) -> Admits | None:
    """Returns what a cell admits, or None where that depends on other fields."""
    if not cell.tests:
        return Admits(excluded=(), null=True)
    parts = [_region_of(test) for test in cell.tests]
    if any(part is None for part in parts):
        return None
    intervals = tuple(interval for part in parts if part is not None for interval in part.intervals)
    null = any(part.null for part in parts if part is not None)
    if not cell.negated:
        return Admits(intervals, null=null)
    points = all(interval.low == interval.high and interval.low is not None for interval in intervals)
    if not points:
        return None
    return Admits(excluded=tuple(interval.low for interval in intervals), null=not null)


def _region_of(test: Test) -> Admits | None:
    operand = test.operand
    if test.how == "within" and isinstance(operand, Range):
        return _range_region(operand)
    if not isinstance(operand, Constant):
        return None
    value = operand.value
    if value is None:
        return Admits(null=True) if test.how == "=" else None
    interval = {
        "=": Interval(value, value),
        "<": Interval(None, value, True, False),
        "<=": Interval(None, value),
        ">": Interval(value, None, False, True),
        ">=": Interval(value, None),
    }.get(test.how)
    return Admits((interval,)) if interval is not None else None


def _range_region(operand: Range) -> Admits | None:
    low, high = operand.low, operand.high
    if not (isinstance(low, Constant) and isinstance(high, Constant)) or low.value is None or high.value is None:
        return None
    ends: Any = (low.value, high.value)
    if ends[0] > ends[1] or (ends[0] == ends[1] and not (operand.low_closed and operand.high_closed)):
        return Admits()
    return Admits((Interval(low.value, high.value, operand.low_closed, operand.high_closed),))


def overlap(one: Regions, other: Regions) -> bool:
    """Whether two rows can plainly apply at once; False where that is not known."""
    return all(a is not None and b is not None and _meet(a, b) for a, b in zip(one, other, strict=True))


def _maybe_overlap(one: Regions, other: Regions) -> bool:
    return all(a is None or b is None or _meet(a, b) for a, b in zip(one, other, strict=True))


def _meet(one: Admits, other: Admits) -> bool:
    if one.null and other.null:
        return True
    if one.excluded is not None and other.excluded is not None:
        return True
    if one.excluded is not None or other.excluded is not None:
        outside, inside = (one, other) if one.excluded is not None else (other, one)
        excluded = outside.excluded or ()
        return any(interval.low != interval.high or interval.low not in excluded for interval in inside.intervals)
    return any(_intervals_meet(a, b) for a in one.intervals for b in other.intervals)


def _intervals_meet(one: Interval, other: Interval) -> bool:
    return _below(one.low, one.low_closed, other.high, other.high_closed) and _below(
        other.low, other.low_closed, one.high, one.high_closed
    )


def _below(low: Any, low_closed: bool, high: Any, high_closed: bool) -> bool:
    if low is None or high is None:
        return True
    return bool(low < high or (low == high and low_closed and high_closed))


def _covers(one: Regions, other: Regions) -> bool:
    """Whether the first row plainly applies wherever the second does."""
    return all(a is not None and b is not None and _contains(a, b) for a, b in zip(one, other, strict=True))


def _contains(outer: Admits, inner: Admits) -> bool:
    if inner.null and not outer.null:
        return False
    if outer.excluded is not None:
        if inner.excluded is not None:
            return set(outer.excluded) <= set(inner.excluded)
        return not outer.excluded
    if inner.excluded is not None:
        return False
    return all(any(_interval_contains(a, b) for a in outer.intervals) for b in inner.intervals)


def _interval_contains(outer: Interval, inner: Interval) -> bool:
    low = outer.low is None or (
        inner.low is not None
        and (outer.low < inner.low or (outer.low == inner.low and (outer.low_closed or not inner.low_closed)))
    )
    high = outer.high is None or (
        inner.high is not None
        and (inner.high < outer.high or (outer.high == inner.high and (outer.high_closed or not inner.high_closed)))
    )
    return bool(low and high)


# ---------------------------------------------------------------- gaps


def _gaps(table: DecisionTable, report: Report) -> None:
    if any(column.default is not None for column in table.outputs):
        return
    for index, column in enumerate(table.inputs):
        missing = [value for value in column.allowed if not _admitted(value, index, table.rows)]
        if missing:
            listed = ", ".join(_shown(value) for value in missing)
            report.add(
                "gap",
                table.rows[0].place,
                f"No row applies where {column.label!r} is {listed}. Add a row or a default.",
                "warning",
            )


def _admitted(value: Value, index: int, rows: Iterable[Row]) -> bool:
    """Whether some row's cell admits a member; a cell that depends on other fields may."""
    return any(region(row.cells[index]) is None or interpret_cell(row.cells[index], value, {}) is True for row in rows)


def _shown(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else to_text(value) or "null"


def _neighbours(values: Sequence[Value]) -> Iterable[Value]:
    """Values on, just below and just above each bound: where tables go wrong."""
    for value in values:
        yield value
        if isinstance(value, Decimal):
            yield from (value - 1, value + 1)
        elif isinstance(value, date):
            yield from (value - timedelta(days=1), value + timedelta(days=1))


def probes(table: DecisionTable, column: InputColumn) -> tuple[Value, ...]:
    """Returns values of a column at which rows begin or end, for tests."""
    index = table.inputs.index(column)
    ends: list[Value] = []
    for row in table.rows:
        known = region(row.cells[index])
        for interval in known.intervals if known is not None else ():
            ends.extend(end for end in (interval.low, interval.high) if end is not None)
    return tuple(dict.fromkeys(_neighbours(ends)))
