"""Accuracy: pools, thresholds, what is told of which, and answers hidden in code."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from compiled_ai.assemble import Assembled
from compiled_ai.plan import CompilePlan
from compiled_ai.pools import Pools
from compiled_ai.sandbox import Sandbox
from compiled_ai.validation.accuracy import accuracy, judge_sealed
from compiled_ai.validation.literals import golden_literals

from .conftest import GOOD, RULES, SPEC, VENDORS, assembled, case, pools, rules_of

Build = Callable[[str], Assembled]
BOUNDED = RULES.replace(
    '  - step: "decide"',
    '  - step: "guess"\n    type: "bounded_invocation"\n    schema: {colour: string}\n  - step: "decide"',
)


def test_a_wrong_shown_case_is_told_with_expected_and_actual(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = accuracy(build(GOOD.replace("weight * 2)", "weight * 3)")), plan.spec, plan.pools, box)
    assert result.status == "failed"
    assert 'Case \'shown-1\': cost is "3", expected "2".' in [finding.message for finding in result.findings]


def test_a_wrong_selection_case_is_told_as_a_count(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    only = Pools(selection=plan.pools.selection)
    result = accuracy(build(GOOD.replace(".strip()", "[:3]")), plan.spec, only, box)
    assert [finding.message for finding in result.findings] == [
        "vendor: 0 of 4 selection cases are right, at least 0.75 is asked."
    ]
    assert not any(vendor in str(result.findings) for vendor in VENDORS)


def test_nothing_of_a_shown_case_is_told_where_it_may_not_be(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = accuracy(build(GOOD.replace("weight * 2)", "weight * 3)")), plan.spec, plan.pools, box, tell=False)
    assert result.status == "failed"
    assert not any("expected" in finding.message for finding in result.findings)


def test_a_function_that_raises_has_no_decision(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = accuracy(build(GOOD.replace("weight * 2)", "weight / 0)")), plan.spec, plan.pools, box)
    assert result.status == "failed"
    assert "no decision" in result.findings[0].message
    assert any("DivisionByZero" in finding.message for finding in result.findings)


def test_a_field_that_the_case_does_not_name_is_not_counted(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    partial = replace(case(1), expected={"cost": "2"})
    result = accuracy(build(GOOD), plan.spec, Pools(selection=(partial,)), box)
    assert result.measures["score"]["fields"]["vendor"]["n"] == 0


def test_an_expected_null_demands_null(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    wrong = case(1, vendor=None)
    result = accuracy(build(GOOD), plan.spec, Pools(selection=(wrong,)), box)
    assert result.measures["score"]["fields"]["vendor"]["right"] == 0


def test_the_overall_mean_has_its_own_threshold(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    fields = {name: replace(metric, threshold=Decimal(0)) for name, metric in plan.spec.accuracy.fields.items()}
    spec = replace(plan.spec, accuracy=replace(plan.spec.accuracy, fields=fields, overall=Decimal("0.9")))
    result = accuracy(build(GOOD.replace(".strip()", "[:3]")), spec, Pools(selection=plan.pools.selection), box)
    assert result.status == "failed"
    assert "The mean over fields on the selection cases is 0.500" in result.findings[0].message


def test_the_sealed_pool_is_left_alone(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = accuracy(build(GOOD), plan.spec, plan.pools, box)
    assert result.status == "passed"
    assert set(result.measures) == {"shown", "selection", "score", "provisional"}
    assert result.measures["provisional"]


def test_the_sealed_pool_names_nothing_but_fields(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = judge_sealed(build(GOOD.replace(".strip()", "[:3]")), plan.spec, plan.pools, box)
    (finding,) = result.findings
    assert (result.status, finding.rule) == ("failed", "accuracy.sealed")
    assert finding.message == "On the sealed cases, vendor stay below what is asked."


def test_enough_sealed_cases_prove_the_threshold(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = judge_sealed(build(GOOD), plan.spec, pools(0, 0, 40), box, reads=3)
    assert result.status == "passed"
    assert result.measures["provisional"] is None
    assert result.measures["reads"] == 3


def test_few_sealed_cases_leave_it_provisional(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = judge_sealed(build(GOOD), plan.spec, pools(0, 0, 5), box)
    assert result.status == "passed"
    assert "vendor: 5 of 5 sealed cases right proves 0.566, 0.75 is asked" in result.measures["provisional"]


def test_no_sealed_case_leaves_it_provisional(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    assert judge_sealed(build(GOOD), plan.spec, Pools(), box).measures["provisional"] == "there are no sealed cases"


def test_an_effect_that_is_not_supplied_is_an_error(plan_of: Callable[[str], CompilePlan], box: Sandbox) -> None:
    plan = plan_of(BOUNDED)
    lacking = replace(case(1), input={"weight": 3}, expected={"outcome": "LIGHT"})
    result = accuracy(assembled(plan, {}), plan.spec, Pools(sealed=(lacking,)), box)
    assert result.status == "error"
    assert "step 'guess' asks for its bounded effect, which the case does not supply" in result.findings[0].message


def test_an_effect_that_is_supplied_is_used(plan_of: Callable[[str], CompilePlan], box: Sandbox) -> None:
    plan = plan_of(BOUNDED)
    given = replace(case(1), input={"weight": 3}, expected={"outcome": "LIGHT"}, effects={"guess": {"colour": "red"}})
    assert accuracy(assembled(plan, {}), plan.spec, Pools(sealed=(given,)), box).status == "passed"


def test_rules_alone_must_be_right_in_every_case(plan_of: Callable[[str], CompilePlan], box: Sandbox) -> None:
    plan = plan_of(RULES)
    right = replace(case(1), input={"weight": 3}, expected={"outcome": "LIGHT"})
    wrong = replace(case(2), input={"weight": 30}, expected={"outcome": "LIGHT"})
    result = accuracy(assembled(plan, {}), plan.spec, Pools(selection=(right,) * 99, sealed=(wrong,)), box)
    assert result.status == "failed"
    assert 'outcome is "HEAVY", expected "LIGHT"' in result.findings[0].message


def test_no_case_at_all_is_passed_and_provisional(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    result = accuracy(build(GOOD), plan.spec, Pools(), box)
    assert result.status == "passed"
    assert result.measures["score"]["mean"] is None


HIDDEN = {
    "plain": '"Borgward & Sons"',
    "lower case": '"borgward & sons"',
    "without separators": '"borgwardsons"',
    "within a longer text": '"if it is Borgward & Sons then"',
    "split": '"Borg" + "ward & " + "Sons"',
    "joined": '"".join(["Borg", "ward", " & Sons"])',
    "split over variables": '("Borgward"), (" & So"), ("ns")',
    "reversed": '"snoS & drawgroB"',
    "hexadecimal": repr(b"Borgward & Sons".hex()),
    "base 64": repr(base64.b64encode(b"Borgward & Sons").decode()),
    "bytes": 'b"Borgward & Sons"',
    "characters": repr([ord(letter) for letter in "Borgward & Sons"]),
    "an f-string": "f\"Borg{'ward & '}Sons\"",
    "rot13": '"Obetjneq & Fbaf"',
    "a digest": repr(hashlib.sha256(b"borgward & sons").hexdigest()),
}


@pytest.mark.parametrize("literal", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_golden_value_in_the_code_is_refused_without_saying_which(plan: CompilePlan, literal: str) -> None:
    source = f"def read_letter(letter, weight):\n    found = {literal}\n    return ReadLetter(found, weight)\n"
    outputs = [output.field for output in plan.spec.outputs]
    (finding,) = golden_literals(source, plan.pools.sealed[:4], outputs, "greeting", step="read_letter")
    assert (finding.rule, finding.line) == ("accuracy.golden_literal", 2)
    assert "Borgward" not in finding.message and "sealed" not in finding.message


def test_a_list_of_answers_fails_the_stage(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    body = GOOD.replace(
        "    if found:",
        '    for name in ("Celestial Foods", "Dunmore Press"):\n        if name in letter:\n'
        "            return ReadLetter(name, weight * 2)\n    if found:",
    )
    few = replace(plan.pools, sealed=plan.pools.sealed[:4])
    result = accuracy(build(body), plan.spec, few, box)
    assert (result.status, set(rules_of(result.findings))) == ("failed", {"accuracy.golden_literal"})


@pytest.mark.parametrize(
    ("literal", "named"),
    [
        ('"From:"', ""),
        ('"Springfield"', "Springfield is a town."),
        ('"Acme Tools Ltd"', "our own company, Acme Tools Ltd, is no vendor"),
        ("100", ""),
        ('"Ltd"', ""),
    ],
)
def test_words_of_the_domain_are_no_answers(plan: CompilePlan, literal: str, named: str) -> None:
    source = f"def read_letter(letter, weight):\n    return ReadLetter({literal}, weight)\n"
    outputs = [output.field for output in plan.spec.outputs]
    cases = [case(number, vendor="Springfield" if number == 9 else VENDORS[number % 4]) for number in range(10)]
    assert golden_literals(source, cases[8:] + cases[:1] if "Acme" in literal else cases, outputs, named) == ()


def test_a_value_that_many_cases_share_is_knowledge(plan: CompilePlan) -> None:
    source = 'def read_letter(letter, weight):\n    return ReadLetter("Acme Tools Ltd", weight)\n'
    outputs = [output.field for output in plan.spec.outputs]
    assert golden_literals(source, plan.pools.sealed, outputs, "") == ()
    assert golden_literals(source, plan.pools.sealed[:4], outputs, "") != ()


def test_what_the_description_of_a_field_within_a_field_names_is_no_answer(
    plan_of: Callable[[str], CompilePlan], box: Sandbox
) -> None:
    nested = """vendor:
        type: object
        optional: true
        fields:
          name: {type: string, description: "%s"}"""
    body = "def read_letter(letter, weight):\n    return ReadLetter(ReadLetterVendor('Acme Tools Ltd'), weight * 2)\n"
    told = {}
    for description in ("Acme Tools Ltd, or another shop.", "A shop."):
        plan = plan_of(SPEC.replace("vendor: string?", nested % description).replace("metric: text", "metric: exact"))
        answer = replace(case(1), expected={"vendor": {"name": "Acme Tools Ltd"}, "cost": "2"})
        result = accuracy(assembled(plan, {"read_letter": body}), plan.spec, Pools(selection=(answer,)), box)
        told[description] = "accuracy.golden_literal" in rules_of(result.findings)
    assert list(told.values()) == [False, True]
