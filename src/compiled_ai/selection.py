"""Independent candidates, and which of them are kept: by the selection cases alone.

Pure. A candidate answers for the whole workflow: one function for each step that a model writes.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from compiled_ai.assemble import Assembled
from compiled_ai.committee import Heard
from compiled_ai.generate import WEAKEST
from compiled_ai.plan import CompilePlan
from compiled_ai.records import Finding, ValidationReport
from compiled_ai.spec.model import WorkflowSpec
from compiled_ai.validation.accuracy import Judged
from compiled_ai.validation.checkers import code_lines
from compiled_ai.validation.metrics import ABSENT, Score, score_cases, score_field


@dataclass
class Candidate:
    """One of several that are written independently of each other."""

    number: int
    """From 0."""
    sources: dict[str, str] = field(default_factory=dict)
    """Step to the latest source."""
    attempts: int = 0
    feedback: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    assembled: Assembled | None = None
    report: ValidationReport | None = None
    judged: Sequence[Judged] = ()
    """What it makes of the selection cases, once it has passed."""

    @property
    def passed(self) -> bool:
        return self.report is not None and self.report.status == "passed" and self.assembled is not None

    @property
    def lines(self) -> int:
        """Lines of code of its functions."""
        places = self.assembled.functions.values() if self.assembled else ()
        return sum(code_lines(place.source) for place in places)

    def score(self, spec: WorkflowSpec) -> Score:
        """Its score on the selection cases."""
        return score_cases([(each.case.expected, each.actual) for each in self.judged], spec.accuracy.fields)

    def describe(self, spec: WorkflowSpec, kept: Sequence[Candidate]) -> dict[str, Any]:
        mean = self.score(spec).mean if self.passed else None
        return {
            "candidate": self.number + 1,
            "attempts": self.attempts,
            "passed": self.passed,
            "mean": None if mean is None else round(float(mean), 6),
            "lines": self.lines,
            "kept": any(self.number == each.number for each in kept),
        }


def standing(candidate: Candidate, spec: WorkflowSpec) -> tuple[Fraction, int, int]:
    """Returns what candidates are compared by, the least first: mean over fields, then fewer lines, then number."""
    return (-(candidate.score(spec).mean or Fraction(0)), candidate.lines, candidate.number)


def weakest_field(candidate: Candidate, plan: CompilePlan) -> dict[str, list[Finding]]:
    """Returns by step what goes back of a candidate whose weakest field stays below the target; empty: nothing.

    Counts and field names only: the cases behind them stay unknown to whoever writes.
    """
    spec, target = plan.spec, plan.spec.limits.target
    rates = {name: each.rate for name, each in candidate.score(spec).fields.items() if each.rate is not None}
    if target is None or not rates:
        return {}
    name = min(rates, key=lambda each: (rates[each], each))
    if rates[name] >= Fraction(target):
        return {}
    score = candidate.score(spec).fields[name]
    message = (
        f"The weakest field is {name}: {score.right} of {score.n} selection cases are right, {target} is aimed at. "
        "Improve how it is found, and leave the other fields as they are."
    )
    return {step: [Finding(rule=WEAKEST, message=message, step=step)] for step in _writers(name, plan)}


def _writers(output: str, plan: CompilePlan) -> list[str]:
    """The model-written steps that an output comes from; all of them where a rule stands between."""
    source = next((each.source for each in plan.spec.outputs if each.field.name == output), "")
    steps = [function.step.name for function in plan.functions]
    return [step for step in steps if step == source.split(".")[0]] or steps


def choose_members(passed: Sequence[Candidate], spec: WorkflowSpec, wanted: int) -> list[Candidate]:
    """Returns candidates for a committee, the best first: each next one is seldom wrong, and seldom as the others are.

    What a committee cannot notice is an error that its members share, so an error shared with one who sits already
    counts twice. A candidate that is the same program as another gets no seat.
    """
    chosen: list[Candidate] = []
    left = sorted(_distinct(passed), key=lambda each: standing(each, spec))
    while left and len(chosen) < wanted:
        best = min(left, key=lambda each: (_cost(each, chosen, spec), standing(each, spec)) if chosen else (0,))
        chosen.append(best)
        left.remove(best)
    return chosen


def heard(members: Sequence[Candidate]) -> list[Heard]:
    """Returns what each member makes of each selection case, for the calibration of their votes."""
    cases = zip(*(each.judged for each in members), strict=True)
    return [Heard([each.actual for each in case], case[0].case.expected) for case in cases]


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for each in candidates:
        program = "\n".join(ast.dump(ast.parse(source)) for source in each.sources.values())
        found.setdefault(program, each)
    return list(found.values())


def _cost(candidate: Candidate, chosen: Sequence[Candidate], spec: WorkflowSpec) -> int:
    cost = 0
    for index, own in enumerate(candidate.judged):
        for name, expected in own.case.expected.items():
            metric, answer = spec.accuracy.fields.get(name), _answer(own, name)
            if score_field(metric, expected, answer):
                continue
            others = [_answer(each.judged[index], name) for each in chosen]
            cost += 1 + any(other is answer or score_field(metric, answer, other) for other in others)
    return cost


def _answer(judged: Judged, name: str) -> Any:
    return ABSENT if judged.actual is None else judged.actual.get(name, ABSENT)
