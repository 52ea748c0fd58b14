"""`init --from table.xlsx`: a specification for a decision table that somebody keeps in a sheet.

What the sheet does not say is guessed and written down, to be corrected: which columns are outputs (from the first
that is called like one, else the last), the type of each input (by its cells), the hit policy (UNIQUE if no two rows
can apply at once).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

from compiled_ai.errors import UsageError, suggest
from compiled_ai.library.rules import date_from_text
from compiled_ai.library.types import FieldType, Kind
from compiled_ai.spec.findings import refuse
from compiled_ai.spec.model import Mark
from compiled_ai.spec.names import slug
from compiled_ai.spec.rules import Scope
from compiled_ai.spec.rules.ast import DecisionTable
from compiled_ai.spec.rules.table_checks import disjoint
from compiled_ai.spec.rules.tables import Grid, GridCell, TableText, csv_grid, parse_table
from compiled_ai.spec.sheets import read_sheet
from compiled_ai.spec.types import NAME_PATTERN

_IDS = frozenset({"id", "rule", "rule id", "row", "row id", "nr", "no", "number", "#"})
_REASONS = frozenset({"reason", "why", "because", "rationale", "explanation"})
_NOTES = frozenset({"note", "notes", "comment", "comments", "annotation", "annotations", "remark", "remarks"})
_OUTPUTS = frozenset(
    {"outcome", "decision", "result", "action", "output", "route", "queue", "verdict", "status", "then", "assign to"}
)


@dataclass(frozen=True)
class _Roles:
    """What each column is for."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    id: str | None
    reason: str | None
    notes: str | None


@dataclass(frozen=True)
class _Input:
    header: str
    name: str
    type: FieldType


def table_starter(table: Path, target: Path, *, sheet: str | None = None, outputs: Sequence[str] = ()) -> str:
    """Returns the text of a specification that decides by a table.

    Args:
        table: the file, `.xlsx` or `.csv`.
        target: where the specification will stand: it names the table relative to its folder.
        sheet: which sheet; by default the first.
        outputs: columns that the table yields; by default they are told by their names.

    Raises:
        SpecError: the sheet breaks the contract for sheets, or a cell cannot be read (every place is listed).
        UsageError: there is no such file or column.
    """
    grid = _grid(table, sheet)
    roles = _roles(grid, outputs)
    inputs = _inputs(grid, roles)
    parsed = _parsed(grid, roles, inputs)
    return _text(table, target, sheet, roles, inputs, parsed)


def _grid(table: Path, sheet: str | None) -> Grid:
    if not table.is_file():
        raise UsageError(f"There is no table {str(table)!r}.", remedy="Name an .xlsx or .csv file.")
    suffix = table.suffix.lower()
    if suffix == ".xlsx":
        reading = read_sheet(table, file=table.name, sheet=sheet, range_=None, mark=Mark(table.name, 1, 1))
        if reading.grid is None:
            refuse(reading.findings)
        return reading.grid
    if suffix != ".csv" or sheet is not None:
        raise UsageError(
            f"{table.name!r} is no .xlsx file{'' if sheet else ' and no .csv file'}.", remedy="Save it so."
        )
    try:
        grid = csv_grid(table.read_bytes().decode("utf-8-sig"), file=table.name)
    except UnicodeDecodeError as fault:
        raise UsageError(f"{table.name!r} is not UTF-8 (byte {fault.start}).", remedy="Save it as UTF-8.") from fault
    if grid is None:
        raise UsageError(f"{table.name!r} is empty.", remedy="Its first line names the columns.")
    return grid


# ---------------------------------------------------------------- guesses


def _roles(grid: Grid, outputs: Sequence[str]) -> _Roles:
    headers = [cell.text for cell in grid.header]
    for name in outputs:
        if name not in headers:
            raise UsageError(
                f"{grid.file!r} has no column {name!r}.{suggest(name, headers)}", remedy="Name its header."
            )
    special = {kind: _first(headers, names, outputs) for kind, names in (("id", _IDS), ("reason", _REASONS))}
    special["notes"] = _first(headers, _NOTES, outputs)
    left = [name for name in headers if name not in special.values()]
    chosen = list(outputs) or _outputs(left)
    inputs = tuple(name for name in left if name not in chosen)
    if not inputs or not chosen:
        raise UsageError(
            f"{grid.file!r} has no column to decide by, or none that is decided.", remedy="A table needs both."
        )
    return _Roles(inputs, tuple(chosen), special["id"], special["reason"], special["notes"])


def _outputs(columns: Sequence[str]) -> list[str]:
    """From the first column that is called like an output on, all are outputs; without one, the last."""
    first = next((place for place, name in enumerate(columns) if place and _plain(name) in _OUTPUTS), -1)
    return list(columns[first:])


def _first(headers: Sequence[str], names: frozenset[str], outputs: Sequence[str]) -> str | None:
    return next((name for name in headers if _plain(name) in names and name not in outputs), None)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _inputs(grid: Grid, roles: _Roles) -> tuple[_Input, ...]:
    found = []
    for place, cell in enumerate(grid.header):
        if cell.text in roles.inputs:
            usable = re.fullmatch(NAME_PATTERN, cell.text) is not None
            name = cell.text if usable else slug(cell.text)
            found.append(_Input(cell.text, name, _type([row[place] for row in grid.rows])))
    return tuple(found)


