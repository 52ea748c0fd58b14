"""Tolerant access to the parts of a tree whose shape was checked already: what is not as it should be is absent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from compiled_ai.spec.findings import Findings
from compiled_ai.spec.model import Default, Mark
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar


@dataclass
class Notes:
    """What the reading of a specification leaves behind beside its result."""

    findings: Findings
    defaults: list[Default] = field(default_factory=list)

    def default(self, path: str, value: str, reason: str, mark: Mark | None = None) -> None:
        self.defaults.append(Default(path, value, reason, mark))


@dataclass(frozen=True)
class Folder:
    """Where the files of a specification lie, and how messages call them."""

    path: Path | None
    shown: Callable[[str], str]


def scalar(node: Node | None, key: str) -> Scalar | None:
    inner = node.get(key) if isinstance(node, Fields) else None
    return inner if isinstance(inner, Scalar) and not inner.is_null else None


def text(node: Node | None, key: str) -> str | None:
    found = scalar(node, key)
    return found.text if found else None


def whole(node: Node | None, key: str, default: int) -> int:
    found = number(node, key)
    return int(found) if found is not None else default


def number(node: Node | None, key: str) -> Decimal | None:
    found = scalar(node, key)
    value = found.value if found else None
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def mapping(node: Node | None, key: str) -> Fields | None:
    inner = node.get(key) if isinstance(node, Fields) else None
    return inner if isinstance(inner, Fields) else None


def scalars(node: Node | None) -> Iterator[Scalar]:
    """Yields the texts of a list of texts, or the one text."""
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Scalar) and not item.is_null:
            yield item


def records(node: Node | None) -> Iterator[tuple[int, Fields]]:
    """Yields the mappings of a list, each with its position."""
    for index, item in enumerate(node.items if isinstance(node, Items) else ()):
        if isinstance(item, Fields):
            yield index, item
