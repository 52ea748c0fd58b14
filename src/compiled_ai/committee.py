"""Committees at compile time: functions get names of their own, and votes get a confidence from the selection cases.

Pure. How a committee decides in a run is `library.committee`; which candidates sit on one is `selection`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from compiled_ai.gates.code.scopes import reads_of
from compiled_ai.library.agreement import agreement
from compiled_ai.library.committee import NO_ANSWER, FieldRule, take_vote
from compiled_ai.spec.model import FunctionStep, Step, WorkflowSpec
from compiled_ai.spec.outputs import metrics_of

PRIOR_CASES = 2
"""A field's own counts weigh as if this many cases had been right as often as over all fields together."""


# ---------------------------------------------------------------- names


@dataclass(frozen=True)
class Member:
    """One of the functions of a committee, as it stands in the module: under a name of its own."""

    key: str
    """Key of its place in `Assembled.functions`: the step's name and a number."""
    name: str
    source: str
    """Imports and the function."""


def members_of(step: FunctionStep, sources: Sequence[str], taken: set[str]) -> Iterator[Member]:
    """Gives each candidate of a step a name that nothing else in the module has; adds it to those that are `taken`."""
    for number, source in enumerate(sources, 1):
        name = f"{step.identifier}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        yield Member(f"{step.name} {number}", name, renamed(source, step.identifier, name))


def words_in(sources: Iterable[str]) -> set[str]:
    """Returns all that may be a name in some texts: what is bound within a function would hide the function itself."""
    return {word for source in sources for word in re.findall(r"\w+", source)}


def renamed(source: str, old: str, new: str) -> str:
    """Returns a candidate whose function has another name, also where it calls itself.

    A parameter or a local of the old name stays as it is; the new name must be one that the source does not hold.
    """
    tree = ast.parse(source)
    places = {(node.lineno, node.col_offset) for node in reads_of(tree, old)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == old:
            places.add((node.lineno, node.col_offset + len("def ")))
    before, after = old.encode("utf-8"), new.encode("utf-8")
    lines = [line.encode("utf-8") for line in source.split("\n")]
    for line, column in sorted(places, reverse=True):
        text = lines[line - 1]
        at = text.index(before, column)
        lines[line - 1] = text[:at] + after + text[at + len(before) :]
    return b"\n".join(lines).decode("utf-8")


# ---------------------------------------------------------------- rules


def open_vote(step: Step, spec: WorkflowSpec) -> dict[str, Any]:
    """Returns the rules of a committee whose votes are to be counted: whatever has most votes stands."""
    return {"least": "0", "fields": {name: rule | {"confidence": ["1"] * 9} for name, rule in _metrics(step, spec)}}


def _metrics(step: Step, spec: WorkflowSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """The metric of each field: that of the output that it becomes, else the usual one of its type."""
    outputs = _outputs(step, spec)
    for each in step.result:
        metric = spec.accuracy.fields.get(outputs.get(each.name, ""))
        name = metric.metric if metric else metrics_of(each.type)[0]
        yield each.name, {"metric": name, "tolerance": metric.tolerance if metric else None}


def _outputs(step: Step, spec: WorkflowSpec) -> dict[str, str]:
    """Field of the step to the output that it becomes as it is."""
    sources = {output.source: output.field.name for output in spec.outputs}
    return {
        each.name: sources[f"{step.name}.{each.name}"]
        for each in step.result
        if f"{step.name}.{each.name}" in sources and step.for_each is None
    }


@dataclass(frozen=True)
class Heard:
    """One selection case: what each member's workflow yields alone, and what was to be found."""

    outputs: Sequence[Mapping[str, Any] | None]
    """In the order of the members; `None` where one comes to no decision."""
    expected: Mapping[str, Any]


def calibrate(step: Step, spec: WorkflowSpec, members: int, heard: Sequence[Heard]) -> dict[str, Any]:
    """Returns the rules of a committee, with the share of right answers for each number of equal votes.

    A field has few selection cases for each number of votes, so its share is drawn towards that of all fields
    together (`PRIOR_CASES`), which is drawn towards one half in the same way; more votes never count less than
    fewer (pool adjacent violators). A field that is no output of its own has no label and gets no confidence.
    """
    fields = dict(_metrics(step, spec))
    tallies = {
        name: _tally(FieldRule(name, fields[name]["metric"], fields[name]["tolerance"]), output, members, heard)
        for name, output in _outputs(step, spec).items()
    }
    together = [[sum(part) for part in zip(*column, strict=True)] for column in zip(*tallies.values(), strict=True)]
    prior = [_drawn(right, n, Fraction(1, 2)) for right, n in together]
    for name, rule in fields.items():
        own = tallies.get(name)
        shares = [_drawn(right, n, prior[index]) for index, (right, n) in enumerate(own)] if own else []
        weights = [n + PRIOR_CASES for _, n in own] if own else []
        rule["confidence"] = [_text(share) for share in _rising(shares, weights)]
        rule["cases"] = sum(n for _, n in own) if own else 0
    return {"least": str(spec.limits.confidence), "fields": fields}


def _tally(rule: FieldRule, output: str, members: int, heard: Sequence[Heard]) -> list[tuple[int, int]]:
    """For each number of equal votes: how many of the values that got so many are right, and how many there are."""
    tally = [(0, 0)] * members
    for case in heard:
        answers = [NO_ANSWER if each is None else each.get(output, NO_ANSWER) for each in case.outputs]
        vote = take_vote(rule, answers, Decimal(0))
        if output in case.expected and vote.votes and vote.value is not None and not vote.tied:
            right, n = tally[vote.votes - 1]
            agrees = agreement(rule.metric, case.expected[output], vote.value, rule.tolerance) == 1
            tally[vote.votes - 1] = (right + agrees, n + 1)
    return tally


def _drawn(right: int, n: int, prior: Fraction) -> Fraction:
    return (right + PRIOR_CASES * prior) / (n + PRIOR_CASES)


def _rising(shares: Sequence[Fraction], weights: Sequence[int]) -> list[Fraction]:
    """Makes a sequence non-decreasing with the least squared change (pool adjacent violators; Ayer et al. 1955)."""
    blocks: list[tuple[Fraction, int, int]] = []
    for share, weight in zip(shares, weights, strict=True):
        blocks.append((share, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (left, one, many), (right, other, more) = blocks[-2:]
            blocks[-2:] = [((left * one + right * other) / (one + other), one + other, many + more)]
    return [share for share, _, size in blocks for _ in range(size)]


def _text(share: Fraction) -> str:
    exact = Decimal(share.numerator) / Decimal(share.denominator)
    return str(exact.quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN))


def spoken_rules(rules: Mapping[str, Any], members: int) -> str:
    """Says for an auditor how many votes an answer of each field needs."""
    least = Decimal(rules["least"])
    parts = []
    for name, rule in rules["fields"].items():
        enough = [n for n, share in enumerate(rule["confidence"][:members], 1) if Decimal(share) >= least]
        if not rule["confidence"]:
            parts.append(f"{name} {members // 2 + 1} (not calibrated)")
        else:
            told = f"{enough[0]} (right in {rule['confidence'][enough[0] - 1]})" if enough else "more than there are"
            parts.append(f"{name} {told}")
    return f"votes of {members} that an answer needs, else it is null: {', '.join(parts)}"
