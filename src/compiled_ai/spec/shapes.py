"""The structure of a specification as data: one description checks the YAML tree and makes the JSON schema.

A shape says which kinds of node may stand in a place. Each place takes at most one shape for text, one for a
list and one for a mapping, so that a node is always judged by exactly one of them and messages stay precise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from compiled_ai.errors import suggest
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar, describe, is_non_finite


@dataclass(frozen=True)
class Text:
    """A text; a plain number, `yes` or `true` is taken as it is written."""

    choices: tuple[str, ...] = ()
    more: Callable[[], tuple[str, ...]] | None = None
    """Choices that installed packages add, found when they are asked for."""
    pattern: str | None = None
    means: str = "text"
    """What the text is, for messages."""

    @property
    def all_choices(self) -> tuple[str, ...]:
        return (*self.choices, *(self.more() if self.more else ()))


@dataclass(frozen=True)
class Number:
    minimum: Decimal
    maximum: Decimal
    whole: bool = False


@dataclass(frozen=True)
class Flag:
    """Plain `true` or `false`."""


@dataclass(frozen=True)
class Value:
    """Any value; it is checked where its type is known."""


@dataclass(frozen=True)
class ListOf:
    items: Shape
    least: int = 0
    most: int | None = None


@dataclass(frozen=True)
class MapOf:
    """A mapping with keys of the author's choice."""

    values: Shape
    least: int = 0
    names: str | None = None
    """Regular expression of a key; by default any text that is not blank."""


@dataclass(frozen=True)
class Key:
    shape: Shape
    description: str
    required: bool = False


@dataclass(frozen=True)
class Record:
    """A mapping with a closed set of keys."""

    keys: Mapping[str, Key]
    means: str
    needs_one_of: tuple[tuple[str, ...], ...] = ()
    """Groups of keys of which exactly one must be there."""
    needs_any_of: tuple[str, ...] = ()
    """Keys of which at least one must be there."""


@dataclass(frozen=True)
class Variants:
    """A mapping whose key `by` selects its record."""

    by: str
    records: Mapping[str, Record]
    means: str


@dataclass(frozen=True)
class Either:
    """One shape for each kind of node."""

    scalar: Shape | None = None
    items: Shape | None = None
    fields: Shape | None = None


@dataclass(frozen=True)
class Special:
    """A notation with its own reader (`check`) and its own JSON schema, referred to by `name`."""

    name: str
    check: Callable[[Node, Findings], object] = field(compare=False)


Shape = Text | Number | Flag | Value | ListOf | MapOf | Record | Variants | Either | Special


def check_shape(node: Node, shape: Shape, findings: Findings, *, path: str) -> None:
    """Notes whatever does not have the shape; `path` is how messages call the node (`limits.candidates`)."""
    if isinstance(shape, Either):
        _check_either(node, shape, findings, path)
    elif isinstance(shape, Special):
        shape.check(node, findings)
    elif isinstance(shape, Value):
        _check_value(node, findings)
    elif isinstance(shape, (Text, Number, Flag)):
        _check_scalar(node, shape, findings, path)
    elif isinstance(shape, ListOf):
        _check_list(node, shape, findings, path)
    elif not isinstance(node, Fields):
        _wrong_kind(node, _expected(shape), findings, path)
    elif isinstance(shape, MapOf):
        _check_map(node, shape, findings, path)
    elif isinstance(shape, Record):
        _check_record(node, shape, findings, path)
    else:
        _check_variants(node, shape, findings, path)


def _expected(shape: Shape) -> str:
    if isinstance(shape, Text):
        return shape.means
    if isinstance(shape, Number):
        return "a whole number" if shape.whole else "a number"
    if isinstance(shape, Flag):
        return "true or false"
    if isinstance(shape, ListOf):
        return "a list"
    if isinstance(shape, (MapOf, Record, Variants)):
        return "a mapping"
    return "a value"


def _wrong_kind(node: Node, expected: str, findings: Findings, path: str) -> None:
    subject = repr(path) if path else "A specification"
    findings.add("kind", f"{subject} must be {expected}, not {describe(node)}.", node.mark)


def _check_either(node: Node, shape: Either, findings: Findings, path: str) -> None:
    kinds = {Scalar: shape.scalar, Items: shape.items, Fields: shape.fields}
    chosen = kinds[type(node)]
    if chosen is None or (isinstance(node, Scalar) and node.is_null):
        _wrong_kind(node, " or ".join(_expected(one) for one in kinds.values() if one), findings, path)
    else:
        check_shape(node, chosen, findings, path=path)


def _check_value(node: Node, findings: Findings) -> None:
    if isinstance(node, Scalar):
        if is_non_finite(node):
            findings.add(
                "not_finite", f"{node.text!r} is not a number that can be stored. Write a finite one.", node.mark
            )
    else:
        for inner in node.items if isinstance(node, Items) else [entry.value for entry in node.entries]:
            _check_value(inner, findings)


