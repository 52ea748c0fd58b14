"""The lines of a batch or a stream, and how they become inputs of an artifact."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from compiled_ai.canonical import kind_of, parse_json
from compiled_ai.errors import InputError, UsageError, suggest
from compiled_ai.library.types import FieldType

LONGEST_LINE = 64 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""It may stand before the first line of a file, and belongs to no line."""
OTHER_KINDS = frozenset({".csv", ".xlsx", ".parquet"})
"""Ends of the names of files that hold tables and no lines of JSON."""
RESERVED = ("index", "run_id", "status", "output", "error", "abstained")
"""Names that every output line has or may have; no kept column can take them."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands where a line should be."""

    why: str


RawLine = bytes | list[str] | Unreadable
"""A line of JSONL as bytes, the cells of a row of CSV, or what is neither."""


@dataclass(frozen=True)
class Columns:
    """Which column each input comes from, and which are kept in the output. Columns not named are ignored."""

    inputs: Mapping[str, str]
    """Input field to column."""
    keep: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    """The columns of a CSV file; `None` for JSONL."""
    types: Mapping[str, FieldType] = field(default_factory=dict)

    @cached_property
    def as_named(self) -> bool:
        """True if a JSON object with just the inputs is the input as it is."""
        return self.header is None and all(name == column for name, column in self.inputs.items())

    @cached_property
    def named(self) -> frozenset[str]:
        """Columns that somebody named: kept, or mapped to an input of another name."""
        return frozenset(self.keep).union(column for name, column in self.inputs.items() if column != name)

    def values(self, line: RawLine) -> dict[str, Any]:
        """Returns a line as one object; raises `InputError` if it is none."""
        if isinstance(line, list):
            return self._cells(line)
        if isinstance(line, Unreadable):
            raise InputError(line.why)
        if len(line) > LONGEST_LINE:
            raise InputError(f"The line is longer than {LONGEST_LINE >> 20} MB.")
        try:
            value = parse_json(line.decode("utf-8"))
        except UnicodeDecodeError as fault:
            raise InputError(f"The line is not UTF-8 (byte {fault.start}).") from None
        if not isinstance(value, dict):
            raise InputError(f"The line is no JSON object but {kind_of(value)}.")
        return value

    def _cells(self, cells: list[str]) -> dict[str, Any]:
        header = self.header or ()
        if len(cells) != len(header):
            raise InputError(f"The row has {len(cells)} cells, the header has {len(header)}.")
        if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell if character > "\ud7ff"):
            raise InputError("The row is not UTF-8.")
        return dict(zip(header, cells, strict=True))

    def input_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Picks the inputs out of a line's values; a column that is not there is an input that is not given."""
        inputs = self.inputs
        if self.as_named and len(values) == len(inputs) and values.keys() == inputs.keys():
            return values if type(values) is dict else dict(values)
        given = {name: values[column] for name, column in inputs.items() if column in values}
        if self.header is None:
            return given
        return {name: convert_cell(value, self.types[name]) for name, value in given.items()}

    def kept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {column: values.get(column) for column in self.keep}


_INTEGER = re.compile(r"[+-]?\d{1,400}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


def convert_cell(cell: str, kind: FieldType) -> Any:
    """Reads a cell by the type of its input: empty is null, and what does not read stays text, to be refused."""
    if cell == "":
        return None
    if kind.kind == "integer":
        return int(cell) if _INTEGER.fullmatch(cell.strip()) else cell
    if kind.kind in ("decimal", "money", "float"):
        from decimal import Decimal

        return Decimal(cell.strip()) if _NUMBER.fullmatch(cell.strip()) else cell
    if kind.kind == "boolean":
        return {"true": True, "false": False}.get(cell.strip().lower(), cell)
    if kind.kind in ("list", "object", "box", "json"):
        return parse_json(cell)
    return cell if kind.kind in ("text", "string") else cell.strip()


def check_output(target: Path) -> None:
    """Raises `UsageError` if output lines cannot go to this place, or if its name says that it holds something else."""
    if target.is_dir():
        raise UsageError(f"The output {str(target)!r} is a folder.", remedy="Name a file in it.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {str(target.parent)!r} for the output.", remedy="Make it first.")
    if target.suffix.lower() in OTHER_KINDS:
        raise UsageError(
            f"The output is JSON lines, and {str(target)!r} is named as another kind of file.",
            remedy=f"Name it {target.with_suffix('.jsonl').name}.",
        )


def plan_columns(
    kind: FieldType, header: Sequence[str] | None, mapping: Mapping[str, str], keep: Sequence[str]
) -> Columns:
    """Checks which column serves which input before anything runs; raises `UsageError`."""
    names = {part.name: part.type for part in kind.fields}
    for name in mapping:
        if name not in names:
            raise UsageError(f"The artifact has no input {name!r}.{suggest(name, names)}", remedy="Correct --map.")
    for column in keep:
        if column in RESERVED:
            raise UsageError(f"Column {column!r} cannot be kept: the output has that name itself.")
    inputs = {name: mapping.get(name, name) for name in names}
    if header is not None:
        wanted = [*mapping.values(), *keep]
        wanted += [inputs[name] for name, part in names.items() if not part.optional]
        for column in wanted:
            if column not in header:
                raise UsageError(f"The file has no column {column!r}.{suggest(column, header)}", remedy="Use --map.")
    return Columns(inputs, tuple(keep), None if header is None else tuple(header), names)
