"""Values on their way into a statement and out of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from compiled_ai.errors import CallFailed
from compiled_ai.library.types import Field, FieldType
from compiled_ai.library.values import format_days_time, parse_days_time


def bindable(kind: FieldType, value: Any, dialect: str) -> Any:
    """A JSON value of a declared type, as the database's driver takes it.

    SQLite has neither dates nor decimals: they are bound as text, which a numeric column reads as the number it is.
    """
    if value is None or isinstance(value, bool):
        return value
    if dialect == "sqlite":
        return str(value) if isinstance(value, Decimal) else value
    if kind.kind in ("money", "decimal") and not isinstance(value, int):
        return Decimal(value)
    read = {"date": date.fromisoformat, "datetime": datetime.fromisoformat, "time": time.fromisoformat}.get(kind.kind)
    if kind.kind == "days_time_duration":
        return parse_days_time(str(value))
    return read(str(value)) if read else value


def json_row(row: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """A row as JSON; numbers are taken as they are written, never through a double.

    A column that is called like a field but for capitals (`Plan` for `plan`: SQLite says it as the table does) is it.
    """
    kinds = {each.name: each.type.kind for each in fields}
    spelt = {name.lower(): name for name in kinds if name not in row}
    named = {(column if column in kinds else spelt.get(column.lower(), column)): row[column] for column in row}
    return {name: _json(value, kinds.get(name, "json")) for name, value in named.items()}


def _json(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return bool(value) if kind == "boolean" and value in (0, 1) else value
    if isinstance(value, (float, Decimal)):
        if not isfinite(value):
            raise CallFailed.surely("A column holds a number that is not finite.")
        return Decimal(repr(value)) if isinstance(value, float) else value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_days_time(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_json(part, "json") for part in value]
    if isinstance(value, dict):
        return {str(name): _json(part, "json") for name, part in value.items()}
    raise CallFailed.surely(f"A column holds a value of type {type(value).__name__}, which is no JSON.")
