"""A reply cut down to what the step declares: what nobody asked for is neither recorded nor decided on."""

from __future__ import annotations

from typing import Any

from compiled_ai.library.types import FieldType


def project(kind: FieldType, value: Any) -> Any:
    """Returns the declared part of a reply, inside objects too; what does not fit is left for the codec to refuse."""
    if kind.kind == "object" and isinstance(value, dict):
        return {each.name: project(each.type, value[each.name]) for each in kind.fields if each.name in value}
    if kind.kind == "object" and isinstance(value, list):
        return [project(kind, part) for part in value]
    if kind.kind == "list" and kind.items is not None and isinstance(value, list):
        return [project(kind.items, part) for part in value]
    return value
