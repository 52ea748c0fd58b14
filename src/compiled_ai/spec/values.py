"""Values written into a specification or a golden file: read by their type, exact, and checked against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiled_ai.canonical import spoken
from compiled_ai.errors import InputError, suggest
from compiled_ai.library.types import Field, FieldType, Mismatch, decode_all, decoder
from compiled_ai.spec.model import Mark
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar, plain_value


class _Parts:
    """Stands for the dataclass of any object while values are only checked."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts


class _AnyClass(dict[str, type]):
    def __missing__(self, name: str) -> type:
        return _Parts


@dataclass(frozen=True)
class Misfit:
    """A value that does not fit; `path` leads to it from the checked value (`lines[3].amount`)."""

    path: str
    message: str


def json_value(node: Node, kind: FieldType | None) -> Any:
    """Returns a node as JSON value. Where text is expected a plain `no`, `1.10` or `2024-01-01` is that text."""
    if kind is None or kind.kind == "json":
        return plain_value(node)
    if isinstance(node, Scalar):
        is_text = kind.kind not in ("integer", "decimal", "money", "float", "boolean", "list", "object", "box")
        return node.text if is_text and not node.is_null else node.value
    if isinstance(node, Items):
        inner = kind.items if kind.kind == "list" else None
        return [json_value(item, inner) for item in node.items]
    return json_fields(node, kind.fields)


def json_fields(node: Node, fields: tuple[Field, ...]) -> Any:
    """Returns a mapping as JSON object, each value by the type of its field."""
    if not isinstance(node, Fields):
        return plain_value(node)
    kinds = {field.name: field.type for field in fields}
    return {entry.key.text: json_value(entry.value, kinds.get(entry.key.text)) for entry in node.entries}


class Fitting:
    """Checks JSON objects against a set of fields; made once, used for many values."""

    def __init__(self, fields: tuple[Field, ...], *, nullable: bool = False) -> None:
        """With `nullable`, every field may be null (what a bounded call answers, before it is judged)."""
        shown = tuple(Field(f.name, f.identifier, f.type.as_optional()) if nullable else f for f in fields)
        self._kind = FieldType("object", fields=shown, class_name="Value")
        self._parts: Mapping[str, Callable[[Any], Any]] = {f.name: decoder(f.type, _AnyClass()) for f in shown}
        self._decode = decoder(self._kind, _AnyClass())

    def whole(self, value: Any) -> list[Misfit]:
        """Returns what is wrong with a value that must have every required field."""
        try:
            self._decode(value)
        except Mismatch as first:
            return self._all(value) or [Misfit(first.path, first.message)]
        return []

    def _all(self, value: Any) -> list[Misfit]:
        try:
            decode_all(self._kind, _AnyClass(), value)
        except InputError as fault:
            return [Misfit(detail["path"], detail["message"]) for detail in fault.details]
        return []

    def some(self, value: Any) -> list[Misfit]:
        """Returns what is wrong with a value that may leave fields out."""
        if not isinstance(value, dict):
            return [Misfit("", f"expected object, got {spoken(value)}")]
        wrong: list[Misfit] = []
        for name, part in value.items():
            if name not in self._parts:
                wrong.append(Misfit(name, f"unknown field.{suggest(name, self._parts)}"))
                continue
            try:
                self._parts[name](part)
            except Mismatch as fault:
                below = fault.below(name)
                wrong.append(Misfit(below.path, below.message))
        return wrong


def locate(node: Node, path: str) -> Mark:
    """Returns the place of the value at a JSON path, or of the nearest part above it that is there."""
    for step in re.findall(r"[^.\[\]]+|\[\d+\]", path):
        if step.startswith("[") and isinstance(node, Items) and int(step[1:-1]) < len(node.items):
            node = node.items[int(step[1:-1])]
        elif isinstance(node, Fields) and (inner := node.get(step)) is not None:
            node = inner
        else:
            break
    return node.mark
