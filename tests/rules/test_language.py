"""The rule language through its public functions: what is refused or warned about, then what is meant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from rule_support import MARK, holds, rule

from compiled_ai.library.rules import to_text
from compiled_ai.library.types import Field, FieldType
from compiled_ai.library.values import NUMBERS
from compiled_ai.spec.rules import Scope, interpret_expression, parse_condition, parse_expression, parse_logic

FIELDS = {
    "age": FieldType("integer"),
    "bmi": FieldType("decimal", optional=True),
    "plan": FieldType("string", enum=("GOLD", "SILVER")),
    "extract.bmi": FieldType("decimal"),
    "Terms and Conditions": FieldType("boolean"),
    "seen": FieldType("datetime"),
    "today()": FieldType("date"),
    "contains": FieldType("text"),
}


def _rules(text: str) -> list[str]:
    return [f"{f.rule}:{f.line}:{f.column}" for f in parse_logic(text, scope=Scope(FIELDS), mark=MARK).findings]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IF bmi > 30 THEN A ELSE B", ["rules.null_untested:1:4"]),
        ("IF bmi IS NULL THEN C\nELSE IF bmi > 30 THEN A ELSE B", []),
        ("IF age > 5 THEN A\nELSE IF age > 10 THEN B\nELSE C", ["rules.unreachable:2:1"]),
        ("IF age > 10 THEN A\nELSE IF age > 5 THEN B\nELSE C", []),
        ("IF true THEN A\nELSE B", ["rules.unreachable:2:1"]),
        ("IF age > 5 AND age < 9 THEN A\nELSE IF age = 7 THEN B\nELSE C", ["rules.unreachable:2:1"]),
        ('IF plan = "GOLD" THEN A', ["rules.gap:1:1"]),
        ('IF plan = "GOLD" THEN A\nELSE IF plan != "GOLD" THEN B', []),
        ("IF age IN [5..1] THEN A ELSE B", ["rules.empty_range:1:11"]),
    ],
)
def test_what_is_cheap_to_see_is_reported_where_it_stands(text: str, found: list[str]) -> None:
    assert _rules(text) == found


def test_brackets_without_end_are_refused_and_not_a_crash() -> None:
    text = "IF " + "(" * 5000 + "age" + ")" * 5000 + " > 1 THEN A"
    assert _rules(text) == ["rules.syntax:1:63"]


def test_a_huge_text_is_refused() -> None:
    assert _rules("IF age > 1 THEN A\n" * 20_000) == ["rules.syntax:1:1"]


def test_moments_with_and_without_an_offset_have_no_order() -> None:
    aware, naive = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1)
    fields = {"a": FieldType("datetime"), "b": FieldType("datetime")}
    assert not holds("a < b OR a >= b", fields, a=aware, b=naive)
    assert holds("a <= b", fields, a=naive, b=naive)


def test_a_name_may_hold_keywords_and_dots_and_brackets() -> None:
    found = rule("IF Terms and Conditions AND extract.bmi > 30 AND today().year > 2020 THEN A ELSE B", FIELDS)
    values = {"Terms and Conditions": True, "extract.bmi": Decimal(31), "today()": date(2026, 1, 1)}
    assert (found.run(**values) or {})["outcome"] == "A"


def test_a_field_named_like_an_operator_is_a_field_where_a_value_begins() -> None:
    assert holds('contains CONTAINS "b"', FIELDS, **{**dict.fromkeys(FIELDS), "age": 1, "contains": "abc"})


@pytest.mark.parametrize("text", ["age IN ]5..10[", "age IN (5..10)", "(age IN ]5..10[) AND age IN [6..9]"])
def test_both_brackets_for_open_ends_are_read(text: str) -> None:
    values = {**dict.fromkeys(FIELDS), "age": 6}
    assert holds(text, FIELDS, **values)
    assert not holds(text, FIELDS, **{**values, "age": 5})
    assert not holds(text, FIELDS, **{**values, "age": 10})


def test_reads_are_in_order_of_first_mention() -> None:
    parsed = parse_condition('plan = "GOLD" AND age > 1 AND plan != "SILVER"', scope=Scope(FIELDS), mark=MARK)
    assert parsed.reads == ("plan", "age")


def test_declared_integers_and_floats_leave_a_rule_as_such() -> None:
    result = (Field("n", "n", FieldType("integer")), Field("x", "x", FieldType("float")))
    parsed = parse_logic("n = age * 2\nx = age / 4", scope=Scope(FIELDS), mark=MARK, result=result)
    from rule_support import rule_step

    from compiled_ai.spec.rules import emit_rule

    source = emit_rule(rule_step(parsed, Scope(FIELDS)))
    assert "return Decide(whole(n), float(x))" in source


FUNCTIONS = {
    'substring("foobar", 3)': "obar",
    'substring("foobar", -2, 1)': "a",
    'substring("foobar", 0)': None,
    'substring before("foobar", "bar")': "foo",
    'substring after("foobar", "ob")': "ar",
    'replace("abcd", "(ab)|(a)", "[1=$1]")': "[1=ab]cd",
    'split("a;b;;c", ";")': '["a", "b", "", "c"]',
    'string join(["a", null, "c"], "-")': "a-c",
    'upper case("straße")': "STRASSE",
    'string length("\U0001f600")': "1",
    "decimal(2.5, 0)": "2",
    "round half up(2.5, 0)": "3",
    "round half down(-2.5, 0)": "-2",
    "round up(1.1, 0)": "2",
    "floor(-1.5)": "-2",
    "ceiling(-1.5)": "-1",
    "modulo(-12, 5)": "3",
    "modulo(10.1, 4.5)": "1.1",
    "modulo(1, 0)": None,
    "sqrt(-1)": None,
    "0 ** 0": None,
    "2 ** 0.5": "1.414213562373095048801688724209698",
    'number("1,000")': None,
    'number("-.5")': "-0.5",
    "sum([])": None,
    "min(3, 1, 2)": "1",
    "mean([1, null])": None,
    "median([2, 5, 3, 4])": "3.5",
    "stddev([2, 4, 7, 5])": "2.081665999466132735282297706979931",
    "mode([6, 3, 9, 6, 6, 3])": "[6]",
    "all([true, null])": None,
    "any([true, null])": "true",
    "index of([1, 2, 1], 1)": "[1, 3]",
    "insert before([1, 3], 2, 2)": "[1, 2, 3]",
    "distinct values([1, 2.0, 2, 1])": "[1, 2.0]",
    "flatten([[1], [2, 3]])": "[1, 2, 3]",
    "sublist([1, 2, 3], -2, 1)": "[2]",
    'day of week(date("2024-02-29"))': "Thursday",
    'month of year(date("2024-02-29"))': "February",
    'week of year(date("2021-01-03"))': "53",
    'years and months duration(date("2024-02-29"), date("2025-02-28"))': "P11M",
    'years and months duration(date("2025-02-28"), date("2024-02-29"))': "-P11M",
    'date("2024-02-29") + duration("P1Y")': "2025-02-28",
    'date("9999-12-31") + duration("P1D")': None,
    "date(2024, 2, 30)": None,
    'duration("P1DT1H").hours': "1",
    'date and time("2024-02-29T23:30:00") + duration("PT45M")': "2024-03-01T00:15:00",
    'time("00:30:00") - duration("PT1H")': "23:30:00",
    'duration("P1D") / duration("PT6H")': "4",
    '"a" < "b"': "true",
    "1234567890123456789012345678901234 + 0.5": "1234567890123456789012345678901234",
}


@pytest.mark.parametrize(("text", "expected"), FUNCTIONS.items())
def test_the_function_gives_what_feel_says(text: str, expected: str | None) -> None:
    parsed = parse_expression(text, scope=Scope({}), mark=MARK)
    assert parsed.node is not None, [str(finding) for finding in parsed.findings]
    with localcontext(NUMBERS):
        value: Any = interpret_expression(parsed.node, {})
        assert to_text(value) == expected
        assert (rule(text, {}).run() or {})["outcome"] == value
