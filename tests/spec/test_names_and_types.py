"""Identifiers and class names: legible, unique, and never a name that the artifact uses."""

from __future__ import annotations

import pytest

from compiled_ai.library import rules
from compiled_ai.library.types import FieldType
from compiled_ai.spec.loader import load_spec_text
from compiled_ai.spec.names import Names, slug
from compiled_ai.spec.outputs import is_denial, metrics_of


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("bmi", "bmi"),
        ("Member ID", "member_id"),
        ("memberId", "member_id"),
        ("class", "class_"),
        ("import", "import_"),
        ("date", "date_"),
        ("id", "id_"),
        ("list", "list_"),
        ("run", "run_"),
        ("ctx", "ctx_"),
        ("input", "input_"),
        ("match", "match_"),
        ("größe", "grosse"),
        ("__dunder__", "dunder"),
        ("3rd line", "field_3rd_line"),
        ("日付", "field"),
        ("a-b/c", "a_b_c"),
    ],
)
def test_a_name_gets_a_legible_identifier(name: str, identifier: str) -> None:
    assert Names().identifier(name) == identifier


def test_two_names_never_share_an_identifier() -> None:
    names = Names()
    given = ["member id", "memberId", "Member-ID", "日付", "時間", "class", "class_"]
    made = [names.identifier(name) for name in given]
    assert made == ["member_id", "member_id_2", "member_id_3", "field", "field_2", "class_", "class_2"]


def test_a_step_and_a_parameter_never_hide_what_a_rule_calls() -> None:
    text = """
inputs: {total: money, count: integer}
steps:
  - {step: total_, type: deterministic_rule, logic: IF total > 1 AND count > 1 THEN OK ELSE NO}
  - {step: contains, type: deterministic_rule, logic: IF total > 2 THEN OK ELSE NO}
"""
    spec = load_spec_text(text)
    used = {step.identifier for step in spec.steps} | {one.identifier for step in spec.steps for one in step.parameters}
    assert not used & set(rules.__all__)


def test_the_check_of_one_step_is_not_another_step() -> None:
    text = """
inputs: {a: integer}
steps:
  - {step: check_age, type: deterministic_rule, logic: IF a > 1 THEN OK ELSE NO}
  - {step: age, type: deterministic_rule, logic: IF a > 2 THEN OK ELSE NO}
"""
    identifiers = [step.identifier for step in load_spec_text(text).steps]
    assert "check_age" not in identifiers and "age" in identifiers


def test_class_names_are_unique_across_inputs_and_steps() -> None:
    text = """
inputs: {lines: [{code: string}]}
steps:
  - {step: input, type: function, description: Count., schema: {lines: [{code: string}]}}
  - {step: output, type: function, description: Count., schema: {n: integer}}
  - {step: decimal, type: function, description: Count., schema: {n: integer}}
"""
    spec = load_spec_text(text)
    assert [step.class_name for step in spec.steps] == ["InputStep", "OutputStep", "DecimalStep"]
    inner = [field.type.items.class_name for field in (spec.inputs[0], spec.steps[0].result[0]) if field.type.items]
    assert inner == ["InputLines", "InputStepLines"]


def test_fields_of_two_steps_with_one_name_become_two_parameters() -> None:
    text = """
inputs: {a: text}
steps:
  - {step: one, type: function, description: Count., schema: {score: integer}}
  - {step: two, type: function, description: Count., schema: {score: integer}}
  - {step: both, type: deterministic_rule, logic: IF one.score > two.score THEN FIRST ELSE SECOND}
"""
    both = load_spec_text(text).steps[-1]
    assert [one.identifier for one in both.parameters] == ["one_score", "two_score"]


@pytest.mark.parametrize(
    ("name", "expected"), [("GLP-1 Review", "glp_1_review"), ("Äpfel & Co.", "apfel_co"), ("日本", "workflow")]
)
def test_a_slug_is_lower_case_with_underscores(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "word", ["DENY", "Denied", "DENIAL", "REJECT", "rejected", "DECLINED", "NOT_COVERED", "not covered", "AUTO_DENY"]
)
def test_a_word_that_refuses_is_a_denial(word: str) -> None:
    assert is_denial(word)


@pytest.mark.parametrize("word", ["APPROVE", "PEND", "COVERED", "DENYSE", "REVIEW", "IDENTITY"])
def test_a_word_that_does_not_refuse_is_no_denial(word: str) -> None:
    assert not is_denial(word)


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        (FieldType("text"), "text"),
        (FieldType("string"), "text"),
        (FieldType("string", enum=("a",)), "exact"),
        (FieldType("string", pattern="[0-9]+"), "exact"),
        (FieldType("integer"), "number"),
        (FieldType("decimal"), "number"),
        (FieldType("float"), "number"),
        (FieldType("money"), "money"),
        (FieldType("boolean"), "exact"),
        (FieldType("date"), "date"),
        (FieldType("list", items=FieldType("string")), "set"),
        (FieldType("list", items=FieldType("object")), "records"),
        (FieldType("days_time_duration"), "exact"),
    ],
)
def test_the_metric_of_a_type(kind: FieldType, metric: str) -> None:
    assert metrics_of(kind)[0] == metric
