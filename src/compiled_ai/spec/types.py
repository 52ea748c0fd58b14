"""The notation of types: `date?`, `list[string]`, `{type: string, enum: [a, b]}`, nested objects as mappings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from compiled_ai.errors import suggest
from compiled_ai.library.types import KINDS, Field, FieldType, Kind
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.names import Names, camel_case
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar, describe

SIMPLE_KINDS = tuple(kind for kind in KINDS if kind not in ("list", "object"))
SPELLINGS = {
    "days-time duration": "days_time_duration",
    "days and time duration": "days_time_duration",
    "years-months duration": "years_months_duration",
    "years and months duration": "years_months_duration",
    **{kind: kind for kind in SIMPLE_KINDS},
}
"""Each way to write a simple type."""
NAME_PATTERN = r"[^.\[\]\s](?:[^.\[\]\n]*[^.\[\]\s])?"
"""A field's or step's name: any words, without the dots and brackets by which values are reached."""
MAX_LISTS = 3
"""How deep `list[...]` nests in one text; deeper lists are written as mappings."""
ATTRIBUTES = (
    "type",
    "optional",
    "description",
    "computed",
    "pattern",
    "enum",
    "minimum",
    "maximum",
    "max_length",
    "items",
    "fields",
)
"""Keys beside `type`."""
_NUMBERS = ("integer", "decimal", "money", "float")
_APPLIES = {
    "pattern": ("string",),
    "enum": ("string",),
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "max_length": ("text", "string", "list"),
    "items": ("list",),
    "fields": ("object",),
}
_OTHER_WORDS = {
    "number": "decimal",
    "dict": "json",
    "any": "json",
    "timestamp": "datetime",
    "timedelta": "days_time_duration",
    "duration": "days_time_duration",
    "currency": "money",
    "enum": "string",
    "varchar": "string",
}
UNKNOWN = FieldType("json")
"""Stands, itself and not its equals, for a type that could not be read."""
"""Stands in for a type that was refused, so that nothing follows from it."""


def type_pattern(depth: int = MAX_LISTS) -> str:
    """Returns the regular expression of a type written as text."""
    inner = "(" + "|".join(re.escape(word).replace(r"\ ", " ").replace(r"\-", "-") for word in SPELLINGS) + r")\??"
    for _ in range(depth):
        inner = rf"({inner}|list\[{inner}\]\??)"
    return f"^{inner}$"


def is_annotated(node: Fields) -> bool:
    """Whether a mapping describes one type (`{type: string, enum: [...]}`) rather than a nested object."""
    named = node.get("type")
    if not isinstance(named, Scalar):
        return False
    words = named.text.removesuffix("?")
    return words in SPELLINGS or words in ("list", "object") or words.startswith("list[") or _only_attributes(node)


def _only_attributes(node: Fields) -> bool:
    return all(entry.key.text in ATTRIBUTES for entry in node.entries)


class TypeReader:
    """Reads types and fields; nested objects get class names that are unique in the artifact."""

    def __init__(self, findings: Findings, classes: Names | None = None) -> None:
        self._findings = findings
        self._classes = classes or Names()

    def fields(self, node: Node | None, owner: str) -> tuple[Field, ...]:
        """Returns the fields of a mapping `name: type` or of a list of `{name, type, ...}`."""
        names = Names()
        if isinstance(node, Fields):
            self._check_names(node)
            return tuple(self._field(entry.key.text, entry.value, owner, names) for entry in node.entries)
        found: list[Field] = []
        for item in node.items if isinstance(node, Items) else ():
            name = item.get("name") if isinstance(item, Fields) else None
            if not isinstance(item, Fields) or not isinstance(name, Scalar):
                continue
            if any(field.name == name.text for field in found):
                self._say("duplicate_name", f"Field {quote(name.text)} is declared twice. Remove one.", name)
            else:
                rest = Fields(tuple(entry for entry in item.entries if entry.key.text != "name"), item.mark)
                found.append(self._field(name.text, rest, owner, names, annotated=True))
        return tuple(found)

    def _check_names(self, node: Fields) -> None:
        for entry in node.entries:
            if not re.fullmatch(NAME_PATTERN, entry.key.text):
                message = f"A field's name must not be empty or have dots or brackets, as {quote(entry.key.text)} has."
                self._say("name", message, entry.key)

    def _field(self, name: str, node: Node, owner: str, names: Names, *, annotated: bool = False) -> Field:
        class_name = owner + camel_case(name, empty="Field")
        description, computed = "", False
        if isinstance(node, Fields) and (annotated or is_annotated(node)):
            kind = self.annotated(node, class_name)
            description = _text(node.get("description")) or ""
            computed = _flag(node.get("computed"))
        else:
            kind = self.type(node, class_name)
        return Field(name, names.identifier(name), kind, description, computed)

    def type(self, node: Node, owner: str) -> FieldType:
        """Returns the type of a notation; `owner` names the class of a nested object."""
        if isinstance(node, Scalar):
            return self._words(node)
        if isinstance(node, Items):
            return self._list_of(node, owner)
        return self.annotated(node, owner) if is_annotated(node) else self._object(node, owner, node)

    def _say(self, rule: str, message: str, node: Node) -> None:
        self._findings.add(rule, message, node.mark)

    def _words(self, node: Scalar) -> FieldType:
        text = node.text
        if node.is_null:
            self._say("type", f"A type is missing.{suggest('', SPELLINGS, show=20)}", node)
            return UNKNOWN
        optional = text.endswith("?")
        words = text.removesuffix("?")
        if words.startswith("list[") and words.endswith("]"):
            return self._nested_words(node, words[5:-1], optional)
        if words in SPELLINGS:
            return FieldType(cast(Kind, SPELLINGS[words]), optional=optional)
        self._say("type", f"Unknown type {quote(text)}.{_hint(words)}", node)
        return UNKNOWN

    def _nested_words(self, node: Scalar, inner: str, optional: bool) -> FieldType:
        if node.text.count("list[") > MAX_LISTS:
            message = f"Type {quote(node.text)} nests more than {MAX_LISTS} lists. Write {{type: list, items: ...}}."
            self._say("type", message, node)
            return UNKNOWN
        shifted = Scalar(inner, True, replace(node.mark, column=node.mark.column + 5), inner, node.rule_mark)
        return FieldType("list", optional=optional, items=self._words(shifted))

    def _list_of(self, node: Items, owner: str) -> FieldType:
        if len(node.items) != 1:
            message = f"A list type is written with the one type of its items, [{{...}}], not with {len(node.items)}."
            self._say("type", message, node)
            return UNKNOWN
        return FieldType("list", items=self.type(node.items[0], owner))

    def _object(self, node: Fields, owner: str, place: Node, optional: bool = False) -> FieldType:
        if not node.entries:
            self._say("type", "An object needs at least one field. Use 'json' for anything.", place)
        class_name = self._classes.class_name(owner, empty="Object")
        return FieldType("object", optional=optional, fields=self.fields(node, class_name), class_name=class_name)

    def annotated(self, node: Fields, owner: str) -> FieldType:
        """Returns the type of a mapping with a key `type` and keys that narrow it."""
        named = node.get("type")
        for entry in node.entries:
            if entry.key.text not in ATTRIBUTES:
                hint = suggest(entry.key.text, ATTRIBUTES, show=20)
                message = (
                    f"Unknown key {quote(entry.key.text)} beside 'type'.{hint} An object with a field named 'type' is "
                    "written {type: object, fields: {...}}."
                )
                self._say("unknown_key", message, entry.key)
        base = self._base(named, node, owner)
        self._check_applies(node, base)
        lost = base is UNKNOWN
        base = replace(base, optional=base.optional or _flag(node.get("optional"), self._wrong))
        _flag(node.get("computed"), self._wrong)
        if (about := node.get("description")) is not None and _text(about) is None:
            self._say("kind", f"'description' must be text, not {describe(about)}.", about)
        narrowed = self._narrowed(base, node)
        return UNKNOWN if lost else narrowed

    def _base(self, named: Node | None, node: Fields, owner: str) -> FieldType:
        if not isinstance(named, Scalar):
            return self.type(named, owner) if named is not None else UNKNOWN
        words, optional = named.text.removesuffix("?"), named.text.endswith("?")
        if words == "list":
            items = node.get("items")
            if items is None:
                self._say("missing_key", "Type 'list' needs 'items', the type of its items.", named)
            return FieldType("list", optional=optional, items=self.type(items, owner) if items is not None else UNKNOWN)
        if words == "object":
            fields = node.get("fields")
            if not isinstance(fields, Fields):
                self._say("missing_key", "Type 'object' needs 'fields', a mapping of names to types.", fields or named)
                return UNKNOWN
            return self._object(fields, owner, fields, optional)
        return self._words(named)

    def _check_applies(self, node: Fields, base: FieldType) -> None:
        if base is UNKNOWN:
            return
        for name, kinds in _APPLIES.items():
            key = node.key(name)
            if key is not None and base.kind not in kinds:
                known = ", ".join(kinds)
                self._say("attribute", f"Key {name!r} does not apply to type {base.kind!r}. It is for: {known}.", key)

    def _narrowed(self, base: FieldType, node: Fields) -> FieldType:
        bounds = {name: self._number(node.get(name), name) for name in ("minimum", "maximum")}
        low, high = bounds["minimum"], bounds["maximum"]
        if low is not None and high is not None and low > high:
            self._say("range", f"'minimum' {low} is greater than 'maximum' {high}. Exchange them.", node)
        length = self._number(node.get("max_length"), "max_length")
        if length is not None and (length != int(length) or length < 1):
            self._say(
                "kind", f"'max_length' must be a whole number above 0, not {length}.", node.get("max_length") or node
            )
        return replace(
            base,
            enum=self._enum(node.get("enum")),
            pattern=self._pattern(node.get("pattern")),
            minimum=low,
            maximum=high,
            max_length=int(length) if length is not None else None,
        )

    def _number(self, node: Node | None, name: str) -> Decimal | None:
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            self._say("kind", f"{name!r} must be a number, not {describe(node)}.", node)
            return None
        return Decimal(value)

    def _enum(self, node: Node | None) -> tuple[str, ...] | None:
        if node is None:
            return None
        if not isinstance(node, Items) or not node.items:
            self._say("kind", f"'enum' must be a list of texts, not {describe(node)}.", node)
            return None
        words: list[str] = []
        for item in node.items:
            if not isinstance(item, Scalar) or item.is_null:
                self._say("kind", f"A value of 'enum' must be text, not {describe(item)}. Quote it.", item)
            elif item.text in words:
                self._say("duplicate_name", f"Value {quote(item.text)} occurs twice in 'enum'. Remove one.", item)
            else:
                words.append(item.text)
        return tuple(words) or None

    def _pattern(self, node: Node | None) -> str | None:
        text = _text(node)
        if node is not None and text is None:
            self._say("kind", f"'pattern' must be text, not {describe(node)}.", node)
        if node is None or text is None:
            return None
        try:
            re.compile(text)
        except re.error as fault:
            self._say("pattern", f"{quote(text)} is not a regular expression: {fault}.", node)
            return None
        return text

    def _wrong(self, node: Node) -> None:
        self._say("kind", f"Expected true or false, not {describe(node)}.", node)


def _hint(words: str) -> str:
    if words in _OTHER_WORDS:
        return f" Did you mean {_OTHER_WORDS[words]!r}? Known: {', '.join(SIMPLE_KINDS)}, list[...]."
    if words in ("list", "array"):
        return " Write 'list[string]', or {type: list, items: ...}."
    if words == "object":
        return " Write an object as a mapping of its fields: {name: string, amount: money}."
    return suggest(words, [*SIMPLE_KINDS, "list[...]"], show=20)


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) and node.text.strip() and not node.is_null else None


def _flag(node: Node | None, wrong: Callable[[Node], None] | None = None) -> bool:
    value: Any = node.value if isinstance(node, Scalar) else node
    if node is not None and not isinstance(value, bool) and wrong:
        wrong(node)
    return value is True


def check_type(node: Node, findings: Findings) -> None:
    """Notes what is wrong with the notation of one type."""
    TypeReader(findings).type(node, "Field")


def check_named_field(node: Node, findings: Findings) -> None:
    """Notes what is wrong with `{name, type, ...}`."""
    if not isinstance(node, Fields):
        findings.add("kind", f"A field is written {{name: ..., type: ...}}, not {describe(node)}.", node.mark)
        return
    for key in ("name", "type"):
        if node.get(key) is None:
            findings.add(
                "missing_key", f"Key {key!r} is missing in a field. Write {{name: ..., type: ...}}.", node.mark
            )
    name = node.get("name")
    if name is not None and not re.fullmatch(NAME_PATTERN, _text(name) or ""):
        findings.add(
            "kind", f"A field's 'name' must be a name without dots and brackets, not {describe(name)}.", name.mark
        )
    if node.get("type") is not None:
        rest = Fields(tuple(entry for entry in node.entries if entry.key.text != "name"), node.mark)
        TypeReader(findings).annotated(rest, "Field")