def _type(cells: Sequence[GridCell]) -> FieldType:
    values = [value for cell in cells if not cell.blank for value in _mentioned(cell)]
    known = [kind for kind in map(_kind, values) if kind is not None]
    kinds = set(known)
    kind: Kind = known[0] if len(kinds) == 1 else "string"
    return FieldType(kind, optional=len(known) < len(values))


def _mentioned(cell: GridCell) -> Iterator[object]:
    """The values that a cell speaks of, without the tests around them."""
    if not isinstance(cell.value, str):
        yield cell.value
        return
    text = re.sub(r"^\s*not\s*\((.*)\)\s*$", r"\1", cell.value, flags=re.IGNORECASE)
    for part in re.split(r",|\.\.", text):
        yield re.sub(r"^[\s\[\](<>=!≤≥≠]+|[\s\[\])]+$", "", part)


def _kind(value: object) -> Kind | None:
    """The type of one value; `None` for null."""
    if isinstance(value, bool) or (isinstance(value, str) and value in ("true", "false")):
        return "boolean"
    if isinstance(value, Decimal):
        return "decimal"
    if isinstance(value, datetime):
        return "datetime"
    if isinstance(value, time):
        return "time"
    if isinstance(value, date):
        return "date"
    text = str(value)
    if text == "null":
        return None
    if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text, re.ASCII):
        return "decimal"
    return "date" if date_from_text(text.removeprefix("@").strip("\"'")) is not None else "string"


def _parsed(grid: Grid, roles: _Roles, inputs: Sequence[_Input]) -> DecisionTable:
    described = TableText(
        "decide",
        grid,
        Mark(grid.file, 1, 1),
        inputs={each.header: each.name for each in inputs},
        outputs=dict.fromkeys(roles.outputs, ()),
        hit_policy="FIRST",
        reason=roles.reason,
        id=roles.id,
        notes=roles.notes,
    )
    scope = Scope({each.name: each.type for each in inputs})
    parsed = parse_table(described, scope=scope)
    wrong = tuple(finding for finding in parsed.findings if finding.severity == "error")
    if wrong or parsed.node is None:
        refuse(wrong)
    return replace(parsed.node, hit_policy="UNIQUE") if disjoint(parsed.node) else parsed.node


# ---------------------------------------------------------------- the text


def _text(
    table: Path,
    target: Path,
    sheet: str | None,
    roles: _Roles,
    inputs: Sequence[_Input],
    parsed: DecisionTable,
) -> str:
    here = Path(os.path.relpath(table.resolve(), target.resolve().parent)).as_posix()
    unique = parsed.hit_policy == "UNIQUE"
    policy = "no two rows can apply at once" if unique else "rows overlap: the first that applies decides"
    declared = [f"  {_key(each.name)}: {_written(each.type)}" for each in inputs]
    columns = [f"        {_key(each.header)}: {_key(each.name)}" for each in inputs]
    yielded = [f"        {_key(name)}: []" for name in roles.outputs]
    extras = {"sheet": sheet, "id": roles.id, "reason": roles.reason, "notes": roles.notes}
    named = [f"      {key}: {_key(name)}" for key, name in extras.items() if name]
    lines = [
        f"# Made from {table.name}. Look at what was guessed: types of inputs, outputs, hit policy.",
        "# 'compiled-ai check FILE' reports every error with its place, those of the table too.",
        "",
        "metadata:",
        f"  name: {_key(target.stem)}",
        "  version: 0.1.0",
        f"  description: {_key(f'Decides by the rows of {table.name}.')}",
        "",
        "inputs:",
        *declared,
        "",
        "steps:",
        "  - step: decide",
        "    type: deterministic_rule",
        "    table:",
        f"      file: {_key(here)}",
        *named,
        f"      hit_policy: {parsed.hit_policy}   # {policy}",
        "      inputs:            # column: what it is compared with",
        *columns,
        "      outputs:           # column: its values in order of priority (for PRIORITY and OUTPUT ORDER)",
        *yielded,
        "",
        "# Cases that the table must get right; more belong into a file: 'golden: cases.jsonl'.",
        "# golden:",
        "#   - id: first case",
        f"#     input: {_example(inputs)}",
        f"#     expected: {{{_key(roles.outputs[0])}: ...}}",
    ]
    return "\n".join(lines) + "\n"


def _example(inputs: Sequence[_Input]) -> str:
    return "{" + ", ".join(f"{_key(each.name)}: ..." for each in inputs) + "}"


_PLAIN_KEY = re.compile(r"[A-Za-z][\w ]*\w|[A-Za-z]", re.ASCII)
_NOT_PLAIN: Mapping[str, bool] = dict.fromkeys(("true", "false", "null", "yes", "no", "on", "off", "y", "n"), True)


def _key(name: str) -> str:
    plain = _PLAIN_KEY.fullmatch(name) is not None and name.lower() not in _NOT_PLAIN
    return name if plain else json.dumps(name, ensure_ascii=False)


def _written(kind: FieldType) -> str:
    return f'"{kind.kind}?"' if kind.optional else kind.kind
