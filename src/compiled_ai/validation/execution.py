"""Stage 3: does it run? Shown and selected inputs, a thousand generated ones, and the same under other circumstances.

Only typed results, `None` (nothing applies) and declared errors may come out. What is wrong goes back with the
function's own line and, for generated and shown inputs, with the input; of selection inputs nothing is told.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from compiled_ai.assemble import Assembled, FunctionPlace
from compiled_ai.canonical import canonical_json
from compiled_ai.committee import renamed
from compiled_ai.library.types import FieldType
from compiled_ai.pools import Pools
from compiled_ai.records import Finding, StageResult, StageStatus
from compiled_ai.sandbox import ELSEWHERE, HOME, Call, Measures, Outcome, Sandbox, Variant
from compiled_ai.spec.model import FunctionStep, GoldenCase, Parameter, RuleStep, WorkflowSpec
from compiled_ai.validation.coverage import branch_coverage
from compiled_ai.validation.inputs import Chance, generate_inputs

DECLARED_ERRORS = frozenset({"OverflowError", "Overflow"})
"""What any function may raise: numbers and dates beyond all range. The run then has no result for that step."""

_RULE_ERRORS = DECLARED_ERRORS | {"InvalidOperation", "DivisionByZero"}
_REPEATED = 100
_TRACED = 100
_TOLD_KINDS = 6
_TOLD_CHARACTERS = 200
_STATE = ("limit", "missing", "overrun")


@dataclass(frozen=True)
class Subject:
    """One function to be tried."""

    key: str
    """The step's name; of a committee, the key of the member."""
    step: FunctionStep | RuleStep
    job: Call
    place: FunctionPlace | None
    declared: Collection[str]
    fixtures: Sequence[Fixture] = ()

    def own_line(self, line: int | None) -> int | None:
        return self.place.own_line(line) if self.place is not None and line is not None else None

    def finding(self, rule: str, message: str, line: int | None = None) -> Finding:
        return Finding(rule=f"execution.{rule}", message=message, line=self.own_line(line), step=self.step.name)


@dataclass(frozen=True)
class Fixture:
    """Arguments that come from a golden case."""

    arguments: tuple[Any, ...]
    shown: bool


@dataclass
class Tried:
    """What came of one subject."""

    findings: list[Finding] = field(default_factory=list)
    unjudged: list[Finding] = field(default_factory=list)
    measures: dict[str, Any] = field(default_factory=dict)


def execution(
    candidate: Assembled,
    spec: WorkflowSpec,
    pools: Pools,
    box: Sandbox,
    *,
    cache: Path | None = None,
    count: int = 1000,
    seed: int = 0,
    declared_errors: Collection[str] = (),
    tell: bool = True,
    memory: Memory | None = None,
) -> StageResult:
    """Tries every rule and function of a candidate in the sandbox.

    Args:
        candidate: the assembled module.
        spec: its specification.
        pools: golden cases; the sealed ones are left alone.
        box: where it runs.
        cache: folder for generated inputs.
        count: how many inputs are generated for each function.
        seed: of the generator.
        declared_errors: names of exceptions that a function may raise.
        tell: inputs of shown cases may be told (and mutated ones, too).
        memory: functions that passed before, with the same golden cases, count and seed; those that pass now are added.
            A function that is in it is tried on some of its inputs only, and must give what it gave.
    """
    started = time.perf_counter()
    box.prepare(HOME)
    box.prepare(ELSEWHERE)
    tried = {
        subject.key: _try(subject, box, cache, count, seed, {} if memory is None else memory)
        for subject in subjects(candidate, spec, pools, declared_errors, tell=tell)
    }
    unjudged = [finding for each in tried.values() for finding in each.unjudged]
    failed = [finding for each in tried.values() for finding in each.findings]
    status: StageStatus = "error" if unjudged else "failed" if failed else "passed"
    return StageResult(
        name="execution",
        status=status,
        milliseconds=round((time.perf_counter() - started) * 1000, 3),
        findings=tuple(unjudged or failed),
        measures={"sandbox": box.level} | {name: each.measures for name, each in tried.items()},
    )


