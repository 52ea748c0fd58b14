"""Python source for values and texts, in the artifact's style."""

from __future__ import annotations

import json
import textwrap
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from compiled_ai.canonical import plain_number
from compiled_ai.library.values import YearsMonths
from compiled_ai.spec.rules.ast import Value

LINE = 120
WIDTH = 116
"""Longest piece of a line, with room for a bracket and a comma."""


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


def comment(text: str, indent: int) -> list[str]:
    """Returns comment lines for a text, wrapped."""
    pad = " " * indent
    plain = " ".join(text.split())
    lines = textwrap.wrap(plain, WIDTH - indent - 2, break_long_words=True, break_on_hyphens=False)
    return [f"{pad}# {lines[0]}", *(f"{pad}#   {line}" for line in lines[1:])] if lines else [f"{pad}#"]


def wrapped_text(value: str, indent: int) -> str:
    """Returns a text literal, in several adjacent pieces where it is too long for a line."""
    whole = text_literal(value)
    room = WIDTH - indent - 6
    if len(whole) <= room:
        return whole
    pieces = [value[start : start + room // 2] for start in range(0, len(value), room // 2)]
    pad = " " * (indent + 4)
    listed = "\n".join(f"{pad}{text_literal(piece)}" for piece in pieces)
    return f"(\n{listed}\n{' ' * indent})"
