"""Values of the rule language and of every border: numbers, durations, boxes.

A number in a rule is a `Decimal` under one pinned context: 34 digits, half-even (IEEE 754 decimal128, as
OMG DMN 1.5 section 10.3.2.3 asks). The stepper enters it; nothing else may change it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import NamedTuple, overload

NUMBERS = Context(
    prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[InvalidOperation, DivisionByZero, Overflow]
)
"""The pinned decimal context. Enter it with `decimal.localcontext(NUMBERS)`."""


@overload
def number(value: None) -> None: ...
@overload
def number(value: int | float | Decimal) -> Decimal: ...
def number(value: int | float | Decimal | None) -> Decimal | None:
    """Returns the exact decimal of a number: a `float` crosses by its shortest text, `None` stays `None`."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


@dataclass(frozen=True, order=True, slots=True)
class YearsMonths:
    """A years-and-months duration (ISO 8601 `P1Y6M`), counted in months; may be negative."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        text = (f"{years}Y" if years else "") + (f"{months}M" if months or not years else "")
        return f"{'-' if self.months < 0 else ''}P{text}"


class Box(NamedTuple):
    """A piece of text on a page: left, top, right, bottom (pixels or points, y grows downwards), and the text."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str


_YEARS_MONTHS = re.compile(r"(-)?P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?")
_DAYS_TIME = re.compile(r"(-)?P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,6}))?S)?)?")


def parse_years_months(text: str) -> YearsMonths:
    """Reads `P1Y6M`; raises `ValueError` for anything else."""
    match = _YEARS_MONTHS.fullmatch(text)
    if not match or text.endswith("P"):
        raise ValueError(f"{text!r} is no years-and-months duration such as 'P1Y6M'")
    sign, years, months = match.groups()
    total = int(years or 0) * 12 + int(months or 0)
    return YearsMonths(-total if sign else total)


def parse_days_time(text: str) -> timedelta:
    """Reads `P3DT4H30M`, to the microsecond; raises `ValueError` for anything else."""
    match = _DAYS_TIME.fullmatch(text)
    if not match or text.endswith(("P", "T")):
        raise ValueError(f"{text!r} is no days-and-time duration such as 'P3DT4H'")
    sign, days, hours, minutes, seconds, fraction = match.groups()
    try:
        total = timedelta(
            days=int(days or 0),
            hours=int(hours or 0),
            minutes=int(minutes or 0),
            seconds=int(seconds or 0),
            microseconds=int((fraction or "0").ljust(6, "0")),
        )
    except OverflowError as fault:
        raise ValueError(f"{text!r} is out of range") from fault
    return -total if sign else total


def format_days_time(value: timedelta) -> str:
    """Writes a duration as ISO 8601 days and time, shortest form (`P3DT4H`, `PT0S`)."""
    total = abs(value)
    minutes, seconds = divmod(total.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{total.microseconds:06d}".rstrip("0") if total.microseconds else ""
    time = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    day = f"{total.days}D" if total.days else ""
    text = day + (f"T{time}" if time else "") or "T0S"
    return f"{'-' if value < timedelta(0) else ''}P{text}"
