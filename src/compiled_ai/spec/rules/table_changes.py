"""What changed between two versions of a decision table, row by row, by row id.

An artifact keeps the parsed rows of its decision tables as `tables/STEP.rows.jsonl`, one `{"id", "cells"}` a line: they
come from inline YAML, CSV and sheets alike, and how a file was saved makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.library.rules import to_text
from compiled_ai.spec.model import RuleStep, WorkflowSpec
from compiled_ai.spec.rules.ast import Constant, DecisionTable, Row

ROWS = ".rows.jsonl"
"""How the files with the rows of decision tables end."""

Cells = Mapping[str, str]
"""Column to cell as written."""


@dataclass(frozen=True)
class RowChange:
    """One row that is new, gone or different; `before` and `after` map columns to cells as written."""

    id: str
    kind: Literal["added", "removed", "changed", "moved"]
    """`moved`: it stands elsewhere among the rows that both tables have, which matters under FIRST and the like."""
    before: Cells
    after: Cells

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose cells differ."""
        names = dict.fromkeys((*self.before, *self.after))
        return tuple(name for name in names if self.before.get(name) != self.after.get(name))

    def text(self) -> str:
        """One line for a person."""
        if self.kind == "moved":
            return f"row {self.id} moved"
        if self.kind == "changed":
            cells = [f"{name} {self.before.get(name)!r} -> {self.after.get(name)!r}" for name in self.columns]
        else:
            cells = [f"{name} {text}" for name, text in (self.before or self.after).items() if text]
        return f"row {self.id} {self.kind}: {', '.join(cells)}"


def changed_rows(before: DecisionTable, after: DecisionTable) -> tuple[RowChange, ...]:
    """Returns the rows that differ: first those of the old table in its order, then the new ones."""
    return compared_rows(_rows(before), _rows(after))


def compared_rows(old: Mapping[str, Cells], new: Mapping[str, Cells]) -> tuple[RowChange, ...]:
    """Returns the rows that differ between two mappings from row id to cells."""
    stay = [row for row in new if row in old]
    moved = _moved([row for row in old if row in new], stay)
    found: list[RowChange] = []
    for row, cells in old.items():
        if row not in new:
            found.append(RowChange(row, "removed", cells, {}))
        elif new[row] != cells:
            found.append(RowChange(row, "changed", cells, new[row]))
        elif row in moved:
            found.append(RowChange(row, "moved", cells, cells))
    return (*found, *(RowChange(row, "added", {}, cells) for row, cells in new.items() if row not in old))


def _moved(before: list[str], after: list[str]) -> frozenset[str]:
    """The rows outside of the longest part that kept its order."""
    if before == after:
        return frozenset()
    from difflib import SequenceMatcher

    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = {row for block in blocks for row in before[block.a : block.a + block.size]}
    return frozenset(before) - kept


def row_files(spec: WorkflowSpec) -> dict[str, str]:
    """Returns the rows of every decision table of a specification, as files by name."""
    return {
        f"{step.identifier}{ROWS}": row_lines(step.logic)
        for step in spec.steps
        if isinstance(step, RuleStep) and isinstance(step.logic, DecisionTable)
    }


def row_lines(table: DecisionTable) -> str:
    """Returns a table's rows as JSON lines."""
    return "".join(f"{canonical_json({'id': row, 'cells': cells})}\n" for row, cells in _rows(table).items())


def read_rows(text: str) -> dict[str, Cells]:
    """Reads what `row_lines` wrote."""
    rows = [parse_json(line) for line in text.splitlines() if line]
    return {str(row["id"]): dict(row["cells"]) for row in rows}


def _rows(table: DecisionTable) -> dict[str, Cells]:
    return {row.id: _cells(row, table) for row in table.rows}


def _cells(row: Row, table: DecisionTable) -> dict[str, str]:
    cells = {column.label: cell.source for column, cell in zip(table.inputs, row.cells, strict=True)}
    for column, output, text in zip(table.outputs, row.outputs, row.written, strict=True):
        cells[column.name] = (to_text(output.value) or "null") if isinstance(output, Constant) else text
    return {**cells, "reason": row.reason}
