"""Which golden cases a prompt shows, and how: few, short, and as different from each other as they come."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiled_ai.canonical import canonical_json
from compiled_ai.library.fingerprints import fingerprint, likeness
from compiled_ai.spec.model import FunctionStep, GoldenCase, Output, Parameter

MOST_CHARACTERS = 12_000
"""Of all shown inputs of one prompt together (about 3,500 tokens)."""
MOST_CASES = 6
SMALL = 600
"""A text longer than this is a document: its runs of spaces are shortened."""
_MOST_CONSIDERED = 200


@dataclass(frozen=True)
class ShownCase:
    """One case as one function sees it."""

    id: str
    given: Mapping[str, str]
    """Parameter identifier to the text that is shown of its value."""
    expected: Mapping[str, Any]
    """JSON of the result's fields that the case states; of the workflow's outputs where `whole` is true."""
    whole: bool = False
    shortened: bool = False
    """True if a long text was cut in the middle."""

    @property
    def characters(self) -> int:
        return sum(len(text) for text in self.given.values())


def choose_cases(
    step: FunctionStep,
    cases: Sequence[GoldenCase],
    outputs: Sequence[Output],
    *,
    most_characters: int = MOST_CHARACTERS,
) -> tuple[ShownCase, ...]:
    """Returns the cases that together resemble all others most, within the number and size that a prompt may have."""
    seen = [shown for case in cases[:_MOST_CONSIDERED] if (shown := as_shown(step, case, outputs)) is not None]
    if not seen:
        return ()
    cut = [_shortened(shown, most_characters // min(MOST_CASES, len(seen))) for shown in seen]
    return tuple(cut[index] for index in _most_telling(cut, MOST_CASES, most_characters))


def choose_by_layout(
    step: FunctionStep,
    cases: Sequence[GoldenCase],
    outputs: Sequence[Output],
    turn: int,
    *,
    most_characters: int = MOST_CHARACTERS,
) -> tuple[ShownCase, ...]:
    """Returns cases of as many layouts as fit, the most frequent layouts first; each `turn` takes other cases of them.

    A layout is a cluster of cases whose fingerprints are alike (single linkage).
    """
    known = [(case, shown) for case in cases[:_MOST_CONSIDERED] if (shown := as_shown(step, case, outputs)) is not None]
    if not known:
        return ()
    clusters = _layouts([_fingerprint(step, case) for case, _ in known])
    share, left, chosen = most_characters // min(MOST_CASES, len(known)), most_characters, list[ShownCase]()
    for round_ in range(max(map(len, clusters))):
        for cluster in clusters:
            if round_ >= len(cluster) or len(chosen) == MOST_CASES:
                continue
            shown = _shortened(known[cluster[(round_ + turn) % len(cluster)]][1], share)
            if shown.characters <= left:
                chosen.append(shown)
                left -= shown.characters
    return tuple(chosen)


_ALIKE = 0.5


def _fingerprint(step: FunctionStep, case: GoldenCase) -> frozenset[int]:
    return frozenset().union(*(fingerprint(_value_of(step, each, case)) for each in step.parameters))


def _layouts(prints: Sequence[frozenset[int]]) -> list[list[int]]:
    """Clusters of positions, the largest first."""
    clusters: list[list[int]] = []
    for index, own in enumerate(prints):
        near = [each for each in clusters if any(likeness(own, prints[other]) >= _ALIKE for other in each)]
        clusters = [each for each in clusters if each not in near]
        clusters.append(sorted([index, *(other for each in near for other in each)]))
    return sorted(clusters, key=lambda each: (-len(each), each))


def _most_telling(shown: Sequence[ShownCase], most: int, budget: int) -> list[int]:
    """Greedy facility location: each choice is the case that the others, so far unlike any chosen, resemble most."""
    words = [_vocabulary(case) for case in shown]
    likeness = [[_jaccard(one, other) for other in words] for one in words]
    best = [0.0] * len(shown)
    chosen: list[int] = []
    while len(chosen) < most:
        left = budget - sum(shown[index].characters for index in chosen)
        fitting = [i for i in range(len(shown)) if i not in chosen and shown[i].characters <= left]
        if not fitting:
            break
        gains = {i: _gain(likeness[i], best) * (0.7 if shown[i].shortened else 1.0) for i in fitting}
        pick = max(fitting, key=lambda i: (gains[i], -shown[i].characters, -i))
        chosen.append(pick)
        best = [max(old, new) for old, new in zip(best, likeness[pick], strict=True)]
    return chosen


def _gain(likeness: Sequence[float], best: Sequence[float]) -> float:
    return sum(max(0.0, new - old) for new, old in zip(likeness, best, strict=True))


def _vocabulary(case: ShownCase) -> frozenset[str]:
    """Words of the inputs, and which results are stated: cases with and without a value differ."""
    words = frozenset(re.findall(r"[^\W\d_]{3,}", " ".join(case.given.values()).lower()))
    return words | {f"{name}={value is None}" for name, value in case.expected.items()}


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0


def as_shown(step: FunctionStep, case: GoldenCase, outputs: Sequence[Output]) -> ShownCase | None:
    """Returns a case as the step's function sees it, or None if the case does not state what the function is given."""
    given: dict[str, str] = {}
    for parameter in step.parameters:
        found = _value_of(step, parameter, case)
        if found is _MISSING:
            return None
        given[parameter.identifier] = shown_value(found)
    own = {
        output.source.split(".", 1)[1]: case.expected[output.field.name]
        for output in outputs
        if output.source.startswith(f"{step.name}.") and output.field.name in case.expected
    }
    if own and step.for_each is None:
        return ShownCase(case.id, given, own)
    return ShownCase(case.id, given, dict(case.expected), whole=True)


_MISSING = object()


def _value_of(step: FunctionStep, parameter: Parameter, case: GoldenCase) -> Any:
    head, *path = parameter.source.split(".")
    if step.for_each is not None and head in ("item", step.for_each.item):
        items = _value_of(step, step.for_each.source, case)
        value = items[0] if isinstance(items, (list, tuple)) and items else _MISSING
    elif head == "inputs":
        value = case.input
    else:
        value = case.effects.get(head, _MISSING)
    for name in path:
        if value is _MISSING or not isinstance(value, Mapping):
            return None if value is None else _MISSING
        value = value.get(name) if head == "inputs" else value.get(name, _MISSING)
    return value


def shown_value(value: Any) -> str:
    """Returns the text that stands for a value: runs of spaces and blank lines in long texts are shortened."""
    if isinstance(value, str):
        return _narrowed(value) if len(value) > SMALL else value
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, (list, tuple)) for item in value):
        return "\n".join(canonical_json(item) for item in value)
    return canonical_json(value)


def _narrowed(text: str) -> str:
    lines = [re.sub(r" {4,}", "    ", line.rstrip()) for line in text.replace("\f", "\n").splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _shortened(case: ShownCase, most: int) -> ShownCase:
    if case.characters <= most:
        return case
    share = most / case.characters
    given = {name: _cut(text, max(200, int(len(text) * share) - 60)) for name, text in case.given.items()}
    return ShownCase(case.id, given, case.expected, case.whole, shortened=True)


def _cut(text: str, most: int) -> str:
    """Keeps the beginning (two thirds) and the end of a text, at line breaks where there are any."""
    if len(text) <= most:
        return text
    head = text[: most * 2 // 3].rsplit("\n", 1)[0]
    tail = text[len(text) - most // 3 :].split("\n", 1)[-1]
    return f"{head}\n[... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"
