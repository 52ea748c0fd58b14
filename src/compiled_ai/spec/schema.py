"""The JSON schema of a specification, for editors: made from the same description that the loader checks by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from compiled_ai.spec.keys import SPECIFICATION
from compiled_ai.spec.shapes import (
    Either,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    Record,
    Shape,
    Special,
    Text,
    Value,
    Variants,
)
from compiled_ai.spec.types import NAME_PATTERN, type_pattern

Schema = dict[str, Any]
_ANY_TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
"""Plain numbers and booleans stand for their text, as the loader takes them."""


def schema() -> Schema:
    """Returns the JSON schema (draft 2020-12) of a specification's structure."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Compiled AI specification",
        **_of(SPECIFICATION),
        "$defs": {"type": _type(), "annotated": _annotated(), "field": _field()},
    }


def _of(shape: Shape) -> Schema:
    if isinstance(shape, Either):
        return {"anyOf": [_of(one) for one in (shape.scalar, shape.items, shape.fields) if one is not None]}
    if isinstance(shape, Special):
        return {"$ref": f"#/$defs/{shape.name}"}
    if isinstance(shape, Value):
        return {}
    if isinstance(shape, Flag):
        return {"type": "boolean"}
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Number):
        kind = "integer" if shape.whole else "number"
        return {"type": kind, "minimum": _plain(shape.minimum), "maximum": _plain(shape.maximum)}
    if isinstance(shape, ListOf):
        return _list(shape)
    if isinstance(shape, MapOf):
        return _map(shape)
    return _record(shape) if isinstance(shape, Record) else _variants(shape)


def _plain(bound: Decimal) -> int | float:
    return int(bound) if bound == bound.to_integral_value() else float(bound)


def _text(shape: Text) -> Schema:
    if shape.choices:
        return {"enum": list(shape.all_choices)}
    if shape.pattern is None:
        return dict(_ANY_TEXT)
    words: Schema = {"type": "string", "pattern": f"^(?:{shape.pattern})$"}
    return {"anyOf": [words, {"type": ["integer", "boolean"]}]} if re.fullmatch(shape.pattern, "1") else words


def _list(shape: ListOf) -> Schema:
    made: Schema = {"type": "array", "items": _of(shape.items)}
    if shape.least:
        made["minItems"] = shape.least
    if shape.most is not None:
        made["maxItems"] = shape.most
    return made


def _map(shape: MapOf) -> Schema:
    names = r"\S" if shape.names is None else f"^(?:{shape.names})$"
    made: Schema = {
        "type": "object",
        "propertyNames": {"pattern": names},
        "additionalProperties": _of(shape.values),
    }
    if shape.least:
        made["minProperties"] = shape.least
    return made


def _properties(keys: Mapping[str, Key]) -> Schema:
    return {name: {**_of(key.shape), "description": key.description} for name, key in keys.items()}


def _record(shape: Record) -> Schema:
    made: Schema = {"type": "object", "properties": _properties(shape.keys), "additionalProperties": False}
    required = [name for name, key in shape.keys.items() if key.required]
    if required:
        made["required"] = required
    groups = [{"oneOf": [{"required": [name]} for name in group]} for group in shape.needs_one_of]
    if shape.needs_any_of:
        groups.append({"anyOf": [{"required": [name]} for name in shape.needs_any_of]})
    if groups:
        made["allOf"] = groups
    return made


def _variants(shape: Variants) -> Schema:
    chosen = [
        {"if": {"properties": {shape.by: {"const": name}}, "required": [shape.by]}, "then": _record(record)}
        for name, record in shape.records.items()
    ]
    return {
        "type": "object",
        "required": [shape.by],
        "properties": {shape.by: {"enum": list(shape.records)}},
        "allOf": chosen,
    }


# ---------------------------------------------------------------- types

_WITH_PARTS = r"^(list|object)\??$"


def _type() -> Schema:
    named = {
        "properties": {"type": {"type": "string", "pattern": rf"{type_pattern()}|{_WITH_PARTS}"}},
        "required": ["type"],
    }
    nested = {
        "minProperties": 1,
        "propertyNames": {"pattern": f"^(?:{NAME_PATTERN})$"},
        "additionalProperties": {"$ref": "#/$defs/type"},
    }
    return {
        "description": "A type: 'date?', 'list[string]', {type: string, enum: [...]}, or an object as a mapping.",
        "anyOf": [
            {"type": "string", "pattern": type_pattern()},
            {"type": "array", "items": {"$ref": "#/$defs/type"}, "minItems": 1, "maxItems": 1},
            {"type": "object", "if": named, "then": {"$ref": "#/$defs/annotated"}, "else": nested},
        ],
    }


def _attributes() -> Schema:
    return {
        "optional": {"type": "boolean", "description": "Whether the value may be null."},
        "description": {**_ANY_TEXT, "description": "What the value means; a model reads it."},
        "computed": {"type": "boolean", "description": "The value is computed and has no place in the source."},
        "pattern": {**_ANY_TEXT, "description": "Regular expression that the whole of a string matches."},
        "enum": {
            "type": "array",
            "items": {"type": ["string", "number", "boolean"]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "max_length": {"type": "integer", "minimum": 1},
        "items": {"$ref": "#/$defs/type"},
        "fields": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": f"^(?:{NAME_PATTERN})$"},
            "additionalProperties": {"$ref": "#/$defs/type"},
        },
    }


def _parts() -> list[Schema]:
    """A list says what its items are, an object what its fields are."""
    return [
        {
            "if": {"properties": {"type": {"enum": [kind, f"{kind}?"]}}, "required": ["type"]},
            "then": {"required": [key]},
        }
        for kind, key in (("list", "items"), ("object", "fields"))
    ]


def _named_type() -> Schema:
    return {"type": "string", "pattern": rf"{type_pattern()}|{_WITH_PARTS}"}


def _annotated() -> Schema:
    return {
        "type": "object",
        "properties": {"type": _named_type(), **_attributes()},
        "required": ["type"],
        "additionalProperties": False,
        "allOf": _parts(),
    }


def _field() -> Schema:
    name = {"anyOf": [{"type": "string", "pattern": f"^(?:{NAME_PATTERN})$"}, {"type": ["integer", "boolean"]}]}
    kind = {"anyOf": [{"$ref": "#/$defs/type"}, _named_type()]}
    return {
        "type": "object",
        "properties": {"name": name, "type": kind, **_attributes()},
        "required": ["name", "type"],
        "additionalProperties": False,
        "allOf": _parts(),
    }
