"""The stepper alone, with a test driver that answers as unhelpfully as it can."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import ArtifactRefused, InputError
from compiled_ai.records import Effect
from compiled_ai.runtime.stepper import (
    Done,
    EffectRequest,
    Failed,
    Pending,
    Program,
    Recorded,
    Stepping,
    advance,
    answer,
    load_program,
)

FIXTURES = Path(__file__).parent / "fixtures"
Programs = Callable[[str], Program]
Chart = dict[str, Any]
CHART_TEXT = {"patient_chart_summary": "62 year old, BMI 27.5"}
EXTRACT = "extract_clinical_factors"


def decide(action: str, value: Any = None) -> dict[str, Any]:
    at = "2026-11-21T00:00:00Z"
    return {"action": action, "by": "Dr. Grey", "reason": "read the chart", "value": value, "at": at}


def drive(program: Program, given: Any, reply: Callable[[EffectRequest], Any]) -> tuple[Done | Failed, Stepping]:
    stepping = Stepping(program, given)
    while isinstance(outcome := stepping.advance(), Pending):
        for request in outcome.requests:
            stepping.record(answer(request, reply(request)))
    return outcome, stepping


def ask_once(program: Program, given: Any) -> EffectRequest:
    outcome = advance(program, given, ())
    assert isinstance(outcome, Pending)
    return outcome.requests[0]


@pytest.mark.parametrize("silent", ["has_t2d_diagnosis", "current_a1c", "bmi", "has_step_therapy_failure"])
@pytest.mark.parametrize("word", [None, "unknown", "Unknown "])
def test_a_chart_silent_on_a_field_goes_to_review_and_never_ends_in_a_denial(
    program: Programs, chart: Chart, silent: str, word: str | None
) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    outcome = advance(glp1, CHART_TEXT, [answer(first, {**chart, silent: word})])
    assert isinstance(outcome, Pending)
    (review,) = outcome.requests
    assert (review.kind, review.step) == ("review", EXTRACT)
    assert "HIPAA" in review.payload["reason"]
    assert review.payload["problems"] == [f"{silent}: unknown, and it is required"]
    assert review.payload["proposed"] == {**chart, silent: None}
    for action in ("approve", "correct"):
        done = advance(glp1, CHART_TEXT, [answer(first, {**chart, silent: word}), answer(review, decide(action))])
        assert isinstance(done, Failed)
        assert done.code == "decision"


def test_a_denial_waits_for_a_person_even_if_the_chart_is_complete(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    waiting = advance(glp1, CHART_TEXT, [answer(first, chart)])
    assert isinstance(waiting, Pending)
    (review,) = waiting.requests
    assert review.payload["proposed"] == {"outcome": "DENY", "reason": "no earlier condition applied"}
    approved = advance(glp1, CHART_TEXT, [answer(first, chart), answer(review, decide("approve"))])
    assert isinstance(approved, Done)
    assert approved.output["outcome"] == "DENY"
    value = {"outcome": "APPROVE", "reason": "exception granted"}
    corrected = advance(glp1, CHART_TEXT, [answer(first, chart), answer(review, decide("correct", value))])
    assert isinstance(corrected, Done)
    assert corrected.output == value
    rejected = advance(glp1, CHART_TEXT, [answer(first, chart), answer(review, decide("reject"))])
    assert isinstance(rejected, Failed)
    assert rejected.code == "rejected"
    assert "Dr. Grey" in rejected.error and "read the chart" in rejected.error


@pytest.mark.parametrize(
    "value",
    [
        {"outcome": "MAYBE", "reason": "x"},
        {"outcome": "APPROVE"},
        {"outcome": "APPROVE", "reason": "x", "y": 1},
        "APPROVE",
    ],
)
def test_a_correction_that_breaks_the_schema_cannot_stand(program: Programs, chart: Chart, value: Any) -> None:
    outcome, _ = drive(
        program("glp1"), CHART_TEXT, lambda request: chart if request.kind == "bounded" else decide("correct", value)
    )
    assert isinstance(outcome, Failed)
    assert outcome.code == "decision"


def test_a_correction_that_breaks_a_validation_rule_cannot_stand(program: Programs, chart: Chart) -> None:
    bad = {**chart, "bmi": 275.0}
    outcome, _ = drive(
        program("glp1"), CHART_TEXT, lambda request: bad if request.kind == "bounded" else decide("correct", bad)
    )
    assert isinstance(outcome, Failed)
    assert outcome.problems == ("bmi > 10 AND bmi < 100",)


@pytest.mark.parametrize(
    "decision", [{}, {"action": "approve"}, decide("perhaps"), {**decide("approve"), "by": " "}, 7]
)
def test_an_unknown_decision_refuses(program: Programs, chart: Chart, decision: Any) -> None:
    outcome, _ = drive(program("glp1"), CHART_TEXT, lambda request: chart if request.kind == "bounded" else decision)
    assert isinstance(outcome, Failed)
    assert outcome.code == "decision"


def test_a_reply_that_breaks_the_rules_is_asked_again_with_the_reason(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    outcome = advance(glp1, CHART_TEXT, [answer(first, {**chart, "bmi": 275.0})])
    assert isinstance(outcome, Pending)
    (second,) = outcome.requests
    assert (second.kind, second.attempt) == ("bounded", 1)
    assert second.payload["feedback"] == ["bmi > 10 AND bmi < 100"]
    assert second.payload["inputs"] == CHART_TEXT


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ({"bmi": "27.5"}, "bmi: expected float, got text '27.5'"),
        ({"has_t2d_diagnosis": "yes"}, "has_t2d_diagnosis: expected boolean, got text 'yes'"),
        ({"weight": 80}, "weight: unknown field."),
        ("the patient is well", "the reply is no JSON object but text"),
    ],
)
def test_a_reply_of_another_type_is_never_coerced(program: Programs, chart: Chart, reply: Any, problem: str) -> None:
    glp1 = program("glp1")
    given = {**chart, **reply} if isinstance(reply, dict) else reply
    outcome = advance(glp1, CHART_TEXT, [answer(ask_once(glp1, CHART_TEXT), given)])
    assert isinstance(outcome, Pending)
    assert outcome.requests[0].kind == "bounded"
    assert outcome.requests[0].payload["feedback"][0].startswith(problem)


def test_a_field_left_out_is_no_answer(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    del chart["bmi"]
    outcome = advance(glp1, CHART_TEXT, [answer(ask_once(glp1, CHART_TEXT), chart)])
    assert isinstance(outcome, Pending)
    assert outcome.requests[0].payload["feedback"] == ["bmi: left out of the reply; answer null if it is not stated"]


def test_attempts_are_bounded_and_a_call_that_fails_counts_as_one(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    failed = Recorded(first.step, "bounded", state="failed", request=first.payload, error="timed out")
    second = advance(glp1, CHART_TEXT, [failed])
    assert isinstance(second, Pending)
    third = advance(glp1, CHART_TEXT, [failed, answer(second.requests[0], "nonsense")])
    assert isinstance(third, Pending)
    assert third.requests[0].kind == "review"


def test_a_call_in_doubt_goes_to_review(program: Programs, chart: Chart) -> None:
    lines = program("lines")
    given = {"claim_id": "c", "notes": ["a"]}
    first = ask_once(lines, given)
    doubt = Recorded(first.step, first.kind, state="in_doubt", request=first.payload, error="the process ended")
    outcome = advance(lines, given, [doubt])
    assert isinstance(outcome, Pending)
    assert outcome.requests[0].kind == "review"
    assert "not known whether" in outcome.requests[0].payload["problems"][0]


def test_a_step_that_may_fail_fails_the_run_and_says_why(program: Programs) -> None:
    outcome, _ = drive(program("lines"), {"claim_id": "c", "notes": ["a"]}, lambda _: {"amount": -1})
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.step, outcome.problems) == ("step_failed", "read_line", ("amount >= 0",))


def test_an_item_that_fails_does_not_depend_on_who_answered_first(program: Programs) -> None:
    lines = program("lines")
    given = {"claim_id": "c", "notes": ["good", "bad", "worse"]}
    replies = {"good": {"amount": 1}, "bad": {"amount": None}, "worse": {"amount": None}}
    ends = set()
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        stepping = Stepping(lines, given)
        pending = stepping.advance()
        assert isinstance(pending, Pending)
        for index in order:
            request = pending.requests[index]
            stepping.record(answer(request, replies[request.payload["inputs"]["note"]]))
            outcome = stepping.advance()
        assert isinstance(outcome, Failed)
        ends.add((outcome.error, len(stepping.effects)))
    assert len(ends) == 1


def reply_to_line(request: EffectRequest) -> Any:
    """Answers wrongly at first where the note says so."""
    if request.kind == "today":
        return "2026-11-21"
    if request.kind == "id":
        return "id-1"
    note = request.payload["inputs"]["note"]
    if "twice" in note and request.attempt == 0:
        return {"amount": "no idea"}
    return {"amount": Decimal(len(note))}


def record_of(stepping: Stepping, outcome: Done | Failed) -> str:
    effects = [[*effect.key, effect.request, effect.result] for effect in stepping.effects]
    end = outcome.output if isinstance(outcome, Done) else outcome.error
    return canonical_json([effects, end])


NOTES = {"claim_id": "c-1", "notes": ["a", "bb twice", "ccc", "dddd twice", "e"]}


def test_all_items_of_a_list_are_asked_for_at_once(program: Programs) -> None:
    outcome = advance(program("lines"), NOTES, ())
    assert isinstance(outcome, Pending)
    assert [request.item for request in outcome.requests] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(6))
def test_a_driver_that_answers_out_of_order_gets_the_same_record(program: Programs, seed: int) -> None:
    lines = program("lines")
    outcome, stepping = drive(lines, NOTES, reply_to_line)
    expected = record_of(stepping, outcome)
    chance = random.Random(seed)
    stepping = Stepping(lines, NOTES)
    while isinstance(shuffled := stepping.advance(), Pending):
        request = chance.choice(shuffled.requests)
        stepping.record(answer(request, reply_to_line(request)))
    assert isinstance(outcome, Done)
    assert record_of(stepping, shuffled) == expected


def test_a_driver_in_other_processes_gets_the_same_record(program: Programs, tmp_path: Path) -> None:
    lines = program("lines")
    outcome, stepping = drive(lines, NOTES, reply_to_line)
    state = tmp_path / "effects.pickle"
    state.write_bytes(pickle.dumps([]))
    one_step = """
