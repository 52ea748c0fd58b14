"""Decision tables of a specification: inline rows or a file, to the grid that the rule language reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compiled_ai.errors import suggest
from compiled_ai.library.types import Field
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.model import Mark, Table
from compiled_ai.spec.reach import Reach
from compiled_ai.spec.reading import Folder, scalar, scalars, text
from compiled_ai.spec.rule_text import RuleReading, located, resolved, scope_of
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.tables import Grid, GridCell, TableText, csv_grid, parse_table
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar

MAX_TABLE_BYTES = 20_000_000
"""Largest file of a decision table."""


def read_table(
    node: Fields,
    folder: Folder,
    sight: Reach,
    tables: Mapping[str, Table],
    step: str,
    declared: tuple[Field, ...] | None,
    findings: Findings,
) -> RuleReading | None:
    """Reads a decision table; None if its rows cannot be had, which is in the findings then."""
    grid = _file_grid(node, folder, findings) if node.get("file") is not None else _inline_grid(node, findings)
    if grid is None:
        return None
    outputs = node.get("outputs")
    described = TableText(
        step,
        grid,
        node.mark,
        inputs=_inputs(node.get("inputs")),
        outputs=_outputs(outputs) if outputs is not None else _declared_outputs(grid, declared),
        hit_policy=text(node, "hit_policy") or "UNIQUE",
        default=_texts(node.get("default")),
        reason=text(node, "reason"),
        id=text(node, "id"),
        notes=text(node, "notes"),
    )
    parsed = parse_table(described, scope=scope_of(sight, tables), result=declared or ())
    reads, tree = resolved(parsed, sight)
    wrong = located(parsed, _whole(node), sight, step)
    return RuleReading(tree, reads, parsed.result, parsed.outcomes, wrong, _written(grid), node.mark)


def _whole(node: Fields) -> Scalar:
    return Scalar("", False, node.mark, "", node.mark)


def _written(grid: Grid) -> str:
    """Returns the table as text, a line for each row."""
    lines = [" | ".join(cell.text for cell in row) for row in (grid.header, *grid.rows)]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- columns


def _inputs(node: Node | None) -> dict[str, str]:
    """Header to expression: a list names headers, a mapping gives the expression of each."""
    if isinstance(node, Fields):
        return _texts(node)
    return {one.text: one.text for one in scalars(node)}


def _outputs(node: Node) -> dict[str, tuple[str, ...]]:
    """Header to the values in order of priority."""
    if isinstance(node, Fields):
        return {entry.key.text: tuple(one.text for one in scalars(entry.value)) for entry in node.entries}
    return {one.text: () for one in scalars(node)}


def _declared_outputs(grid: Grid, declared: tuple[Field, ...] | None) -> dict[str, tuple[str, ...]]:
    headers = {cell.text for cell in grid.header}
    return {field.name: () for field in declared or () if field.name in headers and field.name != "reason"}


def _texts(node: Node | None) -> dict[str, str]:
    if not isinstance(node, Fields):
        return {}
    return {entry.key.text: entry.value.text for entry in node.entries if isinstance(entry.value, Scalar)}


# ---------------------------------------------------------------- rows


def _inline_grid(node: Fields, findings: Findings) -> Grid | None:
    rows = node.get("rows")
    if not isinstance(rows, Items):
        return None
    columns = _columns(node)
    header = tuple(GridCell(name, Place(mark.line, mark.column)) for name, mark in columns.items())
    made = tuple(_row(row, tuple(columns), node.get("columns") is not None, findings) for row in rows.items)
    return Grid(node.mark.file, header, made)


def _columns(node: Fields) -> dict[str, Mark]:
    """Names of the columns with their places: `columns`, or whatever the keys and the rows name, in order."""
    listed = node.get("columns")
    if listed is not None:
        return {one.text: one.mark for one in scalars(listed)}
    found: dict[str, Mark] = {}
    for key in ("inputs", "outputs"):
        inner = node.get(key)
        named = [entry.key for entry in inner.entries] if isinstance(inner, Fields) else list(scalars(inner))
        for one in named:
            found.setdefault(one.text, one.mark)
    for key in ("reason", "id", "notes"):
        extra = scalar(node, key)
        if extra is not None:
            found.setdefault(extra.text, extra.mark)
    rows = node.get("rows")
    for row in rows.items if isinstance(rows, Items) and node.get("inputs") is None else ():
        for entry in row.entries if isinstance(row, Fields) else ():
            found.setdefault(entry.key.text, entry.key.mark)
    return found


def _row(row: Node, columns: tuple[str, ...], listed: bool, findings: Findings) -> tuple[GridCell, ...]:
    place = Place(row.mark.line, row.mark.column)
    if isinstance(row, Items):
        if not listed:
            findings.add("table", "A row that is a list needs 'columns', the names of its cells in order.", row.mark)
        cells = [_cell(item) for item in row.items]
        return (*cells, *[_blank(place)] * (len(columns) - len(cells)))
    written = {entry.key.text: entry for entry in row.entries} if isinstance(row, Fields) else {}
    for name, entry in written.items():
        if name not in columns:
            message = f"The table has no column {quote(name)}.{suggest(name, columns)}"
            findings.add("table", message, entry.key.mark)
    return tuple(_cell(written[name].value) if name in written else _blank(place) for name in columns)


def _blank(place: Place) -> GridCell:
    return GridCell(None, place, f"line {place.line}")


def _cell(node: Node) -> GridCell:
    mark = node.rule_mark if isinstance(node, Scalar) else node.mark
    written = node.rule_text if isinstance(node, Scalar) else ""
    return GridCell(written, Place(mark.line, mark.column), f"line {mark.line}")


def _file_grid(node: Fields, folder: Folder, findings: Findings) -> Grid | None:
    named = scalar(node, "file")
    if named is None:
        return None
    if folder.path is None:
        findings.add("table", "A specification without a folder cannot name a table's file. Write 'rows'.", named.mark)
        return None
    path = folder.path / named.text
    try:
        size = path.stat().st_size
    except OSError as fault:
        message = f"Cannot read the table {quote(named.text)}: {fault.strerror or fault}. Correct its path."
        findings.add("table", message, named.mark)
        return None
    if size > MAX_TABLE_BYTES:
        message = f"The table {quote(named.text)} is larger than {MAX_TABLE_BYTES:,} bytes. Use 'tables' for data."
        findings.add("table", message, named.mark)
        return None
    if path.suffix.lower() == ".xlsx":
        return _sheet_grid(node, path, folder.shown(named.text), findings)
    return _csv_grid(path, named, folder, findings)


def _sheet_grid(node: Fields, path: Path, shown: str, findings: Findings) -> Grid | None:
    from compiled_ai.spec.sheets import read_sheet

    named = scalar(node, "file") or node
    reading = read_sheet(path, file=shown, sheet=text(node, "sheet"), range_=text(node, "range"), mark=named.mark)
    findings.extend(reading.findings)
    return reading.grid


def _csv_grid(path: Path, named: Scalar, folder: Folder, findings: Findings) -> Grid | None:
    if path.suffix.lower() != ".csv":
        findings.add("table", f"The table {quote(named.text)} is no .csv or .xlsx file. Save it as one.", named.mark)
        return None
    try:
        grid = csv_grid(path.read_bytes().decode("utf-8-sig"), file=folder.shown(named.text))
    except UnicodeDecodeError:
        findings.add("table", f"The table {quote(named.text)} is not UTF-8. Save it as CSV in UTF-8.", named.mark)
        return None
    if grid is None:
        findings.add("table", f"The table {quote(named.text)} is empty. Write a header and rows.", named.mark)
    return grid
