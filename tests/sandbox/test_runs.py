"""Whole runs in the sandbox: golden cases, and an engine's steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from compiled_ai.library.types import FieldType
from compiled_ai.sandbox import Advance, Call, Limits, Run, Sandbox

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass
from compiled_ai.library.context import Context

@dataclass(frozen=True, slots=True)
class Input:
    text: str

@dataclass(frozen=True, slots=True)
class Guess:
    colour: str

@dataclass(frozen=True, slots=True)
class Output:
    colour: str

async def run(ctx: Context, input: Input) -> Output:
    guess_result = await ctx.bounded("guess", {"text": input.text}, Guess)
    if guess_result.colour == "loop":
        while True: pass
    if guess_result.colour == "number":
        return Output(7)
    if guess_result.colour == "review":
        guess_result = await ctx.review("guess", guess_result, reason="always")
    return Output(guess_result.colour)
"""


def shape(class_name: str, name: str) -> dict[str, Any]:
    field = {"name": name, "identifier": name, "type": {"kind": "text"}}
    return {"kind": "object", "class_name": class_name, "fields": [field]}


PROGRAM = json.dumps(
    {
        "interface": 1,
        "workflow": "probe",
        "name": "probe",
        "template": "handler",
        "input": shape("Input", "text"),
        "output": shape("Output", "colour"),
        "steps": [
            {
                "name": "guess",
                "kind": "bounded",
                "class_name": "Guess",
                "result": shape("Guess", "colour"),
                "for_each": False,
                "on_failure": "fail",
                "line": 1,
                "prompt": "Guess.",
                "attempts": 1,
            }
        ],
        "sinks": {},
    }
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(Limits(call_seconds=0.4), preload=["compiled_ai.sandbox.runs"]) as opened:
        yield opened


def case(colour: str | None, **more: Any) -> dict[str, Any]:
    effects = {} if colour is None else {"guess": {"colour": colour}}
    return {"input": {"text": "x"}, "effects": effects, "reviews": {}, "approve": True} | more


def ends(box: Sandbox, *requests: Any) -> list[Any]:
    return [outcome.value or outcome.status for outcome in box.call_many(Run(source=SOURCE, program=PROGRAM), requests)]


def test_an_effect_that_is_not_supplied_is_named_and_not_made(box: Sandbox) -> None:
    assert ends(box, case(None)) == [{"end": "lacking", "step": "guess", "kind": "bounded", "problems": ""}]


def test_a_run_that_loops_costs_its_own_case_only(box: Sandbox) -> None:
    first, second, third = ends(box, case("red"), case("loop"), case("blue"))
    assert (first["output"], second, third["output"]) == ({"colour": "red"}, "limit", {"colour": "blue"})


def test_an_output_of_another_type_is_a_failed_run(box: Sandbox) -> None:
    (end,) = ends(box, case("number"))
    assert (end["end"], end["code"]) == ("failed", "output")


def test_an_input_that_does_not_fit_is_raised(box: Sandbox) -> None:
    (outcome,) = box.call_many(Run(source=SOURCE, program=PROGRAM), [case("red", input={"text": 7})])
    assert (outcome.status, outcome.error_type) == ("raised", "InputError")


def test_a_plain_review_is_approved_where_the_caller_says_so(box: Sandbox) -> None:
    done, lacking = ends(box, case("review"), case("review", approve=False))
    assert done == {"end": "done", "output": {"colour": "review"}, "approved": 1}
    assert (lacking["end"], lacking["kind"]) == ("lacking", "review")


def test_an_engine_steps_a_run_through_its_effects(box: Sandbox) -> None:
    job = Advance(source=SOURCE, program=PROGRAM)
    (first,) = box.call_many(job, [{"input": {"text": "x"}, "effects": []}])
    (request,) = first.value["requests"]
    payload = request.pop("payload")
    effect = {**request, "request": payload, "result": {"colour": "green"}}
    (last,) = box.call_many(job, [{"input": {"text": "x"}, "effects": [effect]}])
    assert last.value == {"end": "done", "output": {"colour": "green"}, "evidence": {}}


def test_a_request_of_a_step_that_is_not_declared_is_refused(box: Sandbox) -> None:
    check = Advance(source=SOURCE, program=PROGRAM).checker()
    told = {"step": "other", "kind": "call", "item": 0, "attempt": 0, "payload": {}}
    with pytest.raises(ValueError, match="no request of a declared step"):
        check({"end": "pending", "requests": [told]})
    with pytest.raises(ValueError, match="no end of a step"):
        check({"end": "pending", "requests": []})


LENT = """
from compiled_ai.library.phones import find_phones, parse_phone
from compiled_ai.library.textmatch import likeness
from compiled_ai.library.dates import *
from compiled_ai.library.money import *

def f(text):
    return [len(list(find_phones(text))), parse_phone("+41 44 668 18 00") is not None, likeness("abc", "abd") > 0]
"""


def test_what_the_library_imports_late_is_there() -> None:
    job = Call(source=LENT, function="f", parameters=[FieldType("text")], result=FieldType("json"))
    with Sandbox(preload=["phonenumbers:PhoneMetadata.load_all", "no_such_module"]) as opened:
        (outcome,) = opened.call_many(job, [["call 212-555-0123 or (415) 555-0100"]])
    assert outcome.status == "value", outcome
    assert outcome.value[1:] == [True, True]