import pickle, sys
from pathlib import Path
from compiled_ai.runtime.stepper import Pending, answer, load_program, Stepping
sys.path.insert(0, sys.argv[1])
from test_stepper import NOTES, record_of, reply_to_line
state = Path(sys.argv[3])
effects = pickle.loads(state.read_bytes())
stepping = Stepping(load_program(Path(sys.argv[2])), NOTES, effects)
outcome = stepping.advance()
if isinstance(outcome, Pending):
    request = outcome.requests[-1]
    state.write_bytes(pickle.dumps([*effects, answer(request, reply_to_line(request))]))
else:
    print(record_of(stepping, outcome))
"""
    for _ in range(12):
        argv = [sys.executable, "-c", one_step, str(Path(__file__).parent), str(FIXTURES / "lines"), str(state)]
        ended = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
        if ended.stdout:
            break
    assert isinstance(outcome, Done)
    assert ended.stdout.rstrip("\n") == record_of(stepping, outcome)


def test_a_replay_gives_the_same_output_also_from_stored_records(program: Programs) -> None:
    lines = program("lines")
    outcome, stepping = drive(lines, NOTES, reply_to_line)
    stored = [
        Effect.model_validate(
            parse_json(canonical_json(Effect(**{name: getattr(effect, name) for name in names}).model_dump()))
        )
        for effect in stepping.effects
        if (names := ("step", "kind", "item", "attempt", "request", "result"))
    ]
    assert isinstance(outcome, Done)
    replayed = advance(lines, NOTES, stored)
    assert isinstance(replayed, Done)
    assert canonical_json(replayed.output) == canonical_json(outcome.output)


def test_the_first_result_of_an_effect_wins_and_an_intention_is_none(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    stepping = Stepping(glp1, CHART_TEXT)
    stepping.record(Recorded(first.step, "bounded", state="intended", request=first.payload))
    assert isinstance(stepping.advance(), Pending)
    stepping.record(answer(first, {**chart, "has_t2d_diagnosis": True}))
    stepping.record(answer(first, chart))
    outcome = stepping.advance()
    assert isinstance(outcome, Done)
    assert outcome.output["outcome"] == "APPROVE"


def test_an_effect_that_was_asked_otherwise_is_a_divergence(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    outcome = advance(glp1, {"patient_chart_summary": "another patient"}, [answer(first, chart)])
    assert isinstance(outcome, Failed)
    assert outcome.code == "diverged"
    assert outcome.step == EXTRACT


def test_effects_that_nobody_asked_for_are_named(program: Programs, chart: Chart) -> None:
    glp1 = program("glp1")
    first = ask_once(glp1, CHART_TEXT)
    extra = Recorded("evaluate_coverage", "review", request={}, result=decide("approve"))
    stepping = Stepping(glp1, CHART_TEXT, [answer(first, {**chart, "has_t2d_diagnosis": True}), extra])
    assert isinstance(stepping.advance(), Done)
    assert stepping.unused == (extra,)


def test_results_enter_only_as_canonical_json(program: Programs) -> None:
    outcome, _ = drive(
        program("lines"),
        {"claim_id": "c", "notes": ["a"]},
        lambda request: {"amount": 0.1} if request.kind == "bounded" else reply_to_line(request),
    )
    assert isinstance(outcome, Done)
    assert outcome.output["amounts"] == [Decimal("0.1")]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), Decimal("NaN")])
def test_a_result_that_is_no_json_is_refused_before_it_enters(program: Programs, amount: Any) -> None:
    lines = program("lines")
    stepping = Stepping(lines, {"claim_id": "c", "notes": ["a"]})
    pending = stepping.advance()
    assert isinstance(pending, Pending)
    with pytest.raises(InputError, match="not a number that can be stored"):
        stepping.record(answer(pending.requests[0], {"amount": amount}))
    stepping.close()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "patient_chart_summary"),
        ({"patient_chart_summary": 7}, "patient_chart_summary"),
        ({"patient_chart_summary": "x", "patient_chart_sumary": "y"}, "patient_chart_sumary"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_its_path(program: Programs, given: Any, path: str) -> None:
    with pytest.raises(InputError) as caught:
        advance(program("glp1"), given, ())
    assert [fault["path"] for fault in caught.value.details] == [path]


def test_an_input_that_is_no_object_is_refused(program: Programs) -> None:
    with pytest.raises(InputError, match="must be a JSON object, not list"):
        advance(program("glp1"), [1], ())


def test_a_function_that_raises_applies_the_failure_policy_of_its_step(program: Programs) -> None:
    outcome = advance(program("extract"), {"document": "nothing here", "limit": None}, ())
    assert isinstance(outcome, Failed)
    assert (outcome.step, outcome.problems) == ("judge", ("no branch applies",))


def test_what_the_machine_lacks_never_becomes_a_decision(program: Programs) -> None:
    deep = advance(program("extract"), {"document": "Total: 4 DEEP", "limit": None}, ())
    assert isinstance(deep, Failed)
    assert (deep.step, deep.code) == ("find_total", "crashed")


def test_an_extracted_value_brings_the_place_it_came_from(program: Programs) -> None:
    outcome = advance(program("extract"), {"document": "Invoice\nTotal: 12.50", "limit": None}, ())
    assert isinstance(outcome, Done)
    assert outcome.output == {"total": "12.50", "verdict": "PAY"}
    assert set(outcome.evidence) == {"total"}
    assert (outcome.evidence["total"][0]["start"], outcome.evidence["total"][0]["end"]) == (15, 20)


def changed(name: str, old: str, new: str) -> Program:
    files = {file: (FIXTURES / name / file).read_text() for file in ("workflow.py", "program.json")}
    assert old in files["workflow.py"]
    return load_program({**files, "workflow.py": files["workflow.py"].replace(old, new)})


def test_a_function_of_the_wrong_type_gives_no_result() -> None:
    wrong = changed("extract", "FindTotal(LocatedDecimal.of(Decimal(match[1]), place))", "FindTotal([match[1]])")
    outcome = advance(wrong, {"document": "Total: 12.50", "limit": None}, ())
    assert isinstance(outcome, Failed)
    assert (outcome.step, outcome.problems) == ("judge", ("no branch applies",))


def test_a_fault_outside_of_the_functions_is_a_crash_with_its_line() -> None:
    wrong = changed("extract", "        judge_result.verdict,\n", "        judge_result.verdict[99],\n")
    outcome = advance(wrong, {"document": "Total: 12.50 of Jane Doe", "limit": None}, ())
    assert isinstance(outcome, Failed)
    assert outcome.code == "crashed"
    assert outcome.line is not None
    assert "Jane" not in outcome.masked and str(outcome.line) in outcome.masked


def test_an_output_that_breaks_its_type_is_no_decision() -> None:
    wrong = changed("extract", "        judge_result.verdict,\n", "        7,  # type: ignore\n")
    outcome = advance(wrong, {"document": "Total: 12.50", "limit": None}, ())
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.problems) == ("output", ("verdict: expected string, got number 7",))


def test_numbers_are_computed_in_the_pinned_context() -> None:
    third = changed("extract", "total > limit", "total / 3 > limit")
    given = {"document": "Total: 1", "limit": Decimal("0.3333333333333333333333333333333332")}
    outcome = advance(third, given, ())
    assert isinstance(outcome, Done)
    assert outcome.output["verdict"] == "HOLD"


def test_an_artifact_for_another_interface_is_refused() -> None:
    files = {file: (FIXTURES / "glp1" / file).read_text() for file in ("workflow.py", "program.json")}
    described = json.loads(files["program.json"]) | {"interface": 2}
    with pytest.raises(ArtifactRefused, match="made for interface 2, this library has 1"):
        load_program({**files, "program.json": json.dumps(described)})


@pytest.mark.parametrize("source", ["", "def run(:", "import os", "class Input: ..."])
def test_a_module_that_does_not_fit_is_refused(source: str) -> None:
    text = (FIXTURES / "glp1" / "program.json").read_text()
    with pytest.raises(ArtifactRefused, match="do not fit each other"):
        load_program({"workflow.py": source, "program.json": text})


def test_two_versions_run_in_one_process(program: Programs) -> None:
    other = changed("extract", 'Judge("PAY")', 'Judge("HOLD")')
    given = {"document": "Total: 12.50", "limit": None}
    first, second = advance(program("extract"), given, ()), advance(other, given, ())
    assert isinstance(first, Done) and isinstance(second, Done)
    assert (first.output["verdict"], second.output["verdict"]) == ("PAY", "HOLD")