def subjects(
    candidate: Assembled,
    spec: WorkflowSpec,
    pools: Pools,
    declared_errors: Collection[str] = (),
    *,
    tell: bool = True,
) -> list[Subject]:
    """Returns the functions of a candidate with what they are to be tried on."""
    found = []
    for step in spec.steps:
        if not isinstance(step, (FunctionStep, RuleStep)):
            continue
        rule = isinstance(step, RuleStep)
        job = Call(
            source=candidate.source,
            function=step.identifier,
            parameters=[parameter.type for parameter in step.parameters],
            result=FieldType("object", optional=True, fields=step.result, class_name=step.class_name),
            numbers=rule,
            tables=candidate.tables,
        )
        declared = _RULE_ERRORS if rule else DECLARED_ERRORS | set(declared_errors)
        fixtures = [
            Fixture(arguments, shown)
            for cases, shown in ((pools.shown, tell), (pools.selection, False))
            for case in cases
            for arguments in arguments_of(step, case)
        ]
        names = {member.key: member.name for member in candidate.members.get(step.name, ())}
        for key, name in (names or {step.name: step.identifier}).items():
            place = candidate.functions.get(key)
            found.append(Subject(key, step, replace(job, function=name), place, declared, fixtures))
    return found


def arguments_of(step: FunctionStep | RuleStep, case: GoldenCase) -> Iterable[tuple[Any, ...]]:
    """Returns the arguments that a step gets from a case, if it reads inputs (and items of inputs) only."""
    scopes: list[Mapping[str, Any]] = [{"inputs": case.input}]
    if step.for_each is not None:
        items = _walk(step.for_each.source, scopes[0])
        if not isinstance(items, (list, tuple)):
            return
        scopes = [{"inputs": case.input, "item": item, step.for_each.item: item} for item in items]
    for scope in scopes:
        values = [_walk(parameter, scope) for parameter in step.parameters]
        if not any(value is _ELSEWHERE for value in values):
            yield tuple(values)


_ELSEWHERE = object()


def _walk(parameter: Parameter, scope: Mapping[str, Any]) -> Any:
    head, *path = parameter.source.split(".")
    if head not in scope:
        return _ELSEWHERE
    value: Any = scope[head]
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@dataclass(frozen=True)
class Tested:
    """What a function that passed gave on every input, in the module that it stood in then."""

    first_line: int
    """Of the function in that module."""
    outcomes: Sequence[Outcome]
    branches: Mapping[str, Any]

    def as_at(self, first_line: int) -> list[Outcome]:
        """Its outcomes as they are in a module where the function begins at another line."""
        shift = first_line - self.first_line
        return [each if each.line is None else replace(each, line=each.line + shift) for each in self.outcomes]


Memory = dict[str, Tested]
"""Functions that passed, by what they are apart from their name: one that stands in a second module, as a member of a
committee does, has been tried on all inputs already."""


def _try(subject: Subject, box: Sandbox, cache: Path | None, count: int, seed: int, memory: Memory) -> Tried:
    tried = Tried()
    shown = [fixture.arguments for fixture in subject.fixtures if fixture.shown]
    generated = generate_inputs(subject.job.parameters, count=count, seed=seed, samples=shown, cache=cache)
    inputs = [fixture.arguments for fixture in subject.fixtures] + list(generated.inputs)
    known = memory.get(_identity(subject)) if subject.place else None
    if known is not None and subject.place is not None and len(known.outcomes) == len(inputs):
        outcomes = known.as_at(subject.place.first_line)
    else:
        known, outcomes = None, _run_until_broken(subject, box, inputs)
    _judge(subject, inputs, outcomes, tried)
    tried.measures |= {
        "fixtures": len(subject.fixtures),
        "inputs": len(generated.inputs),
        "answered": len(outcomes),
        "nothing_applied": sum(each.status == "value" and each.value is None for each in outcomes),
        "median_microseconds": median([each.microseconds for each in outcomes] or [0]),
    }
    if not tried.findings and not tried.unjudged:
        _try_again(subject, box, inputs, outcomes, tried, known)
        if not tried.findings and not tried.unjudged:
            _remember(subject, outcomes, tried, memory)
    return tried


