"""Texts with places for arguments: `{name}` takes an argument, `{{` and `}}` are braces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from compiled_ai.canonical import canonical_json
from compiled_ai.errors import CallFailed

_PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")


def places(text: str) -> tuple[str, ...]:
    """Names of the arguments that a text takes, in order."""
    return tuple(dict.fromkeys(match[1] for match in _PLACE.finditer(text) if match[1]))


def loose_brace(text: str) -> bool:
    """True if a brace neither names an argument nor is doubled."""
    return any(match[0] in "{}" for match in _PLACE.finditer(text))


def filled(text: str, arguments: Mapping[str, Any], write: Callable[[Any], str] | None = None) -> str:
    """Puts the arguments in; null is empty text."""
    told = write or plain

    def put(match: re.Match[str]) -> str:
        return told(arguments[match[1]]) if match[1] else match[0][0]

    return _PLACE.sub(put, text)


def plain(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)


def path_segment(value: Any) -> str:
    """A value as one segment of an address, encoded; one that would mean another path is refused."""
    text = plain(value)
    if text in ("", ".", "..") or "\\" in text or any(ord(letter) < 32 for letter in text):
        raise CallFailed.surely("An argument cannot stand in the path: it is empty, or leads somewhere else.")
    return quote(text, safe="")
