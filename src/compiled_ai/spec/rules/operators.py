"""What the arithmetic operators do with each pair of kinds: the result, and what computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiled_ai.spec.rules.ast import ValueKind

DAYS: ValueKind = "days_time_duration"
MONTHS: ValueKind = "years_months_duration"


@dataclass(frozen=True)
class Rule:
    """One line of the table. `native` is the Python operator that does the same for known values."""

    result: ValueKind
    library: str
    nullable: bool = False
    native: str = ""
    swapped: bool = False
    """The library takes the right operand first."""


ARITHMETIC: Mapping[tuple[str, str, str], Rule] = {
    ("+", "number", "number"): Rule("number", "add", native="+"),
    ("-", "number", "number"): Rule("number", "subtract", native="-"),
    ("*", "number", "number"): Rule("number", "multiply", native="*"),
    ("/", "number", "number"): Rule("number", "divide", nullable=True),
    ("**", "number", "number"): Rule("number", "power_of", nullable=True),
    ("+", "text", "text"): Rule("text", "join_text", native="+"),
    ("+", "date", DAYS): Rule("date", "shift_date", nullable=True),
    ("+", DAYS, "date"): Rule("date", "shift_date", nullable=True, swapped=True),
    ("-", "date", DAYS): Rule("date", "unshift_date", nullable=True),
    ("+", "date", MONTHS): Rule("date", "shift_months", nullable=True),
    ("+", MONTHS, "date"): Rule("date", "shift_months", nullable=True, swapped=True),
    ("-", "date", MONTHS): Rule("date", "unshift_months", nullable=True),
    ("-", "date", "date"): Rule(DAYS, "days_between", native="-"),
    ("+", "datetime", DAYS): Rule("datetime", "shift_datetime", nullable=True),
    ("+", DAYS, "datetime"): Rule("datetime", "shift_datetime", nullable=True, swapped=True),
    ("-", "datetime", DAYS): Rule("datetime", "unshift_datetime", nullable=True),
    ("+", "datetime", MONTHS): Rule("datetime", "shift_months", nullable=True),
    ("+", MONTHS, "datetime"): Rule("datetime", "shift_months", nullable=True, swapped=True),
    ("-", "datetime", MONTHS): Rule("datetime", "unshift_months", nullable=True),
    ("-", "datetime", "datetime"): Rule(DAYS, "time_between", nullable=True),
    ("+", "time", DAYS): Rule("time", "shift_time"),
    ("+", DAYS, "time"): Rule("time", "shift_time", swapped=True),
    ("-", "time", DAYS): Rule("time", "unshift_time"),
    ("-", "time", "time"): Rule(DAYS, "clock_between", nullable=True),
    ("+", DAYS, DAYS): Rule(DAYS, "add_durations", nullable=True),
    ("-", DAYS, DAYS): Rule(DAYS, "subtract_durations", nullable=True),
    ("*", DAYS, "number"): Rule(DAYS, "scale_duration", nullable=True),
    ("*", "number", DAYS): Rule(DAYS, "scale_duration", nullable=True, swapped=True),
    ("/", DAYS, "number"): Rule(DAYS, "divide_duration", nullable=True),
    ("/", DAYS, DAYS): Rule("number", "duration_ratio", nullable=True),
    ("+", MONTHS, MONTHS): Rule(MONTHS, "add_months"),
    ("-", MONTHS, MONTHS): Rule(MONTHS, "subtract_months"),
    ("*", MONTHS, "number"): Rule(MONTHS, "scale_months"),
    ("*", "number", MONTHS): Rule(MONTHS, "scale_months", swapped=True),
    ("/", MONTHS, "number"): Rule(MONTHS, "divide_months", nullable=True),
    ("/", MONTHS, MONTHS): Rule("number", "month_ratio", nullable=True),
}
NEGATION: Mapping[str, Rule] = {
    "number": Rule("number", "negate", native="-"),
    DAYS: Rule(DAYS, "negate_duration", nullable=True),
    MONTHS: Rule(MONTHS, "negate_months"),
}
ORDERED = frozenset({"number", "text", "date", "time", "datetime", DAYS, MONTHS})
"""Kinds that have an order."""
MOMENTS = frozenset({"datetime", "time"})
"""Kinds of which one with an offset and one without have no order: comparing them gives null."""
