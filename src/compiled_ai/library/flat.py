"""The quick way over a border for objects without objects in them: converters that are put together once per artifact.

They look at the types of all values at once, and then call for each field what it needs and no more. What does not
fit they do not judge: they return `None`, and the usual way (`library.types`) finds it again and tells what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter, call, contains
from typing import TYPE_CHECKING, Any

from compiled_ai.canonical import canonical_json, plain_number
from compiled_ai.errors import InputError
from compiled_ai.library.values import YearsMonths

if TYPE_CHECKING:
    from compiled_ai.library.types import Field, FieldType

Convert = Callable[[Any], Any]
Test = Callable[[Any], bool]

_EXACT: Mapping[str, tuple[type, Test | None]] = {
    "text": (str, None),
    "string": (str, None),
    "integer": (int, None),
    "decimal": (Decimal, Decimal.is_finite),
    "float": (float, math.isfinite),
    "boolean": (bool, None),
}
"""Kinds of which a value of exactly this type (and passing the test) crosses the border as it is, both ways."""

_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "decimal": (Decimal, int),
    "money": (str, Decimal, int),
    "float": (Decimal, int),
    "list": (list,),
    "box": (list,),
}
"""What the values of other kinds are in JSON; text where nothing is said."""

_PYTHON_TYPES: Mapping[str, type] = {
    "text": str,
    "string": str,
    "integer": int,
    "decimal": Decimal,
    "money": Decimal,
    "float": float,
    "boolean": bool,
    "date": date,
    "time": time,
    "datetime": datetime,
    "days_time_duration": timedelta,
    "years_months_duration": YearsMonths,
    "list": tuple,
}
_quote = json.encoder.encode_basestring


def admission(kind: FieldType) -> Callable[[tuple[Any, ...]], bool] | None:
    """Returns a test whether all values of an object cross the border as they are; `None` if some never do."""
    if len(kind.fields) < 2 or not all(_crosses(field.type) for field in kind.fields):
        return None
    allowed = [_types(field.type, _EXACT[field.type.kind][0]) for field in kind.fields]
    tests = _tests(kind.fields)

    def admits(values: tuple[Any, ...]) -> bool:
        if not all(map(contains, allowed, map(type, values))):
            return False
        for index, test in tests:  # noqa: SIM110  (a generator would cost more than the loop)
            if values[index] is not None and not test(values[index]):
                return False
        return True

    return admits


def flat_builder(
    kind: FieldType, build: Callable[..., Any], decoder_of: Callable[[FieldType], Convert]
) -> Callable[[Sequence[Any]], Any | None] | None:
    """Returns a function from the JSON values of an object's fields, in their order, to the typed object.

    It returns `None` for values that do not fit, or that only the usual way takes. There is no such function for an
    object with objects in it.
    """
    if not kind.fields or any(_has_objects(field.type) for field in kind.fields):
        return None
    allowed = [_types(field.type, *_json_types(field.type)) for field in kind.fields]
    tests = [(index, frozenset(field.type.enum).__contains__) for index, field in _as_read(kind) if field.type.enum]
    conversions = [
        (index, _decimal if field.type.kind == "decimal" and _crosses(field.type) else decoder_of(field.type))
        for index, field in enumerate(kind.fields)
        if (index, field) not in _as_read(kind)
    ]

    def built(values: Sequence[Any]) -> Any | None:
        if not all(map(contains, allowed, map(type, values))):
            return None
        for index, test in tests:
            if values[index] is not None and not test(values[index]):
                return None
        if not conversions:
            return build(*values)
        typed = list(values)
        try:
            for index, convert in conversions:
                typed[index] = convert(typed[index])
        except ValueError:  # a `Mismatch`
            return None
        return build(*typed)

    return built


def flat_writer(
    kind: FieldType, build: type, encoder_of: Callable[[FieldType], Convert], usual: Callable[[Any], str]
) -> Callable[[Any], str]:
    """Returns a function from a typed object to its canonical JSON: `usual`, with a quick way for what fits.

    There is no quick way for an object of one field, or with fields that are objects or any JSON.
    """
    fields = sorted(kind.fields, key=lambda field: field.name)
    if len(fields) < 2 or not all(field.type.kind in _PYTHON_TYPES for field in fields):
        return usual
    read = attrgetter(*[field.identifier for field in fields])
    allowed = [_types(field.type, _PYTHON_TYPES[field.type.kind]) for field in fields]
    writes = [_text_of(field.type, encoder_of) for field in fields]
    members = ",".join(f"{_quote(field.name).replace('%', '%%')}:%s" for field in fields)
    template = f"{{{members}}}"

    def write(value: Any) -> str:
        if type(value) is build and all(map(contains, allowed, map(type, values := read(value)))):
            try:
                return template % tuple(map(call, writes, values))
            except (LookupError, ValueError, ArithmeticError, InputError):
                pass
        return usual(value)

    return write


def _crosses(kind: FieldType) -> bool:
    """True if values of this kind may cross as they are, and nothing but an enumeration narrows them."""
    narrowed = kind.pattern or kind.max_length is not None or kind.minimum is not None or kind.maximum is not None
    return kind.kind in _EXACT and not narrowed


def _types(kind: FieldType, *types: type) -> frozenset[type]:
    return frozenset((*types, type(None)) if kind.optional else types)


def _as_read(kind: FieldType) -> list[tuple[int, Field]]:
    """By index, the fields whose values are in the program what JSON has."""
    return [
        (index, field)
        for index, field in enumerate(kind.fields)
        if _crosses(field.type) and field.type.kind not in ("decimal", "float")
    ]


def _json_types(kind: FieldType) -> tuple[type, ...]:
    """What the usual values of a kind are in JSON, where numbers are `int` or `Decimal`."""
    exact = {"text": str, "string": str, "integer": int, "boolean": bool}.get(kind.kind)
    return (exact,) if exact is not None else _JSON_TYPES.get(kind.kind, (str,))


def _decimal(value: Decimal | int | None) -> Decimal | None:
    if type(value) is Decimal:
        if value.is_finite():
            return value
        raise ValueError(value)
    return None if value is None else Decimal(value)


def _has_objects(kind: FieldType) -> bool:
    return kind.kind in ("object", "json") or (kind.items is not None and _has_objects(kind.items))


def _tests(fields: Sequence[Field]) -> list[tuple[int, Test]]:
    """By index, what values of the right type must pass beside."""
    found: list[tuple[int, Test]] = []
    for index, field in enumerate(fields):
        if _crosses(field.type):
            test = frozenset(field.type.enum).__contains__ if field.type.enum else _EXACT[field.type.kind][1]
            found += [] if test is None else [(index, test)]
    return found


def _text_of(kind: FieldType, encoder_of: Callable[[FieldType], Convert]) -> Callable[[Any], str]:
    """Writes a value of the right type; raises if it does not fit."""
    if kind.kind == "boolean":
        words: dict[bool | None, str] = {True: "true", False: "false", None: "null"}
        return words.__getitem__
    if not _crosses(kind):
        encode = encoder_of(kind)
        return lambda value: canonical_json(encode(value))
    if kind.enum:
        texts: dict[str | None, str] = {word: _quote(word) for word in kind.enum}
        return (texts | {None: "null"} if kind.optional else texts).__getitem__
    writes: dict[str, Callable[[Any], str]] = {"integer": int.__repr__, "decimal": _plain, "float": plain_number}
    write = writes.get(kind.kind, _quote)
    return (lambda value: "null" if value is None else write(value)) if kind.optional else write


def _plain(value: Decimal) -> str:
    """As `plain_number`, for what is a `Decimal`."""
    return format(value, "f") if value and value.is_finite() else plain_number(value)