def _check_scalar(node: Node, shape: Text | Number | Flag, findings: Findings, path: str) -> None:
    if not isinstance(node, Scalar) or node.is_null:
        _wrong_kind(node, _expected(shape), findings, path)
    elif isinstance(shape, Text):
        _check_text(node, shape, findings, path)
    elif isinstance(shape, Flag):
        if not isinstance(node.value, bool):
            _wrong_kind(node, "true or false", findings, path)
    else:
        _check_number(node, shape, findings, path)


def _check_text(node: Scalar, shape: Text, findings: Findings, path: str) -> None:
    if not node.text.strip():
        findings.add("empty_text", f"{path!r} must not be empty.", node.mark)
    elif shape.choices and node.text not in shape.choices and node.text not in shape.all_choices:
        hint = suggest(node.text, shape.all_choices)
        findings.add("choice", f"Unknown {shape.means} {quote(node.text)}.{hint}", node.mark)
    elif shape.pattern and not re.fullmatch(shape.pattern, node.text):
        findings.add("text", f"{path!r} must be {shape.means}, not {quote(node.text)}.", node.mark)


def _check_number(node: Scalar, shape: Number, findings: Findings, path: str) -> None:
    value = node.value
    if is_non_finite(node):
        findings.add("not_finite", f"{node.text!r} is not a number that can be stored. Write a finite one.", node.mark)
    elif isinstance(value, bool) or not isinstance(value, (int, Decimal)) or (shape.whole and value != int(value)):
        _wrong_kind(node, _expected(shape), findings, path)
    elif not shape.minimum <= value <= shape.maximum:
        findings.add(
            "range", f"{path!r} must lie between {shape.minimum} and {shape.maximum}, not {node.text}.", node.mark
        )


def _check_list(node: Node, shape: ListOf, findings: Findings, path: str) -> None:
    if not isinstance(node, Items):
        _wrong_kind(node, "a list", findings, path)
        return
    if len(node.items) < shape.least:
        findings.add("empty", f"{path!r} must have at least {shape.least} item.", node.mark)
    if shape.most is not None and len(node.items) > shape.most:
        findings.add("too_many", f"{path!r} must have at most {shape.most} item, not {len(node.items)}.", node.mark)
    for index, item in enumerate(node.items):
        check_shape(item, shape.items, findings, path=f"{path}[{index}]")


def _check_map(node: Fields, shape: MapOf, findings: Findings, path: str) -> None:
    if len(node.entries) < shape.least:
        findings.add("empty", f"{path!r} must have at least {shape.least} entry.", node.mark)
    for entry in node.entries:
        if not re.fullmatch(shape.names or r"(?s).*\S.*", entry.key.text):
            message = f"A field's name must not be empty or have dots or brackets, as {quote(entry.key.text)} has."
            findings.add("name", message, entry.key.mark)
        check_shape(entry.value, shape.values, findings, path=f"{path}.{entry.key.text}")


def _check_record(node: Fields, shape: Record, findings: Findings, path: str) -> None:
    for entry in node.entries:
        name = entry.key.text
        if name not in shape.keys:
            findings.add(
                "unknown_key",
                f"Unknown key {quote(name)} in {shape.means}.{suggest(name, shape.keys, show=30)}",
                entry.key.mark,
            )
        else:
            check_shape(entry.value, shape.keys[name].shape, findings, path=f"{path}.{name}" if path else name)
    for name, key in shape.keys.items():
        if key.required and node.get(name) is None:
            findings.add("missing_key", f"Key {name!r} is missing in {shape.means}. {key.description}", node.mark)
    for group in shape.needs_one_of:
        there = [name for name in group if node.get(name) is not None]
        if len(there) != 1:
            wanted = " or ".join(repr(name) for name in group)
            if there:
                both = " and ".join(repr(name) for name in there)
                findings.add("excluding_keys", f"Keys {both} exclude each other in {shape.means}.", node.mark)
            else:
                findings.add("missing_key", f"Key {wanted} is missing in {shape.means}.", node.mark)
    if shape.needs_any_of and not any(node.get(name) is not None for name in shape.needs_any_of):
        wanted = " or ".join(repr(name) for name in shape.needs_any_of)
        findings.add("missing_key", f"Key {wanted} is missing in {shape.means}.", node.mark)


def _check_variants(node: Fields, shape: Variants, findings: Findings, path: str) -> None:
    chosen = node.get(shape.by)
    if chosen is None:
        known = ", ".join(shape.records)
        findings.add("missing_key", f"Key {shape.by!r} is missing in {shape.means}. Known: {known}.", node.mark)
    elif not isinstance(chosen, Scalar) or chosen.is_null:
        _wrong_kind(chosen, "text", findings, f"{path}.{shape.by}")
    elif chosen.text not in shape.records:
        message = f"Unknown {shape.by} {quote(chosen.text)} of {shape.means}.{suggest(chosen.text, shape.records)}"
        findings.add("choice", message, chosen.mark)
    else:
        _check_record(node, shape.records[chosen.text], findings, path)