def _identity(subject: Subject) -> str:
    """What a function is, whatever its name in the module and whatever stands beside it."""
    place, job = subject.place, subject.job
    assert place is not None
    body = renamed(place.source, job.function, subject.step.identifier)
    kinds = [repr(kind) for kind in (*job.parameters, job.result)]
    return canonical_json([subject.step.name, body, list(place.imports), kinds, sorted(subject.declared)])


def _remember(subject: Subject, outcomes: Sequence[Outcome], tried: Tried, memory: Memory) -> None:
    """Keeps a function that passed, unless an error passed through the module outside of it."""
    place = subject.place
    if place is None or any(each.line is not None and subject.own_line(each.line) is None for each in outcomes):
        return
    memory[_identity(subject)] = Tested(place.first_line, tuple(outcomes), tried.measures["branches"])


def _run_until_broken(subject: Subject, box: Sandbox, inputs: Sequence[Any]) -> list[Outcome]:
    """Stops at the first input that ends the process: one is enough, and each costs a time limit.

    The second half runs beside the first, in a process of its own.
    """
    half = (len(inputs) + 1) // 2
    with ThreadPoolExecutor(1, thread_name_prefix="execution") as beside:
        later = beside.submit(_until_broken, subject, box, inputs[half:])
        first = _until_broken(subject, box, inputs[:half])
        broken = bool(first) and first[-1].status in _STATE
        return first if broken else first + later.result()


