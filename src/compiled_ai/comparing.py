"""What differs between two artifacts: `diff A B`.

Texts are compared line by line, decision tables row by row under their row ids, reference tables by their rows.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiled_ai.artifact import SealedArtifact
from compiled_ai.spec.rules.table_changes import ROWS, RowChange, compared_rows, read_rows

_TABLES = "tables/"
_MOST_DATA_ROWS = 20
"""Changed rows of a reference table that are printed; the JSON has all of them."""


@dataclass(frozen=True)
class DataChange:
    """What changed in a reference table: its rows as JSON, in the order of the data."""

    removed: Sequence[str]
    added: Sequence[str]

    def lines(self) -> list[str]:
        found = [f"-{row}" for row in self.removed] + [f"+{row}" for row in self.added]
        more = len(found) - _MOST_DATA_ROWS
        return [*found[:_MOST_DATA_ROWS], *([f"... and {more} more (--json lists all)"] if more > 0 else [])]


@dataclass(frozen=True, kw_only=True)
class ArtifactChanges:
    first: str
    """Digest."""
    second: str
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """File of the identity to the lines of its unified diff."""
    rows: Mapping[str, Sequence[RowChange]] = field(default_factory=dict)
    """Step of a decision table to the rows that changed."""
    data: Mapping[str, DataChange] = field(default_factory=dict)
    """Reference table to the rows that changed."""

    @property
    def same(self) -> bool:
        return not (self.files or self.rows or self.data)

    def to_json(self) -> dict[str, Any]:
        rows = {
            step: [
                {"id": row.id, "kind": row.kind, "columns": list(row.columns)}
                | {"before": dict(row.before), "after": dict(row.after)}
                for row in changed
            ]
            for step, changed in self.rows.items()
        }
        data = {name: {"removed": list(each.removed), "added": list(each.added)} for name, each in self.data.items()}
        files = {name: list(lines) for name, lines in self.files.items()}
        told = {"a": self.first, "b": self.second, "same": self.same}
        return {**told, "rows": rows, "tables": data, "files": files}

    def text(self) -> str:
        parts: list[str] = []
        for step, changed in self.rows.items():
            parts += [f"decision table {step}:", *(f"  {row.text()}" for row in changed), ""]
        for name, data in self.data.items():
            parts += [f"reference table {name}:", *(f"  {line}" for line in data.lines()), ""]
        parts += [line for lines in self.files.values() for line in lines]
        return "\n".join(parts) or "The two are the same."


def compare_artifacts(first: SealedArtifact, second: SealedArtifact) -> ArtifactChanges:
    """Compares all that can change a decision."""
    files: dict[str, Sequence[str]] = {}
    rows: dict[str, Sequence[RowChange]] = {}
    data: dict[str, DataChange] = {}
    for name in sorted(_names(first) | _names(second)):
        before, after = _text(first, name), _text(second, name)
        table = name.removeprefix(_TABLES)
        if before == after:
            continue
        if name.startswith(_TABLES) and name.endswith(ROWS):
            rows[table.removesuffix(ROWS)] = compared_rows(read_rows(before), read_rows(after))
        elif name.startswith(_TABLES):
            data[table.removesuffix(".jsonl")] = _data_change(before, after)
        else:
            files[name] = _unified(first, second, name, before, after)
    return ArtifactChanges(first=first.digest, second=second.digest, files=files, rows=rows, data=data)


def _names(loaded: SealedArtifact) -> set[str]:
    return {path.relative_to(loaded.identity).as_posix() for path in loaded.identity.rglob("*") if path.is_file()}


def _text(loaded: SealedArtifact, name: str) -> str:
    path: Path = loaded.identity / name
    return path.read_text("utf-8") if path.is_file() else ""


def _data_change(before: str, after: str) -> DataChange:
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    return DataChange(list((old - new).elements()), list((new - old).elements()))


def _unified(first: SealedArtifact, second: SealedArtifact, name: str, before: str, after: str) -> list[str]:
    names = (f"{first.digest[:12]}/{name}", f"{second.digest[:12]}/{name}")
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm=""))
