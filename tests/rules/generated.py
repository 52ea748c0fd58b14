"""Random rules, tables and inputs: seeded, typed, fond of edges (nulls, the 34th digit, ends of months, unicode)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from rule_support import MARK

from compiled_ai.library.types import FieldType
from compiled_ai.library.values import YearsMonths
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.tables import Grid, GridCell, TableText

PLANS = ("GOLD", "SILVER", "BRONZE")
FIELDS: Mapping[str, FieldType] = {
    "age": FieldType("integer"),
    "amount": FieldType("decimal", optional=True),
    "rate": FieldType("float"),
    "Monthly Salary": FieldType("money"),
    "score": FieldType("integer", optional=True),
    "name": FieldType("text"),
    "note": FieldType("text", optional=True),
    "plan": FieldType("string", enum=PLANS),
    "old plan": FieldType("string", enum=PLANS, optional=True),
    "member": FieldType("boolean"),
    "flag": FieldType("boolean", optional=True),
    "born": FieldType("date"),
    "ended": FieldType("date", optional=True),
    "seen": FieldType("datetime"),
    "opens": FieldType("time", optional=True),
    "term": FieldType("years_months_duration"),
    "pause": FieldType("days_time_duration", optional=True),
    "codes": FieldType("list", items=FieldType("integer")),
    "words": FieldType("list", items=FieldType("text"), optional=True),
}
NUMBERS = (
    Decimal(0),
    Decimal(1),
    Decimal("-1"),
    Decimal("0.1"),
    Decimal("2.5"),
    Decimal("3.5"),
    Decimal(18),
    Decimal(65),
    Decimal("1e-30"),
    Decimal("1234567890123456789012345678901234"),
    Decimal("0.1234567890123456789012345678901234567"),
    Decimal("-9999999999999999999999999999999999.5"),
)
INTEGERS = (0, 1, -1, 17, 18, 65, 10**33 + 1, 100)
FLOATS = (0.0, 0.1, -2.5, 1e15, 3.0)
COMMA = '","'
TEXTS = ("", "a", "GOLD", "ÄÖ ß", "横綱", "a\u0301", "x y", "12", "tab\t", 'quote"', "\U0001f600")
DATES = (date(2024, 2, 29), date(2023, 2, 28), date(2024, 1, 31), date(1, 1, 1), date(9999, 12, 31), date(2000, 12, 31))
TIMES = (time(0, 0), time(23, 59, 59), time(12, 30, tzinfo=UTC))
MOMENTS = (
    datetime(2024, 2, 29, 23, 59, 59),
    datetime(2024, 1, 31, 12, 0, tzinfo=UTC),
    datetime(1999, 12, 31),
)
DURATIONS = (timedelta(0), timedelta(days=1), timedelta(days=-400, seconds=1), timedelta(microseconds=3))
TERMS = (YearsMonths(0), YearsMonths(1), YearsMonths(-13), YearsMonths(120))


def inputs(dice: random.Random) -> dict[str, Any]:
    """One value for every field."""
    return {name: _value(kind, dice) for name, kind in FIELDS.items()}


def _value(kind: FieldType, dice: random.Random) -> Any:
    if kind.optional and dice.random() < 0.3:
        return None
    if kind.enum:
        return dice.choice(kind.enum)
    if kind.kind == "list":
        items = (1, 2, 7, 18) if kind.items and kind.items.kind == "integer" else ("a", "GOLD", "")
        return tuple(dice.choice(items) for _ in range(dice.randrange(4)))
    pools: dict[str, tuple[Any, ...]] = {
        "integer": INTEGERS,
        "decimal": NUMBERS,
        "money": NUMBERS,
        "float": FLOATS,
        "text": TEXTS,
        "boolean": (True, False),
        "date": DATES,
        "time": TIMES,
        "datetime": MOMENTS,
        "days_time_duration": DURATIONS,
        "years_months_duration": TERMS,
    }
    return dice.choice(pools[kind.kind])


@dataclass
class Author:
    """Writes rules as text, of a wanted type."""

    dice: random.Random

    def pick(self, *choices: str) -> str:
        return self.dice.choice(choices)

    def number(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(
                "age", "amount", "rate", "Monthly Salary", "score", "0", "1", "18", "2.5", "-3", "null", "0.1"
            )
        d = depth - 1
        return self.pick(
            f"{self.number(d)} {self.pick('+', '-', '*', '/')} {self.number(d)}",
            f"({self.number(d)} {self.pick('+', '-')} {self.number(d)}) * {self.number(0)}",
            f"-({self.number(d)})",
            f"({self.number(d)}) ** 2",
            f"{self.number(0)} / 4",
            f"abs({self.number(d)})",
            f"floor({self.number(d)})",
            f"round half up({self.number(d)}, 1)",
            f"modulo({self.number(d)}, {self.number(0)})",
            f"string length({self.text(d)})",
            f"max({self.number(d)}, {self.number(0)})",
            "sum(codes)",
            f"count({self.pick('codes', 'words')})",
            f"{self.moment(d)}.year",
            f"({self.date(d)} - {self.date(0)}).days",
            f"{self.term(0)}.months",
            f"codes[{self.pick('1', '-1', 'age')}]",
            f"(IF {self.condition(d)} THEN {self.number(d)} ELSE {self.number(0)})",
        )

    def text(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("name", "note", "plan", "old plan", '"a"', '"GOLD"', '""', '"横綱"')
        d = depth - 1
        return self.pick(
            f"{self.text(d)} + {self.text(0)}",
            f"upper case({self.text(d)})",
            f"substring({self.text(d)}, {self.pick('1', '-1', 'age', '2')})",
            f"string({self.number(d)})",
            f"string({self.date(0)})",
            f"day of week({self.date(0)})",
            f"string join(words, {self.pick('name', COMMA)})",
            "words[1]",
        )

    def date(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("born", "ended", 'date("2024-02-29")', 'date("2023-01-31")')
        return self.pick(
            f"{self.date(0)} {self.pick('+', '-')} {self.term(depth - 1)}",
            f"{self.date(0)} {self.pick('+', '-')} {self.pause(depth - 1)}",
            "date(seen)",
            f"date(2024, 2, {self.pick('28', '30', 'age')})",
        )

    def moment(self, depth: int) -> str:
        return self.date(depth) if not self.date(depth).count(" ") else "born"

    def term(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("term", 'duration("P1M")', 'duration("P1Y")')
        return self.pick(
            f"({self.term(0)} + {self.term(0)})", f"years and months duration({self.date(0)}, {self.date(0)})"
        )

    def pause(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("pause", 'duration("P1D")', 'duration("PT36H")')
        return self.pick(f"({self.pause(0)} + {self.pause(0)})", f"({self.pause(0)} * {self.number(0)})")

    def condition(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("member", "flag", "true", "flag IS NULL", "amount IS NOT NULL", "age >= 18", "note = null")
        d = depth - 1
        return self.pick(
            f"{self.condition(d)} {self.pick('AND', 'OR')} {self.condition(d)}",
            f"({self.condition(d)} {self.pick('AND', 'OR')} {self.condition(d)}) "
            f"{self.pick('AND', 'OR')} {self.condition(0)}",
            f"NOT ({self.condition(d)})",
            f"not {self.condition(0)}",
            f"{self.number(d)} {self.comparison()} {self.number(d)}",
            f"{self.text(d)} {self.comparison()} {self.text(d)}",
            f"{self.date(d)} {self.comparison()} {self.date(d)}",
            f"seen {self.comparison()} {self.pick('seen', 'date and time(born)')}",
            f"{self.pause(d)} {self.comparison()} {self.pause(0)}",
            f"{self.term(d)} {self.comparison()} {self.term(0)}",
            f'opens {self.comparison()} time("12:00:00")',
            f"{self.number(d)} {self.pick('', 'NOT ')}BETWEEN {self.number(0)} AND {self.number(d)}",
            f"{self.number(d)} {self.pick('', 'NOT ')}IN {self.tests(d)}",
            f"{self.number(0)} IN {self.range(d)}",
            f"{self.number(0)} {self.pick('', 'NOT ')}IN codes",
            f"{self.text(0)} {self.pick('', 'NOT ')}IN words",
            f'plan {self.pick("", "NOT ")}IN ("GOLD", "SILVER")',
            f'old plan {self.pick("", "NOT ")}IN ("GOLD", {self.pick("null", "plan")})',
            f"({self.number(d)}) IS {self.pick('', 'NOT ')}NULL",
            f"{self.text(d)} {self.pick('', 'NOT ')}CONTAINS {self.text(0)}",
            f'{self.text(0)} MATCHES "^[A-Z]+$"',
            f"codes CONTAINS {self.number(0)}",
            f"({self.condition(d)}) = ({self.condition(0)})",
            f"flag {self.pick('=', '!=')} {self.pick('true', 'false', 'member', 'null')}",
            f"all([{self.condition(0)}, {self.condition(0)}])",
            f"list contains([{self.number(0)}, null], {self.number(0)})",
            f"(IF {self.condition(d)} THEN {self.condition(0)} ELSE {self.condition(0)})",
        )

    def comparison(self) -> str:
        return self.pick("=", "!=", "<", "<=", ">", ">=")

    def range(self, depth: int) -> str:
        return f"{self.pick('[', '(')}{self.number(0)}..{self.number(depth)}{self.pick(']', ')')}"

    def tests(self, depth: int) -> str:
        parts = [
            self.pick(self.number(0), f"< {self.number(0)}", f">= {self.number(depth)}", self.range(0))
            for _ in range(3)
        ]
        return f"({', '.join(parts[: self.dice.randrange(1, 4)])})"

    # -- whole rules

    def rule(self) -> str:
        """A rule text: some lines, then a chain (nested at times) or one value."""
        lines = []
        if self.dice.random() < 0.3:
            lines.append(f"extra = {self.number(2)}")
        if self.dice.random() < 0.3:
            lines.append(f"doubt = {self.condition(2)}")
        if self.dice.random() < 0.15:
            return "\n".join([*lines, self.pick(self.number(2), self.text(2), self.condition(2), self.date(1))])
        body = [f"IF {self.condition(2)} THEN {self.outcome()}"]
        for _ in range(self.dice.randrange(3)):
            body.append(f"ELSE IF {self.condition(self.dice.randrange(3))} THEN {self.outcome()}")
        if self.dice.random() < 0.7:
            body.append(f"ELSE {self.outcome()}")
        return "\n".join([*lines, *body])

    def outcome(self) -> str:
        chosen = self.dice.random()
        if chosen < 0.15:
            return f"IF {self.condition(1)} THEN {self.pick('APPROVE', 'DENY')}"
        if chosen < 0.4:
            value = f"outcome = {self.pick('APPROVE', 'DENY')}, copay = {self.number(1)}"
        else:
            value = self.pick("APPROVE", "DENY", "NEEDS REVIEW", "null")
        return f'{value} BECAUSE "as {self.pick("a", "b")} says"' if self.dice.random() < 0.2 else value

    # -- tables

    def table(self) -> TableText:
        """A decision table under some hit policy, small or large enough to be looked up by column."""
        policy = self.pick(
            "UNIQUE",
            "ANY",
            "PRIORITY",
            "FIRST",
            "FIRST",
            "RULE ORDER",
            "OUTPUT ORDER",
            "COLLECT",
            "COLLECT sum",
            "COLLECT min",
            "COLLECT max",
            "COLLECT count",
        )
        columns = self.dice.sample(["age", "amount", "plan", "old plan", "flag", "born", "ended", "score", "name"], 3)
        outputs = ["copay"] if " " in policy and policy.startswith("COLLECT") else ["outcome", "copay"]
        count = self.dice.choice((1, 3, 7, 12, 40))
        rows = []
        for _ in range(count):
            cells = [self.cell(column) for column in columns]
            given = {"outcome": self.pick("APPROVE", "REVIEW", "DENY"), "copay": self.copay(policy)}
            rows.append(tuple(_grid_cell(text) for text in [*cells, *(given[name] for name in outputs)]))
        prioritised = policy in ("PRIORITY", "OUTPUT ORDER")
        values = {"outcome": ("DENY", "REVIEW", "APPROVE") if prioritised else (), "copay": ()}
        default = {outputs[0]: "DENY" if outputs[0] == "outcome" else "0"} if self.dice.random() < 0.3 else {}
        return TableText(
            name="table",
            grid=Grid("rules.yaml", tuple(_grid_cell(name) for name in [*columns, *outputs]), tuple(rows)),
            mark=MARK,
            outputs={name: values[name] for name in outputs},
            hit_policy=policy,
            default=default,
        )

    def copay(self, policy: str) -> str:
        plain = self.pick("0", "10", "20.5", "-3")
        return plain if self.dice.random() < 0.9 else self.pick("age + 1", "age * 2")

    def cell(self, column: str) -> str:
        if self.dice.random() < 0.35:
            return self.pick("-", "")
        kind = FIELDS[column]
        if kind.optional and self.dice.random() < 0.15:
            return self.pick("null", "not(null)")
        if kind.enum:
            return self.pick("GOLD", "GOLD, SILVER", '"BRONZE"', "not(GOLD)", 'not("GOLD", "SILVER")')
        if kind.kind == "text":
            return self.pick("a", "GOLD, a", '"横綱"', 'not("a")', '> "b"', "x y", "12", 'starts with(?, "a")')
        if kind.kind == "boolean":
            return self.pick("true", "false", "not(true)", "true, false")
        if kind.kind == "date":
            return self.pick(
                ">= 2024-01-31", "2024-02-29", "[2000-01-01..2024-02-29)", "< 2023-02-28", "not(2024-02-29)"
            )
        if self.dice.random() < 0.05:
            return self.pick("> age", "? * 2 > 30", "<= amount")
        return self.pick(
            "18",
            "17, 18",
            ">= 18",
            "< 65",
            "[18..65)",
            "(0..18]",
            "0.1",
            "not(18)",
            "< 0, > 65",
            "not([1..18])",
            "2.5",
            ">= 0.1",
            "<= 1234567890123456789012345678901234",
        )


def _grid_cell(text: str) -> GridCell:
    return GridCell(text, Place(1, 1))
