"""Three channels: stdout is the result, stderr is for a person, the run store is evidence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from compiled_ai.canonical import plain_number
from compiled_ai.errors import CompiledAIError


def emit(value: Any, *, as_json: bool, text: str) -> None:
    """Prints a result: one JSON document with `--json`, else the text for a person."""
    sys.stdout.write((dumps(value) if as_json else text.rstrip("\n")) + "\n")


def dumps(value: Any) -> str:
    """Returns JSON for people and programs: numbers stay exact, keys keep their order."""
    return _exact(value, 0)


def _exact(value: Any, depth: int) -> str:
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        inner = ",\n".join(
            f"{pad}{json.dumps(str(key), ensure_ascii=False)}: {_exact(item, depth + 1)}" for key, item in value.items()
        )
        return f"{{\n{inner}\n{end}}}"
    if isinstance(value, (list, tuple)) and value:
        inner = ",\n".join(f"{pad}{_exact(item, depth + 1)}" for item in value)
        return f"[\n{inner}\n{end}]"
    if isinstance(value, (Decimal, float)):
        return plain_number(value)
    if isinstance(value, (dict, list, tuple)):
        return "{}" if isinstance(value, dict) else "[]"
    return json.dumps(value, ensure_ascii=False, default=str)


def note(text: str) -> None:
    """Tells a person something on stderr."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def table(rows: Iterable[Sequence[object]], *, header: Sequence[str]) -> str:
    """Lays out rows in columns, as plain text that `grep` and `cut` can read."""
    listed = [[str(cell) if cell is not None else "-" for cell in row] for row in rows]
    widths = [max(len(line[index]) for line in [list(header), *listed]) for index in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [list(header), *listed]
    ]
    return "\n".join(lines)


def wants_json(arguments: Sequence[str]) -> bool:
    return "--json" in arguments


def fail(error: CompiledAIError, *, as_json: bool) -> NoReturn:
    """Prints an error and ends the process with its exit code."""
    if as_json:
        described = {
            "code": error.code,
            "message": error.message,
            "remedy": error.remedy,
            "details": jsonable(error.details),
        }
        sys.stdout.write(dumps({"error": described}) + "\n")
    prefix = "waiting" if error.exit_code == 3 else "error"
    sys.stderr.write(f"{prefix}: {error}\n")
    sys.exit(error.exit_code)


def jsonable(value: Any) -> Any:
    """Turns records inside a value into plain JSON."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    return value
