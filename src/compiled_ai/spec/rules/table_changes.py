"""What changed between two versions of a decision table, row by row, by row id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compiled_ai.library.rules import to_text
from compiled_ai.spec.rules.ast import Constant, DecisionTable, Row


@dataclass(frozen=True)
class RowChange:
    """One row that is new, gone or different; `before` and `after` map columns to cells as written."""

    id: str
    kind: Literal["added", "removed", "changed"]
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose cells differ."""
        names = dict.fromkeys((*self.before, *self.after))
        return tuple(name for name in names if self.before.get(name) != self.after.get(name))


def changed_rows(before: DecisionTable, after: DecisionTable) -> tuple[RowChange, ...]:
    """Returns the rows that differ: first those of the old table in its order, then the new ones."""
    old = {row.id: _cells(row, before) for row in before.rows}
    new = {row.id: _cells(row, after) for row in after.rows}
    found = [
        RowChange(row, "changed" if row in new else "removed", cells, new.get(row, {}))
        for row, cells in old.items()
        if new.get(row) != cells
    ]
    return (*found, *(RowChange(row, "added", {}, cells) for row, cells in new.items() if row not in old))


def _cells(row: Row, table: DecisionTable) -> dict[str, str]:
    cells = {column.label: cell.source for column, cell in zip(table.inputs, row.cells, strict=True)}
    for column, output in zip(table.outputs, row.outputs, strict=True):
        cells[column.name] = (to_text(output.value) or "null") if isinstance(output, Constant) else repr(output)
    return {**cells, "reason": row.reason}
