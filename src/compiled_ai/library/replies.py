"""Reading what a bounded call answered: strictly typed, and `unknown` is never a value.

A reply is a JSON object with exactly the fields of the step. For every field, at every depth, `null` or the
word `unknown` says that the source is silent: an optional field becomes `None`, a required one is *missing*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compiled_ai.canonical import kind_of
from compiled_ai.errors import suggest
from compiled_ai.library.types import Classes, Convert, FieldType, Mismatch, decoder

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says: a typed value, or why there is none."""

    value: Any
    """The typed value; `None` if there are problems or missing fields."""
    settled: Any
    """The reply as JSON with `unknown` replaced by null, for a reviewer to start from; `None` if it is no object."""
    problems: tuple[str, ...] = ()
    """What breaks the schema, in words for the next attempt."""
    missing: tuple[str, ...] = ()
    """Paths of required fields that the source does not state."""


def read_reply(kind: FieldType, classes: Classes, result: Any, *, decode: Convert | None = None) -> Reading:
    """Reads the reply of a bounded call whose step yields `kind`.

    Args:
        kind: The object type of the step's result.
        classes: The artifact's dataclass for each class name.
        result: The reply as decoded JSON; anything but an object is a problem.
        decode: `decoder(kind, classes)`, if the caller keeps one.
    """
    if not isinstance(result, dict):
        return Reading(None, None, (f"the reply is no JSON object but {kind_of(result)}",))
    survey = _Survey()
    settled = survey.settle(kind, result, "")
    if survey.missing or survey.problems:
        return Reading(None, settled, tuple(survey.problems), tuple(survey.missing))
    try:
        return Reading((decode or decoder(kind, classes))(settled), settled)
    except Mismatch:
        return Reading(None, settled, tuple(_mismatches(kind, classes, settled)))


def _mismatches(kind: FieldType, classes: Classes, settled: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for field in kind.fields:
        try:
            decoder(field.type, classes)(settled.get(field.name))
        except Mismatch as fault:
            found.append(str(fault.below(field.name)))
    return found or ["the reply does not fit the schema"]


class _Survey:
    """One walk over a reply: replaces `unknown` by null, and notes what is missing, absent or not asked for."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.problems: list[str] = []

    def settle(self, kind: FieldType, value: Any, path: str) -> Any:
        if value is None or _says_unknown(kind, value):
            if not kind.optional:
                self.missing.append(path)
            return None
        if kind.kind == "object" and isinstance(value, dict):
            return self._object(kind, value, path)
        if kind.kind == "list" and kind.items is not None and isinstance(value, (list, tuple)):
            return [self.settle(kind.items, item, f"{path}[{index}]") for index, item in enumerate(value)]
        return value

    def _object(self, kind: FieldType, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        known = {field.name for field in kind.fields}
        prefix = f"{path}." if path else ""
        strange = [key for key in value if key not in known]
        self.problems += [f"{prefix}{key}: unknown field.{suggest(str(key), known)}" for key in strange]
        settled: dict[str, Any] = {}
        for field in kind.fields:
            if field.name in value:
                settled[field.name] = self.settle(field.type, value[field.name], prefix + field.name)
            elif field.type.optional:
                settled[field.name] = None
            else:
                self.problems.append(f"{prefix}{field.name}: left out of the reply; answer null if it is not stated")
        return settled


def _says_unknown(kind: FieldType, value: Any) -> bool:
    if not isinstance(value, str) or value.strip().casefold() != UNKNOWN:
        return False
    return kind.enum is None or value not in kind.enum
