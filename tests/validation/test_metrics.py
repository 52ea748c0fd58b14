"""Exact arithmetic on answers."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from compiled_ai.library.agreement import best_assignment
from compiled_ai.spec.model import Metric, MetricName
from compiled_ai.validation.metrics import agreement, score_cases, score_field, wilson_interval


def metric(name: MetricName, tolerance: str | None = None) -> Metric:
    return Metric(name, Decimal(1), Decimal(tolerance) if tolerance else None)


@pytest.mark.parametrize(
    ("name", "expected", "actual"),
    [
        ("exact", "Acme", "acme"),
        ("exact", 1, True),
        ("exact", "1", 1),
        ("exact", [1, 2], [2, 1]),
        ("exact", {"a": 1}, {"a": 1, "b": 2}),
        ("text", "Acme Ltd", "Acme Limited"),
        ("text", "-", "+"),
        ("text", "", "x"),
        ("number", 1, "one"),
        ("number", "NaN", "NaN"),
        ("number", 1, True),
        ("money", "10.00", "10.01"),
        ("money", "1.234,50", "1234.50"),
        ("date", "2024-01-02", "2024-02-01"),
        ("date", "01/02/2024", "01/02/2024"),
        ("set", ["a"], ["a", "b"]),
        ("set", "a", "a"),
        ("records", [{"a": 1}], [{"a": 2}]),
        ("records", [{"a": 1}], "x"),
        ("records", [{"a": 1}, {"a": 1}], [{"a": 1}]),
        ("exact", None, ""),
        ("text", None, ""),
        ("records", None, []),
        ("exact", 0, None),
    ],
)
def test_what_differs_is_wrong(name: MetricName, expected: Any, actual: Any) -> None:
    assert not score_field(metric(name), expected, actual)


@pytest.mark.parametrize(
    ("name", "expected", "actual"),
    [
        ("exact", Decimal("1.50"), Decimal("1.5")),
        ("exact", 2, Decimal("2.0")),
        ("exact", {"a": [1]}, {"a": [Decimal(1)]}),
        ("text", "Acme, Ltd.", "ACME LTD"),
        ("text", "Stra\u00dfe 5", "STRASSE 5"),
        ("text", "\uff21\uff22", "ab"),
        ("number", "1,234", 1234),
        ("money", "$1,234.50", "1234.5"),
        ("money", "-$5.00", "-5"),
        ("date", "2024-01-02", "2024-01-02T10:00:00"),
        ("set", ["a", "b", "b"], ["b", "a"]),
        ("set", [Decimal("1.0")], [1]),
        ("records", [{"a": 1, "b": "X Y"}, {"a": 2, "b": "z"}], [{"a": "2", "b": "Z"}, {"a": "1.0", "b": "x-y"}]),
        ("records", [], []),
        ("exact", None, None),
    ],
)
def test_what_means_the_same_is_right(name: MetricName, expected: Any, actual: Any) -> None:
    assert score_field(metric(name), expected, actual)


def test_a_tolerance_is_inclusive() -> None:
    assert score_field(metric("number", "0.5"), 10, Decimal("10.5"))
    assert not score_field(metric("number", "0.5"), 10, Decimal("10.500001"))


def test_lists_of_records_count_what_agrees() -> None:
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert agreement(expected, [{"a": 2, "b": "y"}, {"a": 1, "b": "q"}], metric("records")) == Fraction(3, 4)
    assert agreement(expected, [{"a": 2, "b": "y"}], metric("records")) == Fraction(1, 2)


def test_the_assignment_is_the_best_of_all() -> None:
    chance = random.Random(5)
    for _ in range(60):
        rows, columns = chance.randint(1, 5), chance.randint(1, 5)
        shares = [[Fraction(chance.randint(0, 6), chance.randint(6, 7)) for _ in range(columns)] for _ in range(rows)]
        wide = shares if rows <= columns else [list(column) for column in zip(*shares, strict=True)]
        orders = itertools.permutations(range(len(wide[0])), len(wide))
        assert best_assignment(shares) == max(
            sum(row[at] for row, at in zip(wide, order, strict=True)) for order in orders
        )


def test_wilson_intervals_are_those_of_the_literature() -> None:
    assert wilson_interval(8, 10) == (0.4902, 0.9433)
    assert wilson_interval(0, 10) == (0.0, 0.2775)
    assert wilson_interval(10, 10) == (0.7225, 1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_nothing_counted_is_not_nought() -> None:
    score = score_cases([({"a": 1}, {"a": 1})], {"a": metric("exact"), "b": metric("exact")})
    assert score.fields["b"].rate is None
    assert score.mean == 1
    assert score_cases([], {"a": metric("exact")}).as_json()["mean"] is None


def test_a_failed_run_is_wrong_in_every_field() -> None:
    score = score_cases([({"a": 1, "b": None}, None)], {})
    assert {name: field.right for name, field in score.fields.items()} == {"a": 0, "b": 0}


def test_an_expected_null_demands_null_unless_it_means_that_nobody_labelled_it() -> None:
    pairs: list[Any] = [({"a": None}, {"a": "x"}), ({"a": None}, {"a": None}), ({}, {"a": "x"})]
    assert score_cases(pairs, {"a": metric("exact")}).fields["a"].n == 2
    assert score_cases(pairs, {"a": metric("exact")}).fields["a"].right == 1
    assert score_cases(pairs, {"a": metric("exact")}, null_is_label=False).fields["a"].n == 0


def test_the_json_of_a_score_is_what_the_command_prints() -> None:
    told = score_cases([({"a": 1}, {"a": 1}), ({"a": 1}, {"a": 2})], {"a": metric("exact")}).as_json()
    answers = {"answered": 2, "answered_right": 1, "accuracy_of_answers": 0.5, "stated": 2, "coverage": 1.0}
    field = {"right": 1, "n": 2, "low": 0.0945, "high": 0.9055}
    assert told == {"n": 2, "fields": {"a": field | answers}, "mean": 0.5, "answers": answers}


def test_what_is_not_answered_lowers_the_coverage_and_not_the_accuracy_of_answers() -> None:
    pairs: list[Any] = [({"a": 1}, {"a": 1}), ({"a": 1}, {"a": None}), ({"a": 1}, None), ({"a": None}, {"a": 2})]
    field = score_cases(pairs, {"a": metric("exact")}).fields["a"]
    assert (field.right, field.n) == (1, 4)
    assert (field.answered, field.answered_right) == (2, 1)
    assert (field.found, field.stated) == (1, 3)


def test_without_an_answer_neither_accuracy_nor_coverage_is_made_up() -> None:
    told = score_cases([({"a": None}, {"a": None})], {"a": metric("exact")}).as_json()["answers"]
    assert (told["accuracy_of_answers"], told["coverage"]) == (None, None)
