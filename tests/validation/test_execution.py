"""Execution: what a candidate must not do on any input, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiled_ai.assemble import Assembled
from compiled_ai.plan import CompilePlan
from compiled_ai.pools import Pools
from compiled_ai.records import StageResult
from compiled_ai.sandbox import Limits, Outcome, Sandbox
from compiled_ai.validation.execution import Memory, execution

from .conftest import GOOD, RULES, assembled, case, pools

Build = Callable[[str], Assembled]


@pytest.fixture
def run(plan: CompilePlan, build: Build, box: Sandbox) -> Callable[[str], StageResult]:
    return lambda body: execution(build(body), plan.spec, plan.pools, box, count=300)


def function(*lines: str, top: str = "") -> str:
    body = "\n".join(f"    {line}" for line in lines)
    head = "from decimal import Decimal\nimport re\nfrom datetime import date, datetime\n"
    return f"{head}{top}\ndef read_letter(letter: str, weight: Decimal) -> ReadLetter:\n{body}\n"


Run = Callable[[str], StageResult]


def test_an_undeclared_exception_fails_with_its_own_line_and_the_shortest_input(run: Run) -> None:
    result = run(function('if letter == "":', '    raise KeyError("x")', "return ReadLetter(None, weight)"))
    assert result.status == "failed"
    (finding,) = result.findings
    assert (finding.rule, finding.line, finding.step) == ("execution.raised", 3, "read_letter")
    assert finding.message.startswith("Raises KeyError: 'x' on ")
    assert 'letter=""' in finding.message


def test_different_faults_are_all_told_at_once(run: Run) -> None:
    body = function(
        'if letter == "":',
        "    return int(letter)",
        "if weight < 0:",
        "    return [][1]",
        "return ReadLetter(None, weight)",
    )
    result = run(body)
    assert [finding.line for finding in result.findings] == [3, 5]


def test_a_result_of_another_type_fails(run: Run) -> None:
    result = run(function("return (letter, weight)"))
    assert result.status == "failed"
    assert "returned tuple, expected ReadLetter" in result.findings[0].message


def test_a_field_of_another_type_fails(run: Run) -> None:
    result = run(function("return ReadLetter(7, weight)"))
    assert "vendor" in result.findings[0].message


def test_an_endless_loop_fails(run: Run) -> None:
    result = run(function('while letter == "a":', "    pass", "return ReadLetter(None, weight)"))
    assert (result.status, result.findings[0].rule) == ("failed", "execution.limit")
    assert 'letter="a"' in result.findings[0].message


def test_too_much_memory_fails(run: Run) -> None:
    result = run(function("x = letter * 10**9", "return ReadLetter(x[:1], weight)"))
    assert (result.status, result.findings[0].rule) == ("failed", "execution.limit")


class Unfenced(Sandbox):
    """Lets code reach behind its objects, which the loader refuses otherwise."""

    def stream(self, job: Any, *arguments: Any, **named: Any) -> Iterator[Outcome]:
        return super().stream(replace(job, fenced=False), *arguments, **named)


def test_a_process_that_ends_fails(plan: CompilePlan, build: Build) -> None:
    body = function(
        "for kind in ().__class__.__base__.__subclasses__():",
        '    if kind.__name__ == "_wrap_close":',
        '        kind.__init__.__globals__["_exit"](0)',
        "return ReadLetter(None, weight)",
    )
    with Unfenced() as opened:
        result = execution(build(body), plan.spec, plan.pools, opened, count=100)
    assert (result.status, result.findings[0].rule) == ("failed", "execution.missing")


def test_waiting_for_ever_is_an_error_and_not_a_failure(plan: CompilePlan, build: Build) -> None:
    body = function(
        "for kind in ().__class__.__base__.__subclasses__():",
        '    if kind.__name__ == "_wrap_close":',
        "        while True:",
        '            kind.__init__.__globals__["read"](3, 1000000)',
        "return ReadLetter(None, weight)",
    )
    with Unfenced(Limits(wall_seconds=1)) as impatient:
        result = execution(build(body), plan.spec, plan.pools, impatient, count=100)
    assert (result.status, result.findings[0].rule) == ("error", "execution.overrun")


@pytest.mark.parametrize(
    "value",
    [
        "str(date.today())",
        "str(datetime.now().astimezone().utcoffset())",
        '" ".join({"a", "b", "c", "d", "e"})',
        "str(hash(letter))",
    ],
    ids=["clock", "time zone", "set order", "hash"],
)
def test_what_depends_on_circumstances_fails(run: Run, value: str) -> None:
    result = run(function(f"return ReadLetter({value}, weight)"))
    assert (result.status, result.findings[0].rule) == ("failed", "execution.unstable")


def test_what_depends_on_earlier_calls_fails(run: Run) -> None:
    body = function("seen.append(1)", "return ReadLetter(str(len(seen)), weight)")
    result = run(body.replace("weight: Decimal)", "weight: Decimal, seen: list[int] = [])"))
    assert (result.status, result.findings[0].rule) == ("failed", "execution.unstable")


def test_a_selection_input_is_not_told(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    secret = case(1, prefix="selection")
    only = Pools(selection=(replace(secret, input={"letter": "From: Secretive Inc", "weight": 1}),))
    body = function('if "Secretive" in letter:', "    raise ValueError(letter)", "return ReadLetter(None, weight)")
    result = execution(build(body), plan.spec, only, box, count=50)
    assert result.status == "failed"
    assert "Secretive" not in str(result.findings)
    assert result.findings[0].message == "Raises ValueError on 1 golden input."


def test_nothing_is_told_where_nothing_may_be_shown(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    body = function('if "Acme" in letter:', "    raise ValueError(letter)", "return ReadLetter(None, weight)")
    result = execution(build(body), plan.spec, pools(4, 0, 0), box, count=50, tell=False)
    assert "Tools" not in str(result.findings)


def test_a_good_candidate_passes_with_figures(run: Run) -> None:
    result = run(GOOD)
    assert result.status == "passed"
    assert result.findings == ()
    measures = result.measures["read_letter"]
    assert (measures["inputs"], measures["fixtures"], measures["answered"]) == (300, 6, 306)
    assert measures["branches"]["taken"] == measures["branches"]["of"] == 2
    assert measures["repeated"]["inputs"] == 100


def test_numbers_beyond_all_range_are_declared(run: Run) -> None:
    lines = ["from_text = float(weight)", "big = weight ** 9999", "return ReadLetter(None, weight)"]
    assert run(function(*lines)).measures["read_letter"]["declared_errors"] > 0


def test_branches_that_no_input_reaches_are_reported(run: Run) -> None:
    body = function(
        'if letter == "no input is like this":',
        "    return ReadLetter(None, weight)",
        "return ReadLetter(None, weight)",
    )
    branches = run(body).measures["read_letter"]["branches"]
    assert (branches["taken"], branches["of"], branches["missing"]) == (1, 2, [[2, 3]])


def test_rules_are_tried_as_well(plan_of: Callable[[str], CompilePlan], box: Sandbox) -> None:
    plan = plan_of(RULES)
    result = execution(assembled(plan, {}), plan.spec, Pools(), box, count=200)
    assert result.status == "passed"
    assert result.measures["decide"]["inputs"] == 200


def test_generated_inputs_are_kept_by_schema(plan: CompilePlan, build: Build, box: Sandbox, tmp_path: Path) -> None:
    for _ in range(2):
        execution(build(GOOD), plan.spec, plan.pools, box, count=50, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------- functions that passed before


def test_a_function_that_passed_is_not_tried_in_full_again(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    memory: Memory = {}
    first = execution(build(GOOD), plan.spec, plan.pools, box, count=300, memory=memory)
    sent: list[int] = []
    again = execution(build(GOOD), plan.spec, plan.pools, _counted(box, sent), count=300, memory=memory)
    assert (first.status, again.status, len(memory)) == ("passed", "passed", 1)
    measures = first.measures["read_letter"], again.measures["read_letter"]
    assert measures[1] == measures[0] | {"known": True}
    assert sent == [100, 100]


def test_a_known_function_must_give_in_its_new_module_what_it_gave(
    plan: CompilePlan, build: Build, box: Sandbox
) -> None:
    memory: Memory = {}
    execution(build(GOOD), plan.spec, plan.pools, box, count=300, memory=memory)
    other = replace(build(GOOD), source=build(GOOD).source.replace("weight * 2", "weight * 3"))
    result = execution(other, plan.spec, plan.pools, box, count=300, memory=memory)
    assert (result.status, result.findings[0].rule) == ("failed", "execution.unstable")


def test_a_function_that_failed_is_tried_again(plan: CompilePlan, build: Build, box: Sandbox) -> None:
    memory: Memory = {}
    bad = function("return ReadLetter(letter[:1] or None, weight / Decimal(letter == letter.strip()))")
    for _ in range(2):
        assert execution(build(bad), plan.spec, plan.pools, box, count=300, memory=memory).status == "failed"
    assert memory == {}


def _counted(box: Sandbox, sent: list[int]) -> Sandbox:
    """The same sandbox; notes how many inputs come at once."""

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(box, name)

        def call_many(self, job: Any, requests: Any, **options: Any) -> Any:
            sent.append(len(requests))
            return box.call_many(job, requests, **options)

    counted: Any = Counted()
    return counted  # type: ignore[no-any-return]
