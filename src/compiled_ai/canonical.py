"""One canonical JSON, and the digests over it.

Numbers are read from text and never pass through a double: integers stay `int`, every other number
becomes a `Decimal`. Written numbers are plain (no exponent), keys are sorted, there is no white space.
NaN and infinity are refused in both directions, and so are duplicate keys.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded, Subnormal
from typing import Any

from compiled_ai.errors import InputError

_MAX_EXPONENT = 400
"""Larger exponents would be written as endless zeros: `1e999999999` is a refusal, not a memory problem."""
DEEPEST = 200
"""Levels of lists and objects in what is read. A stated limit: Python's own hangs on its version and on who calls."""


def parse_json(text: str | bytes) -> Any:
    """Reads JSON exactly: `Decimal` for fractions.

    Refuses NaN, infinity, duplicate keys and more than `DEEPEST` levels with `InputError`.
    """
    try:
        if isinstance(text, (bytes, bytearray)):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        value = _decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as fault:
        raise InputError(f"Not valid JSON: {fault}.") from fault
    if _may_be_deep(text) and _is_deep(value):
        raise _too_deep()
    return value


def read_json(text: str | bytes, where: str) -> Any:
    """As `parse_json`, for what a person wrote: the error names `where` it stands, with line and column from 1."""
    try:
        return parse_json(text)
    except InputError as fault:
        cause = fault.__cause__
        if isinstance(cause, json.JSONDecodeError):
            message = f"{where}:{cause.lineno}:{cause.colno}: Not valid JSON: {cause.msg}."
        elif isinstance(cause, UnicodeDecodeError):
            before = bytes(cause.object)[: cause.start]
            line, column = before.count(b"\n") + 1, cause.start - before.rfind(b"\n")
            message = f"{where}:{line}:{column}: The text is not UTF-8."
        else:
            message = f"{where}: {fault.message}"
        raise InputError(message, remedy=fault.remedy) from fault


def _decode(text: str) -> Any:
    try:
        value, end = _scan(text, 0)
        if end == len(text) or not text[end:].strip(" \t\r\n"):
            return value
    except StopIteration:
        pass  # white space, or nothing: the usual way tells
    return _DECODER.decode(text)


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > DEEPEST


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        lists = [each for each in level if type(each) is list]
        level = [item for each in level if type(each) is dict for item in each.values()]
        level += [item for each in lists for item in each]
        if not level:
            return False
    return any(type(each) in (list, dict) for each in level)


def _too_deep() -> InputError:
    return InputError(f"The JSON has more than {DEEPEST} levels of lists and objects.", remedy="Nest less.")


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError(f"number {text!r} is out of range")
    return number


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} occurs twice in one object")
    return result


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse, object_pairs_hook=_object)
"""Made once: `json.loads` with these options would make one for every text."""
_scan: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


_NUMBERS = Context(
    prec=1000,
    Emin=-_MAX_EXPONENT,
    Emax=_MAX_EXPONENT,
    traps=[Clamped, Inexact, InvalidOperation, Overflow, Rounded, Subnormal],
)
"""Makes the numbers that `_decimal` makes, or raises; it has C alone on its way."""
_scan_members: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(  # type: ignore[attr-defined]
    parse_float=_NUMBERS.create_decimal,
    parse_constant=_refuse,
    object_pairs_hook=iter,
).scan_once
_MEMBERS: Any = type(iter([]))


def read_members(text: str) -> tuple[tuple[str, ...], tuple[Any, ...]] | None:
    """Reads the names and the values of a JSON object as they stand, as exactly as `parse_json` and in half its time.

    Names may occur twice. `None` is returned for an empty object and for what only `parse_json` can tell: white space
    around it, a fault, an unusual number, objects within the object, many lists.
    """
    try:
        members, end = _scan_members(text, 0)
        if end != len(text) or type(members) is not _MEMBERS:
            return None
        names, values = zip(*members)  # noqa: B905  (pairs)
        if _holds_object(values) or _may_be_deep(text):
            return None
    except (StopIteration, ValueError, ArithmeticError, RecursionError):
        return None
    return names, values


def _holds_object(values: Sequence[Any]) -> bool:
    kinds = set(map(type, values))
    return _MEMBERS in kinds or (list in kinds and any(type(each) is list and _holds_object(each) for each in values))


@dataclass(frozen=True, slots=True)
class Canonical:
    """A JSON value whose canonical text is there already; it is written as it is."""

    text: str


def canonical_json(value: Any) -> str:
    """Returns the one text of a JSON value (see the module). Dates and times are written as ISO 8601.

    Raises `InputError` for NaN, infinity, what JSON cannot hold, and for what is nested too deep to be written.
    """
    try:
        return _text(value)
    except RecursionError:
        raise InputError("The value is nested too deep to be written.", remedy="Nest less.") from None


def utf8_json(text: str) -> bytes:
    """JSON text as bytes of a file: lone surrogates, which UTF-8 cannot hold, are escaped as `\\udXXX`."""
    return text.encode("utf-8", "backslashreplace")


_quote = json.encoder.encode_basestring


def _text(value: Any) -> str:
    """The commonest kinds first, and by identity: every run is written with this."""
    kind = type(value)
    if kind is str:
        return _quote(value)
    if kind is dict:
        return _object_text(value)
    if kind is Decimal:
        return plain_number(value)
    if kind is int:
        return int.__repr__(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is list or kind is tuple:
        return f"[{','.join([_text(item) for item in value])}]"
    return _rare_text(value)


def _object_text(value: dict[Any, Any]) -> str:
    for key in value:
        if not isinstance(key, str):
            raise InputError("Keys of a JSON object must be text.")
    return f"{{{','.join([f'{_quote(key)}:{_text(value[key])}' for key in sorted(value)])}}}"


def _rare_text(value: Any) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, (Decimal, float)):
        return plain_number(value)
    if isinstance(value, dict):
        return _object_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join([_text(item) for item in value])}]"
    if isinstance(value, (date, datetime, time)):
        return _quote(value.isoformat())
    if isinstance(value, Canonical):
        return value.text
    raise InputError(f"{type(value).__name__} {value!r} has no place in JSON.")


def plain_number(value: Decimal | float) -> str:
    """Writes a number without exponent and without a sign on zero; a `float` by its shortest text."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} is not a number that can be stored.")
        value = Decimal(repr(value))
    if not value.is_finite():
        raise InputError(f"{value} is not a number that can be stored.")
    return format(abs(value) if value.is_zero() else value, "f")


def digest(data: str | bytes) -> str:
    """Returns the SHA-256 of text (as UTF-8) or bytes, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).hexdigest()


def digest_json(value: Any) -> str:
    """Returns `digest(canonical_json(value))`."""
    return digest(canonical_json(value))


_SHOWN = 60


def kind_of(value: Any) -> str:
    """The JSON word for what a value is: `null`, `true`, `number`, `text`, `list`, `object`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float, Decimal)):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, (list, tuple)) else "object"


def spoken(value: Any) -> str:
    """A value in an error message, in one short line: `number 1.5`, `text 'yes'`, `list [1,2]`, `null`."""
    kind = kind_of(value)
    if kind in ("null", "true", "false"):
        return kind
    try:
        shown = repr(value) if kind == "text" else canonical_json(value)
    except InputError:
        shown = str(value)
    return f"{kind} {shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + '...'}"
