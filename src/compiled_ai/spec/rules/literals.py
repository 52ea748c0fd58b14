"""Python source for values and texts, in the artifact's style."""

from __future__ import annotations

import json
import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from compiled_ai.canonical import plain_number
from compiled_ai.library.values import YearsMonths
from compiled_ai.spec.rules.ast import Value

LINE = 120
WIDTH = 116
"""Longest piece of a line, with room for a bracket and a comma."""


def width(text: str) -> int:
    """Returns the columns that a text takes; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def literal(value: Value) -> str:
    """Returns an expression that gives the value."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, Decimal):
        return f'Decimal("{_number(value)}")'
    if isinstance(value, timedelta):
        return _timedelta(value)
    if isinstance(value, YearsMonths):
        return f"YearsMonths({value.months})"
    return _moment(value)


def _number(value: Decimal) -> str:
    return plain_number(value) if abs(value.adjusted()) <= 40 else str(value)


def text_literal(value: str) -> str:
    """Returns a text in double quotes; what cannot be seen is escaped."""
    quoted = json.dumps(value, ensure_ascii=False)
    if value.isprintable():
        return quoted
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _timedelta(value: timedelta) -> str:
    parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    given = ", ".join(f"{name}={amount}" for name, amount in parts.items() if amount)
    return f"timedelta({given})"


def _moment(value: date | time) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return f'datetime.fromisoformat("{value.isoformat()}")'
        numbers = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        return f"datetime({_shortened(numbers, 5)})"
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    if value.tzinfo is not None:
        return f'time.fromisoformat("{value.isoformat()}")'
    return f"time({_shortened([value.hour, value.minute, value.second, value.microsecond], 2)})"


def _shortened(numbers: list[int], least: int) -> str:
    while len(numbers) > least and numbers[-1] == 0:
        numbers = numbers[:-1]
    return ", ".join(str(number) for number in numbers)


_LEAST_ROOM = 40
"""Characters that a comment or a text gets however deep it stands."""


def comment(text: str, indent: int) -> list[str]:
    """Returns comment lines for a text, wrapped."""
    pad = " " * indent
    plain = " ".join(text.split())
    lines = textwrap.wrap(plain, max(_LEAST_ROOM, WIDTH - indent - 2), break_long_words=True, break_on_hyphens=False)
    return [f"{pad}# {lines[0]}", *(f"{pad}#   {line}" for line in lines[1:])] if lines else [f"{pad}#"]


def wrapped_text(value: str, indent: int) -> str:
    """Returns a text literal, in several adjacent pieces where it is too long for a line."""
    whole = text_literal(value)
    room = max(_LEAST_ROOM, WIDTH - indent - 6)
    if width(whole) <= room:
        return whole
    pieces = [value[start : start + room // 3] for start in range(0, len(value), room // 3)]
    pad = " " * (indent + 4)
    listed = "\n".join(f"{pad}{text_literal(piece)}" for piece in pieces)
    return f"(\n{listed}\n{' ' * indent})"


def folded(text: str, margin: int) -> list[str]:
    """Returns an expression as lines, broken inside its longest bracket where it is too long for one."""
    pad = " " * margin
    if "\n" in text or margin + width(text) <= WIDTH:
        return f"{pad}{text}".split("\n")
    start, end = _longest_bracket(text)
    if end - start < 3:
        return [f"{pad}{text}"]
    parts = split_arguments(text[start + 1 : end])
    comma = "," if len(parts) > 1 or text[start - 1 : start].isalnum() else ""
    lines = [f"{pad}{text[: start + 1]}"]
    for part in parts:
        inner = folded(part, margin + 4)
        lines.extend([*inner[:-1], f"{inner[-1]}{comma}"])
    tail = (
        folded(f"){text[end + 1 :]}", margin)
        if width(text[end + 1 :]) > WIDTH - margin
        else [f"{pad}){text[end + 1 :]}"]
    )
    return [*lines, *tail]


def _longest_bracket(text: str) -> tuple[int, int]:
    best, opened, depth = (0, 0), 0, 0
    for place, char in _code(text):
        if char in "([":
            opened = place if depth == 0 else opened
            depth += 1
        elif char in ")]":
            depth -= 1
            if depth == 0 and char == ")" and place - opened > best[1] - best[0]:
                best = (opened, place)
    return best


def split_arguments(text: str) -> list[str]:
    """Splits at the commas that stand in no bracket and in no text."""
    parts: list[str] = []
    depth, start = 0, 0
    for place, char in _code(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _code(text: str) -> Iterator[tuple[int, str]]:
    """Yields the characters that are not inside a text."""
    quoted = escaped = False
    for place, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted:
            yield place, char
