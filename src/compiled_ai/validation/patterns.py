"""Texts that match a regular expression, for generated inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]  # the parser has no public name since Python 3.11
from typing import Any

Below = Callable[[int], int]
"""Chance: a number from 0 up to, and without, its argument."""

_MORE = 4
"""How many repetitions beyond the least are tried."""
_ANY = "abcXYZ019 -_./"
_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
    "CATEGORY_SPACE": " \t",
    "CATEGORY_NOT_DIGIT": "abcXYZ -.",
    "CATEGORY_NOT_WORD": " -.,/",
    "CATEGORY_NOT_SPACE": "abcXYZ019-.",
}


def matching_text(pattern: str, below: Below) -> str:
    """Returns a text that most likely matches; the caller checks (look-arounds are not followed)."""
    groups: dict[int, str] = {}
    tree = _parser.parse(pattern)
    return _sequence(tree, below, groups)


def _sequence(tree: Any, below: Below, groups: dict[int, str]) -> str:
    return "".join(_node(str(kind), value, below, groups) for kind, value in tree)


def _node(kind: str, value: Any, below: Below, groups: dict[int, str]) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "NOT_LITERAL":
        return next(letter for letter in _ANY if letter != chr(value))
    if kind == "ANY":
        return _ANY[below(len(_ANY))]
    if kind == "IN":
        return _member(value, below)
    if kind == "BRANCH":
        return _sequence(value[1][below(len(value[1]))], below, groups)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        times = int(least) + below(min(int(most) - int(least), _MORE) + 1)
        return "".join(_sequence(inner, below, groups) for _ in range(times))
    if kind == "SUBPATTERN":
        text = _sequence(value[3], below, groups)
        if value[0] is not None:
            groups[value[0]] = text
        return text
    if kind == "ATOMIC_GROUP":
        return _sequence(value, below, groups)
    return groups.get(value, "") if kind == "GROUPREF" else ""


def _member(parts: Sequence[Any], below: Below) -> str:
    if parts and str(parts[0][0]) == "NEGATE":
        refused = re.compile("|".join(re.escape(letter) for letter in _letters(parts[1:])) or r"(?!)")
        allowed = [letter for letter in _ANY + "\u00e9" if not refused.fullmatch(letter)] or ["~"]
        return allowed[below(len(allowed))]
    kind, value = parts[below(len(parts))]
    if kind is _constants.RANGE:
        return chr(value[0] + below(value[1] - value[0] + 1))
    if kind is _constants.CATEGORY:
        letters = _CATEGORIES[str(value)]
        return letters[below(len(letters))]
    return chr(value)


def _letters(parts: Sequence[Any]) -> str:
    found = ""
    for kind, value in parts:
        if kind is _constants.RANGE:
            found += "".join(letter for letter in _ANY if value[0] <= ord(letter) <= value[1])
        elif kind is _constants.CATEGORY:
            found += _CATEGORIES[str(value)]
        else:
            found += chr(value)
    return found
