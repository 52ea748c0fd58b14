"""Types of the fields of a specification, and the codec between JSON and typed values at every border.

| kind | Python | JSON |
|---|---|---|
| text, string | `str` | text |
| integer | `int` | number without fraction |
| decimal | `Decimal` | number (plain) or its text |
| money | `Decimal` | text, plain decimal without currency; a number is read too |
| float | `float` | number, by its shortest text |
| boolean | `bool` | true, false |
| date, time, datetime | `date`, `time`, `datetime` | ISO 8601 text |
| days_time_duration | `timedelta` | ISO 8601 text, `P3DT4H` |
| years_months_duration | `YearsMonths` | ISO 8601 text, `P1Y6M` |
| box | `Box` | `[x0, y0, x1, y1, text]` |
| list | `tuple` | array |
| object | a frozen dataclass of the artifact | object |
| json | JSON value, unchecked inside | anything |

Nothing is coerced: `"7"` is no integer, `1` is no boolean, `"yes"` is no boolean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from operator import attrgetter, itemgetter
from typing import Any, Literal, get_args

from compiled_ai.canonical import canonical_json, plain_number, spoken
from compiled_ai.errors import InputError, suggest
from compiled_ai.library.flat import admission, flat_builder, flat_writer
from compiled_ai.library.places import LocatedInteger
from compiled_ai.library.values import (
    Box,
    YearsMonths,
    format_days_time,
    parse_days_time,
    parse_years_months,
)

Kind = Literal[
    "text",
    "string",
    "integer",
    "decimal",
    "money",
    "float",
    "boolean",
    "date",
    "time",
    "datetime",
    "days_time_duration",
    "years_months_duration",
    "box",
    "list",
    "object",
    "json",
]
KINDS: tuple[str, ...] = get_args(Kind)

PYTHON_TYPES: Mapping[str, str] = {
    "text": "str",
    "string": "str",
    "integer": "int",
    "decimal": "Decimal",
    "money": "Decimal",
    "float": "float",
    "boolean": "bool",
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "days_time_duration": "timedelta",
    "years_months_duration": "YearsMonths",
    "box": "Box",
    "json": "Any",
}


@dataclass(frozen=True)
class FieldType:
    """One type. `optional` admits `None`; the other attributes narrow the kind they are named with."""

    kind: Kind
    optional: bool = False
    enum: tuple[str, ...] | None = None
    """Closed set of a `string`."""
    pattern: str | None = None
    """Regular expression (Python syntax) that the whole of a `string` must match."""
    minimum: Decimal | None = None
    """Smallest number, inclusive (integer, decimal, money, float)."""
    maximum: Decimal | None = None
    max_length: int | None = None
    """Most characters of a text, or items of a list."""
    items: FieldType | None = None
    """Type of the items of a `list`."""
    fields: tuple[Field, ...] = ()
    """Fields of an `object`."""
    class_name: str | None = None
    """Name of the dataclass that stands for an `object` in the artifact."""

    def python(self) -> str:
        """Returns the annotation that this type has in the artifact's source."""
        if self.kind == "list":
            text = f"tuple[{self.items.python() if self.items else 'Any'}, ...]"
        elif self.kind == "object":
            text = self.class_name or "object"
        else:
            text = PYTHON_TYPES[self.kind]
        return f"{text} | None" if self.optional and text != "Any" else text

    def as_optional(self) -> FieldType:
        return self if self.optional else replace(self, optional=True)


@dataclass(frozen=True)
class Field:
    """A named field. `name` is the author's word and the JSON key; `identifier` its mangled Python name."""

    name: str
    identifier: str
    type: FieldType
    description: str = ""
    computed: bool = False
    """Declared as computed: it needs no place in the source document."""


def type_to_json(kind: FieldType) -> dict[str, Any]:
    """Describes a type as JSON, for the artifact's identity; `type_from_json` reads it back."""
    described: dict[str, Any] = {"kind": kind.kind}
    for key in ("optional", "pattern", "minimum", "maximum", "max_length", "class_name"):
        value = getattr(kind, key)
        if value is not None and value is not False:  # a bound of 0 equals False
            described[key] = value
    if kind.enum is not None:
        described["enum"] = list(kind.enum)
    if kind.items is not None:
        described["items"] = type_to_json(kind.items)
    if kind.fields:
        described["fields"] = [field_to_json(field) for field in kind.fields]
    return described


def field_to_json(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"name": field.name, "identifier": field.identifier, "type": type_to_json(field.type)}
    if field.description:
        described["description"] = field.description
    if field.computed:
        described["computed"] = True
    return described