def _until_broken(subject: Subject, box: Sandbox, inputs: Sequence[Any]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for outcome in box.stream(subject.job, map(list, inputs), restarts=0):
        outcomes.append(outcome)
        if outcome.status in _STATE:
            break
    return outcomes


def _judge(subject: Subject, inputs: Sequence[Any], outcomes: Sequence[Outcome], tried: Tried) -> None:
    """Sorts what went wrong by kind and line; of each, the shortest input that may be told."""
    kinds: dict[tuple[Any, ...], list[int]] = {}
    declared = 0
    for index, outcome in enumerate(outcomes):
        if outcome.status == "value" and not outcome.changed_arguments:
            continue
        if outcome.status == "raised" and outcome.error_type in subject.declared and outcome.line is not None:
            declared += 1
            continue
        kinds.setdefault((outcome.status, outcome.error_type, outcome.line), []).append(index)
    for (status, _, _), places in list(kinds.items())[:_TOLD_KINDS]:
        finding = _finding(subject, inputs, outcomes, places)
        (tried.unjudged if status == "overrun" else tried.findings).append(finding)
    tried.measures["declared_errors"] = declared


def _finding(subject: Subject, inputs: Sequence[Any], outcomes: Sequence[Outcome], places: Sequence[int]) -> Finding:
    tellable = [place for place in places if _may_tell(subject, place)]
    place = min(tellable, key=lambda index: len(canonical_json(list(inputs[index]))), default=places[0])
    outcome = outcomes[place]
    rule, what = _what(outcome, told=bool(tellable))
    fixtures = sum(index < len(subject.fixtures) for index in places)
    counts = {"golden": fixtures, "generated": len(places) - fixtures}
    kinds = " and ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    where = f" on {kinds} input{'s' if len(places) > 1 else ''}"
    example = f", for example {_brief(subject, inputs[place])}" if tellable else ""
    return subject.finding(rule, f"{what}{where}{example}.", outcome.line)


def _may_tell(subject: Subject, index: int) -> bool:
    return index >= len(subject.fixtures) or subject.fixtures[index].shown


def _what(outcome: Outcome, *, told: bool) -> tuple[str, str]:
    if outcome.status == "raised":
        message = f": {outcome.message}" if told and outcome.message else ""
        return "raised", f"Raises {outcome.error_type}{message}"
    if outcome.status == "value":
        return "changed_arguments", "Changes its arguments"
    words = {"limit": "Passes a limit", "missing": "Gives no result", "overrun": "Could not be judged"}
    return outcome.status, f"{words[outcome.status]} ({outcome.message})"


def _brief(subject: Subject, arguments: Sequence[Any]) -> str:
    parts = []
    for parameter, value in zip(subject.step.parameters, arguments, strict=True):
        text = canonical_json(value)
        limit = max(24, _TOLD_CHARACTERS // len(subject.step.parameters))
        parts.append(f"{parameter.identifier}={text if len(text) <= limit else text[: limit - 3] + '...'}")
    return f"({', '.join(parts)})"


_VARIANTS = {
    HOME: "when repeated in another order",
    ELSEWHERE: "under another hash seed, time zone, locale and clock",
}


def _try_again(
    subject: Subject,
    box: Sandbox,
    inputs: Sequence[Any],
    outcomes: Sequence[Outcome],
    tried: Tried,
    known: Tested | None,
) -> None:
    """Some of the inputs again under other circumstances, which must change nothing; and which branches they reach."""
    with ThreadPoolExecutor(2, thread_name_prefix="execution") as beside:
        elsewhere = beside.submit(_again, subject, box, inputs, ELSEWHERE)
        covered = None if known else beside.submit(_cover, subject, box, inputs)
        repeated = {HOME: _again(subject, box, inputs, HOME), ELSEWHERE: elsewhere.result()}
        tried.measures["branches"] = covered.result() if covered else dict(known.branches if known else {})
    if known:
        tried.measures["known"] = True
    _compare(subject, inputs, outcomes, repeated, tried)


def _again(subject: Subject, box: Sandbox, inputs: Sequence[Any], variant: Variant) -> dict[int, Outcome]:
    """Some of the inputs again, in another order and another process; by the place of the input."""
    step = max(1, len(inputs) // _REPEATED)
    order = Chance(7).shuffled(list(range(0, len(inputs), step))[:_REPEATED])
    outcomes = box.call_many(subject.job, [list(inputs[index]) for index in order], variant=variant, restarts=0)
    return dict(zip(order, outcomes, strict=True))


def _compare(
    subject: Subject,
    inputs: Sequence[Any],
    outcomes: Sequence[Outcome],
    repeated: Mapping[Variant, Mapping[int, Outcome]],
    tried: Tried,
) -> None:
    for variant, words in _VARIANTS.items():
        again = repeated[variant]
        overrun = [outcome for outcome in again.values() if outcome.status == "overrun"]
        if overrun:
            tried.unjudged.append(subject.finding("overrun", f"Could not be judged {words} ({overrun[0].message})."))
            return
        different = [index for index, outcome in again.items() if _essence(outcome) != _essence(outcomes[index])]
        if different:
            tellable = [index for index in different if _may_tell(subject, index)]
            example = f", for example {_brief(subject, inputs[tellable[0]])}" if tellable else ""
            message = f"Gives another result {words} on {len(different)} of {len(again)} inputs{example}."
            tried.findings.append(subject.finding("unstable", message))
            return
    tried.measures["repeated"] = {"inputs": len(repeated[HOME]), "elsewhere": ELSEWHERE.as_json()}


def _essence(outcome: Outcome) -> tuple[Any, ...]:
    value = canonical_json(outcome.value) if outcome.status == "value" else None
    return (outcome.status, value, outcome.error_type, outcome.line)


def _cover(subject: Subject, box: Sandbox, inputs: Sequence[Any]) -> dict[str, Any]:
    """Returns which branches the fixtures and some of the generated inputs reach."""
    measures = Measures()
    step = max(1, len(inputs) // _TRACED)
    traced = [list(arguments) for arguments in inputs[::step] if len(canonical_json(list(arguments))) < 20_000]
    box.call_many(replace(subject.job, trace=True), traced, restarts=0, measures=measures)
    coverage = branch_coverage(subject.job.source, subject.job.function, measures.arcs)
    return {
        "taken": coverage.taken,
        "of": coverage.possible,
        "share": coverage.share,
        "inputs": len(traced),
        "missing": [[subject.own_line(line) or line for line in arc] for arc in coverage.missing[:20]],
    }
