"""Stage 4: golden cases, judged by exact arithmetic.

| pool | what the author of the candidate hears |
|---|---|
| shown | expected against actual |
| selection | counts and field names |
| sealed | nothing: it is judged once per compile, on the one chosen candidate (`judge_sealed`) |

A committee may abstain: its thresholds are held against what it answers, and its coverage stands beside them.

A case whose effects are not supplied is an `error`, never a live call. A workflow without model-written functions has
nothing to learn, so all its cases are judged at once and each must be right.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from compiled_ai.assemble import Assembled
from compiled_ai.canonical import canonical_json
from compiled_ai.library.types import Field
from compiled_ai.pools import Pools
from compiled_ai.records import Finding, StageResult
from compiled_ai.sandbox import Outcome, Run, Sandbox
from compiled_ai.spec.model import FunctionStep, GoldenCase, Metric, WorkflowSpec
from compiled_ai.validation.literals import golden_literals
from compiled_ai.validation.metrics import ABSENT, FieldScore, Score, score_cases, score_field, wilson_interval

_TOLD_CASES = 8
"""Most wrong shown cases that go back at once."""
_TOLD_CHARACTERS = 300


@dataclass(frozen=True)
class Judged:
    """One golden case and what the candidate made of it."""

    case: GoldenCase
    actual: Mapping[str, Any] | None
    """`None`: no decision."""
    why: str = ""
    """Why there is no decision."""
    unjudged: bool = False
    """We could not tell: effects are missing, or the machine was too slow."""
    approved: int = 0
    """Reviews that the case says nothing of and that were taken as approved."""


def accuracy(candidate: Assembled, spec: WorkflowSpec, pools: Pools, box: Sandbox, *, tell: bool = True) -> StageResult:
    """Judges a candidate on the shown and the selection pool (on all cases, if no function is model-written).

    With `tell` false nothing of the shown cases goes back either: the specification does not say on what basis.
    """
    started = time.perf_counter()
    carried = _carried(candidate, spec, pools)
    if carried:
        return _result("failed", started, carried, {})
    learned = is_learned(spec)
    parts = {"shown": pools.shown, "selection": pools.selection}
    if not learned:
        parts = {"all": (*pools.shown, *pools.selection, *pools.sealed)}
    judged = {name: judge(candidate, cases, box) for name, cases in parts.items()}
    unjudged = [each for group in judged.values() for each in group if each.unjudged]
    if unjudged:
        return _result("error", started, [_cannot_tell(each) for each in unjudged[:_TOLD_CASES]], {})
    scores = {name: _score(group, spec) for name, group in judged.items()}
    votes = bool(candidate.members)
    findings = _by_pool(judged, scores, spec, tell=tell, votes=votes) if learned else _exactly(judged["all"], spec)
    measures = _measures(judged, scores, learned)
    return _result("failed" if findings else "passed", started, findings, measures)


def is_learned(spec: WorkflowSpec) -> bool:
    """Tells whether a model writes any of the functions."""
    return any(isinstance(step, FunctionStep) for step in spec.steps)


def judge_sealed(
    candidate: Assembled, spec: WorkflowSpec, pools: Pools, box: Sandbox, *, reads: int = 1
) -> StageResult:
    """Judges the one chosen candidate on the sealed pool.

    Its one finding has the rule `accuracy.sealed` and names nothing but fields: a compile that receives it ends, since
    a further attempt would be judged on cases that are no longer sealed.

    Args:
        candidate: the chosen candidate.
        spec: its specification.
        pools: the golden cases.
        box: where it runs.
        reads: how often the sealed pool has been read, this time included; printed beside its figure.
    """
    started = time.perf_counter()
    judged = judge(candidate, pools.sealed, box)
    unjudged = [each for each in judged if each.unjudged]
    if unjudged:
        finding = Finding(rule="accuracy.unjudged", message=f"{len(unjudged)} sealed cases could not be judged.")
        return _result("error", started, [finding], {})
    score = _score(judged, spec)
    measures = _measures({"sealed": judged}, {"sealed": score}, True) | {"reads": reads}
    votes = bool(candidate.members)
    failing = [name for name, each in score.fields.items() if _is_below(each, spec.accuracy.fields.get(name), votes)]
    failing += ["the mean"] if _mean_is_below(score, spec, votes) else []
    if failing:
        message = f"On the sealed cases, {', '.join(failing)} stay below what is asked."
        return _result("failed", started, [Finding(rule="accuracy.sealed", message=message)], measures)
    reasons = provisional_reasons(score, spec, votes=votes)
    return _result("passed", started, [], measures | {"provisional": "; ".join(reasons) or None})


def judge(candidate: Assembled, cases: Sequence[GoldenCase], box: Sandbox) -> list[Judged]:
    """Runs golden cases through the whole workflow in the sandbox; what is expected stays out here."""
    job = Run(source=candidate.source, program=canonical_json(candidate.program), tables=candidate.tables)
    requests = (
        {"input": case.input, "effects": case.effects, "reviews": case.reviews, "approve": True} for case in cases
    )
    outcomes = box.call_many(job, requests, restarts=8)
    return [_judged(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]


def _judged(case: GoldenCase, outcome: Outcome) -> Judged:
    if outcome.status == "overrun":
        return Judged(case, None, outcome.message, unjudged=True)
    if outcome.status != "value":
        return Judged(case, None, f"{outcome.error_type}: {outcome.message}".removeprefix(": "))
    end = outcome.value
    if end["end"] == "done":
        return Judged(case, end["output"], approved=end["approved"] if isinstance(end["approved"], int) else 0)
    if end["end"] == "failed":
        return Judged(case, None, end["error"])
    what = f"step {end['step']!r} asks for its {end['kind']} effect, which the case does not supply"
    if end["kind"] == "review":
        return Judged(case, None, f"step {end['step']!r} goes to review: {end['problems'] or 'it always does'}")
    return Judged(case, None, what, unjudged=True)


def _cannot_tell(each: Judged) -> Finding:
    return Finding(
        rule="accuracy.unjudged",
        message=f"Case {each.case.id!r} cannot be judged: {each.why}. Add it to the case's `effects`.",
    )


def _score(judged: Iterable[Judged], spec: WorkflowSpec) -> Score:
    return score_cases([(each.case.expected, each.actual) for each in judged], spec.accuracy.fields)


def _exactly(judged: Sequence[Judged], spec: WorkflowSpec) -> list[Finding]:
    """No model wrote any of it: a wrong case means that the specification and the case contradict each other."""
    return [
        Finding(rule="accuracy.mismatch", message=message)
        for each in judged
        for message in _differences(each, spec.accuracy.fields)
    ]


def _by_pool(
    judged: Mapping[str, Sequence[Judged]],
    scores: Mapping[str, Score],
    spec: WorkflowSpec,
    *,
    tell: bool,
    votes: bool,
) -> list[Finding]:
    written = {case.id for case in spec.examples}
    wrong = [each for each in judged["shown"] if _differences(each, spec.accuracy.fields, votes=votes)]
    failing = [each for each in wrong if each.case.id in written]
    below = [finding for name in ("selection", "shown") for finding in _below(scores[name], spec, name, votes)]
    if not failing and not below:
        return []
    if not tell:
        return below or [Finding(rule="accuracy.mismatch", message=f"{len(failing)} of the examples are wrong.")]
    told = (failing + [each for each in wrong if each not in failing])[:_TOLD_CASES]
    shown = [
        Finding(rule="accuracy.mismatch", message=message)
        for each in told
        for message in [*_differences(each, spec.accuracy.fields), *_given(each)]
    ]
    if len(wrong) > len(told):
        shown.append(Finding(rule="accuracy.mismatch", message=f"{len(wrong) - len(told)} more shown cases are wrong."))
    return shown + below


def _given(each: Judged) -> list[str]:
    """Repeats the input of a shown case that is short: not every shown case stands in the prompt."""
    given = canonical_json(dict(each.case.input))
    return [f"Case {each.case.id!r} is given {given}."] if len(given) <= _TOLD_CHARACTERS else []


def _differences(each: Judged, metrics: Mapping[str, Metric], *, votes: bool = False) -> list[str]:
    """Says for one case what was expected and what came. Only for cases that the author may see.

    With `votes` an abstention is no difference.
    """
    if each.actual is None:
        return [f"Case {each.case.id!r}: no decision ({each.why})."]
    return [
        f"Case {each.case.id!r}: {name} is {_brief(each.actual.get(name))}, expected {_brief(expected)}."
        for name, expected in each.case.expected.items()
        if not score_field(metrics.get(name), expected, each.actual.get(name, ABSENT))
        and not (votes and each.actual.get(name) is None)
    ]


def _brief(value: Any) -> str:
    text = "absent" if value is ABSENT else canonical_json(value)
    return text if len(text) <= _TOLD_CHARACTERS else f"{text[: _TOLD_CHARACTERS - 3]}..."


def _counts(field: FieldScore, votes: bool) -> tuple[int, int]:
    """What counts against a threshold, right and all: every case, or for a committee every answer."""
    return (field.answered_right, field.answered) if votes else (field.right, field.n)


def _is_below(field: FieldScore, metric: Metric | None, votes: bool) -> bool:
    right, n = _counts(field, votes)
    return metric is not None and n > 0 and Fraction(right, n) < Fraction(metric.threshold)


def _mean_of(score: Score, votes: bool) -> Fraction | None:
    return score.mean_of_answers if votes else score.mean


def _mean_is_below(score: Score, spec: WorkflowSpec, votes: bool) -> bool:
    mean, overall = _mean_of(score, votes), spec.accuracy.overall
    return overall is not None and mean is not None and mean < Fraction(overall)


def _below(score: Score, spec: WorkflowSpec, pool: str, votes: bool) -> list[Finding]:
    """Fields below their threshold: counts and names, no values."""
    findings = []
    for name, each in score.fields.items():
        metric = spec.accuracy.fields.get(name)
        if metric is not None and _is_below(each, metric, votes):
            right, n = _counts(each, votes)
            what = f"answers to {pool} cases" if votes else f"{pool} cases"
            message = f"{name}: {right} of {n} {what} are right, at least {metric.threshold} is asked."
            findings.append(Finding(rule="accuracy.threshold", message=message))
    if _mean_is_below(score, spec, votes):
        mean = float(_mean_of(score, votes) or 0)
        message = f"The mean over fields on the {pool} cases is {mean:.3f}, at least {spec.accuracy.overall} is asked."
        findings.append(Finding(rule="accuracy.threshold", message=message))
    return findings


def provisional_reasons(score: Score, spec: WorkflowSpec, *, votes: bool = False) -> list[str]:
    """Says why the measured accuracy does not yet prove that the thresholds are met; empty if it does.

    With `votes` (a committee) what counts is the accuracy of answers.
    """
    if score.n == 0:
        return ["there are no sealed cases"]
    reasons = []
    for name, metric in spec.accuracy.fields.items():
        right, n = _counts(score.fields[name], votes)
        low = wilson_interval(right, n)[0]
        if n == 0:
            reasons.append(f"{name}: no sealed case {'is answered' if votes else 'labels it'}")
        elif Fraction(str(low)) < Fraction(metric.threshold):
            what = "answers" if votes else "sealed cases"
            reasons.append(f"{name}: {right} of {n} {what} right proves {low:.3f}, {metric.threshold} is asked")
    overall, counts = spec.accuracy.overall, [_counts(each, votes) for each in score.fields.values()]
    right, n = (sum(part) for part in zip(*counts, strict=True))
    low = wilson_interval(right, n)[0]
    if overall is not None and n > 0 and Fraction(str(low)) < Fraction(overall):
        reasons.append(f"overall: {low:.3f} is proved, {overall} is asked")
    return reasons


def _carried(candidate: Assembled, spec: WorkflowSpec, pools: Pools) -> list[Finding]:
    cases = (*pools.shown, *pools.selection, *pools.sealed)
    outputs = [output.field for output in spec.outputs]
    named = "\n".join(_named(spec))
    return [
        finding
        for place in candidate.functions.values()
        for finding in golden_literals(place.source, cases, outputs, named, step=place.step)
    ]


def _named(spec: WorkflowSpec) -> Iterator[str]:
    """All that the specification says, but for its examples."""
    yield from (spec.name, spec.description)
    for step in spec.steps:
        yield from (step.name, step.description, *(check.text for check in step.validation))
        yield from (getattr(step, words, "") for words in ("prose", "instructions", "source_text"))
        yield from _field_words(step.result)
    yield from (str(cell) for table in spec.tables for row in table.rows for cell in row)


def _field_words(fields: Iterable[Field]) -> Iterator[str]:
    """What fields say, and those within them."""
    for field in fields:
        yield f"{field.name} {field.description} {' '.join(field.type.enum or ())}"
        yield from _field_words(field.type.fields)
        yield from _field_words(field.type.items.fields if field.type.items else ())


def _measures(judged: Mapping[str, Sequence[Judged]], scores: Mapping[str, Score], learned: bool) -> dict[str, Any]:
    """Figures of each pool; `score` is the one that counts."""
    pool = next(name for name in ("sealed", "all", "selection") if name in scores)
    measures: dict[str, Any] = {name: score.as_json() for name, score in scores.items()}
    measures["score"] = scores[pool].as_json() | {"pool": pool}
    approved = sum(each.approved for group in judged.values() for each in group)
    if approved:
        measures["reviews_taken_as_approved"] = approved
    measures["provisional"] = "the sealed cases have not been judged" if learned and pool != "sealed" else None
    return measures


def _result(status: Any, started: float, findings: Sequence[Finding], measures: Mapping[str, Any]) -> StageResult:
    return StageResult(
        name="accuracy",
        status=status,
        milliseconds=round((time.perf_counter() - started) * 1000, 3),
        findings=tuple(findings),
        measures=measures,
    )