def type_from_json(described: Mapping[str, Any]) -> FieldType:
    rest = {key: value for key, value in described.items() if key not in ("items", "fields", "enum")}
    for bound in ("minimum", "maximum"):
        if bound in rest:
            rest[bound] = Decimal(rest[bound])
    return FieldType(
        **rest,
        enum=tuple(described["enum"]) if "enum" in described else None,
        items=type_from_json(described["items"]) if "items" in described else None,
        fields=tuple(field_from_json(field) for field in described.get("fields", ())),
    )


def field_from_json(described: Mapping[str, Any]) -> Field:
    return Field(**{**described, "type": type_from_json(described["type"])})


class Mismatch(ValueError):
    """A value that does not fit its type; `path` is the JSON path from the root (`lines[3].amount`)."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path

    def below(self, step: str) -> Mismatch:
        joined = f"{step}{self.path}" if self.path.startswith("[") or not self.path else f"{step}.{self.path}"
        return Mismatch(self.message, joined)


_REQUIRED = "required, and there is no value"
Convert = Callable[[Any], Any]
Classes = Mapping[str, type]


def decoder(kind: FieldType, classes: Classes) -> Convert:
    """Returns a function from decoded JSON to the typed value; it raises `Mismatch`.

    `classes` gives the dataclass for each `class_name`.
    """
    return _nullable(kind, _DECODERS[kind.kind](kind, classes))


def encoder(kind: FieldType, classes: Classes) -> Convert:
    """Returns a function from a typed value to JSON values; it checks the type and raises `Mismatch`."""
    return _nullable(kind, _ENCODERS[kind.kind](kind, classes))


def builder(kind: FieldType, classes: Classes) -> Callable[[Sequence[Any]], Any | None] | None:
    """Returns a function from the JSON values of an object's fields, in their order, to the typed object.

    It gives `None` where only `decoder` can tell. There is no such function for an object with objects in it.
    """
    return flat_builder(kind, classes[kind.class_name or ""], lambda part: decoder(part, classes))


def writer(kind: FieldType, classes: Classes) -> Callable[[Any], str]:
    """Returns a function from a typed object to its canonical JSON: what `canonical_json` makes of `encoder`'s result.

    It raises `Mismatch` as `encoder`'s function does.
    """
    encode = encoder(kind, classes)
    return flat_writer(
        kind,
        classes[kind.class_name or ""],
        lambda part: encoder(part, classes),
        lambda value: canonical_json(encode(value)),
    )


def decode_all(kind: FieldType, classes: Classes, value: Any) -> Any:
    """Decodes an object and reports every fault at once: raises `InputError` with `details` a list of faults."""
    try:
        return decoder(kind, classes)(value)
    except Mismatch as first:
        faults = _faults(kind, classes, value) or [first]
        listed = "; ".join(f"{fault.path or 'input'}: {fault.message.rstrip('.')}" for fault in faults)
        raise InputError(
            f"The input does not fit: {listed}.",
            details=[{"path": fault.path, "message": fault.message} for fault in faults],
        ) from None


def _faults(kind: FieldType, classes: Classes, value: Any) -> list[Mismatch]:
    if kind.kind != "object" or not isinstance(value, dict):
        return []
    found = [Mismatch(_unknown(key, kind), str(key)) for key in value if key not in {f.name for f in kind.fields}]
    for field in kind.fields:
        try:
            if field.name in value or not field.type.optional:
                _part(field.name, decoder(field.type, classes), value.get(field.name))
        except Mismatch as fault:
            found.append(fault)
    return found


def _unknown(key: object, kind: FieldType) -> str:
    return f"unknown field.{suggest(str(key), [field.name for field in kind.fields])}"


def _part(name: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as fault:
        raise fault.below(name) from None


def _nullable(kind: FieldType, convert: Convert) -> Convert:
    if kind.kind == "json" or (kind.kind == "object" and not kind.optional):
        return convert  # an object refuses null itself: this is the outermost border, and runs once per run
    if kind.optional:
        return lambda value: None if value is None else convert(value)

    def required(value: Any) -> Any:
        if value is None:
            raise Mismatch(_REQUIRED)
        return convert(value)

    return required


def _expected(kind: str, value: Any) -> Mismatch:
    return Mismatch(f"expected {kind}, got {spoken(value)}")


def _text(kind: FieldType, _: Classes) -> Convert:
    limit, allowed = kind.max_length, frozenset(kind.enum) if kind.enum else None
    pattern = re.compile(kind.pattern) if kind.pattern else None

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise _expected(kind.kind, value)
        if limit is not None and len(value) > limit:
            raise Mismatch(f"{len(value)} characters, at most {limit} are allowed")
        if allowed is not None and value not in allowed:
            raise Mismatch(f"{value!r} is not one of the allowed values.{suggest(value, allowed)}")
        if pattern is not None and not pattern.fullmatch(value):
            raise Mismatch(f"{value!r} does not match the pattern {kind.pattern!r}")
        return value if type(value) is str else str(value)

    return convert


def _bounded(kind: FieldType, value: Decimal | int | float) -> None:
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if kind.minimum is not None and exact < kind.minimum:
        raise Mismatch(f"{exact} is less than {kind.minimum}")
    if kind.maximum is not None and exact > kind.maximum:
        raise Mismatch(f"{exact} is more than {kind.maximum}")


def _integer(kind: FieldType, _: Classes) -> Convert:
    def convert(value: Any) -> int:
        if type(value) is not int:
            whole = isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()
            if not (whole or isinstance(value, LocatedInteger)):
                raise _expected("integer", value)
            value = int(value)
        _bounded(kind, value)
        return int(value)

    return convert


_PLAIN = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?")


def _decimal(kind: FieldType, _: Classes) -> Convert:
    def convert(value: Any) -> Decimal:
        if isinstance(value, str) and _PLAIN.fullmatch(value) or type(value) is int:
            value = Decimal(value)
        elif isinstance(value, float) and math.isfinite(value):
            value = Decimal(repr(value))
        if not isinstance(value, Decimal) or not value.is_finite():
            raise _expected(f"{kind.kind} (a plain decimal number)", value)
        _bounded(kind, value)
        return value

    return convert


def _float(kind: FieldType, _: Classes) -> Convert:
    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise _expected("float", value)
        try:
            result = float(value)
        except OverflowError:
            raise Mismatch("out of the range of a float") from None
        if not math.isfinite(result):
            raise Mismatch("NaN and infinity are refused")
        if isinstance(value, Decimal) and value != Decimal(repr(result)):
            raise Mismatch("more digits than a float can hold; declare the field as decimal")
        _bounded(kind, result)
        return result

    return convert


def _boolean(_: FieldType, __: Classes) -> Convert:
    def convert(value: Any) -> bool:
        if value is True or value is False:
            return bool(value)
        raise _expected("boolean", value)

    return convert


def _parsed(name: str, python: type, parse: Callable[[str], Any]) -> Callable[[FieldType, Classes], Convert]:
    """A decoder that takes the text form (or the typed value itself)."""

    def make(_: FieldType, __: Classes) -> Convert:
        def convert(value: Any) -> Any:
            if type(value) is python:
                return value
            if not isinstance(value, str):
                raise _expected(name, value)
            try:
                return parse(value)
            except (ValueError, InvalidOperation):
                raise _expected(name, value) from None

        return convert

    return make


_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _box(_: FieldType, __: Classes) -> Convert:
    def convert(value: Any) -> Box:
        if not isinstance(value, (list, tuple)) or len(value) != 5 or not isinstance(value[4], str):
            raise _expected("a box [x0, y0, x1, y1, text]", value)
        if any(isinstance(edge, bool) or not isinstance(edge, (int, float, Decimal)) for edge in value[:4]):
            raise _expected("a box [x0, y0, x1, y1, text]", value)
        left, top, right, bottom = (float(edge) for edge in value[:4])
        return Box(left, top, right, bottom, str(value[4]))

    return convert


def _list(of: Callable[[FieldType, Classes], Convert], build: type) -> Callable[[FieldType, Classes], Convert]:
    def make(kind: FieldType, classes: Classes) -> Convert:
        item = of(kind.items or FieldType("json"), classes)

        def convert(value: Any) -> Any:
            if not isinstance(value, (list, tuple)):
                raise _expected("list", value)
            if kind.max_length is not None and len(value) > kind.max_length:
                raise Mismatch(f"{len(value)} items, at most {kind.max_length} are allowed")
            try:
                return build([item(part) for part in value])
            except Mismatch:
                return build([_part(f"[{index}]", item, part) for index, part in enumerate(value)])

        return convert

    return make


def _decode_object(kind: FieldType, classes: Classes) -> Convert:
    convert, admits, build = _decode_parts(kind, classes), admission(kind), classes[kind.class_name or ""]
    if admits is None:
        return convert
    count, read = len(kind.fields), itemgetter(*[field.name for field in kind.fields])

    def quick(value: Any) -> Any:
        if type(value) is dict and len(value) == count:
            try:
                values = read(value)
            except KeyError:
                return convert(value)
            if admits(values):
                return build(*values)
        return convert(value)

    return quick


def _decode_parts(kind: FieldType, classes: Classes) -> Convert:
    parts = [(field.name, decoder(field.type, classes)) for field in kind.fields]
    known = frozenset(name for name, _ in parts)
    build = classes[kind.class_name or ""]

    def convert(value: Any) -> Any:
        if type(value) is build:
            return value
        if not isinstance(value, dict):
            raise Mismatch(_REQUIRED) if value is None else _expected("object", value)
        if not known.issuperset(value):
            wrong = next(key for key in value if key not in known)
            raise Mismatch(_unknown(wrong, kind), str(wrong))
        get = value.get
        try:
            return build(*[part(get(name)) for name, part in parts])
        except Mismatch:
            return build(*[_part(name, part, get(name)) for name, part in parts])

    return convert


def _encode_object(kind: FieldType, classes: Classes) -> Convert:
    convert, admits, build = _encode_parts(kind, classes), admission(kind), classes[kind.class_name or ""]
    if admits is None:
        return convert
    names, read = [field.name for field in kind.fields], attrgetter(*[field.identifier for field in kind.fields])

    def quick(value: Any) -> Any:
        if type(value) is build and admits(values := read(value)):
            return dict(zip(names, values))  # noqa: B905  (both come from the same fields)
        return convert(value)

    return quick


def _encode_parts(kind: FieldType, classes: Classes) -> Convert:
    parts = [(field.name, field.identifier, encoder(field.type, classes)) for field in kind.fields]
    build = classes[kind.class_name or ""]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, build):
            raise Mismatch(_REQUIRED) if value is None else _expected(kind.class_name or "object", value)
        try:
            return {name: part(getattr(value, identifier)) for name, identifier, part in parts}
        except Mismatch:
            return {name: _part(name, part, getattr(value, identifier)) for name, identifier, part in parts}

    return convert


def _json(_: FieldType, __: Classes) -> Convert:
    def convert(value: Any) -> Any:
        if value is None or isinstance(value, (bool, str, int)):
            return value
        if isinstance(value, (float, Decimal)):
            return Decimal(plain_number(value))
        if isinstance(value, (list, tuple)):
            return [convert(item) for item in value]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: convert(item) for key, item in value.items()}
        raise _expected("json", value)

    return convert


def _typed(python: type, write: Callable[[Any], Any]) -> Callable[[FieldType, Classes], Convert]:
    def make(kind: FieldType, _: Classes) -> Convert:
        def convert(value: Any) -> Any:
            if not isinstance(value, python) or (python is date and isinstance(value, datetime)):
                raise _expected(kind.kind, value)
            return write(value)

        return convert

    return make


def _encode_decimal(kind: FieldType, classes: Classes) -> Convert:
    check = _decimal(kind, classes)
    if kind.kind == "decimal":
        return check
    return lambda value: plain_number(check(value))


_DECODERS: Mapping[str, Callable[[FieldType, Classes], Convert]] = {
    "text": _text,
    "string": _text,
    "integer": _integer,
    "decimal": _decimal,
    "money": _decimal,
    "float": _float,
    "boolean": _boolean,
    "date": _parsed("date (YYYY-MM-DD)", date, _iso_date),
    "time": _parsed("time (HH:MM:SS)", time, time.fromisoformat),
    "datetime": _parsed("datetime (ISO 8601)", datetime, datetime.fromisoformat),
    "days_time_duration": _parsed("duration (P3DT4H)", timedelta, parse_days_time),
    "years_months_duration": _parsed("duration (P1Y6M)", YearsMonths, parse_years_months),
    "box": _box,
    "list": _list(decoder, tuple),
    "object": _decode_object,
    "json": _json,
}
_ENCODERS: Mapping[str, Callable[[FieldType, Classes], Convert]] = {
    **_DECODERS,
    "decimal": _encode_decimal,
    "money": _encode_decimal,
    "date": _typed(date, date.isoformat),
    "time": _typed(time, time.isoformat),
    "datetime": _typed(datetime, datetime.isoformat),
    "days_time_duration": _typed(timedelta, format_days_time),
    "years_months_duration": _typed(YearsMonths, str),
    "box": lambda kind, classes: lambda value: list(_box(kind, classes)(value)),
    "list": _list(encoder, list),
    "object": _encode_object,
}
