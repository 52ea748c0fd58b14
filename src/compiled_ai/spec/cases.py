"""Golden cases and examples: from a JSONL file or from the specification, exact, each part fitting its type."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from compiled_ai.canonical import parse_json
from compiled_ai.errors import InputError, suggest
from compiled_ai.library.types import Field
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.keys import REVIEW_ACTIONS
from compiled_ai.spec.model import BoundedStep, CallStep, GoldenCase, Mark, Output
from compiled_ai.spec.reading import records
from compiled_ai.spec.steps import AnyStep
from compiled_ai.spec.values import Fitting, Misfit, json_fields, locate
from compiled_ai.spec.yaml_source import Fields, Items, Node, plain_value

MAX_GOLDEN_BYTES = 256_000_000
"""Largest golden file."""
_KEYS = ("id", "group", "input", "expected", "effects", "reviews")
_CLOCKS = ("today", "clock", "id")
"""Effects without a step of their own."""
_DECISION = ("action", "by", "reason", "value", "at")
Place = Callable[[str], Mark]
"""From a path within a case to its place in a file."""


@dataclass(frozen=True)
class _Raw:
    """One case as written, and where its parts stand."""

    value: Any
    place: Place


class CaseReader:
    """Checks cases against the inputs, outputs and steps of one specification."""

    def __init__(
        self, inputs: tuple[Field, ...], outputs: Sequence[Output], steps: Sequence[AnyStep], findings: Findings
    ) -> None:
        self.inputs = inputs
        self.outputs = tuple(output.field for output in outputs)
        self.steps = {step.name: step for step in steps}
        self.findings = findings
        self._input = Fitting(inputs)
        self._output = Fitting(self.outputs)
        self._results = {step.name: Fitting(step.result) for step in steps}
        self._answers = {step.name: Fitting(step.result, nullable=True) for step in steps}
        self._seen: dict[str, Mark] = {}

    def from_list(self, node: Items, kind: str) -> tuple[GoldenCase, ...]:
        """Returns the cases of a list in the specification; `kind` names one without an id (`example 1`)."""
        raws = [(index, _Raw(self._inline(item), partial(locate, item))) for index, item in records(node)]
        return tuple(case for index, raw in raws if (case := self._case(raw, f"{kind} {index + 1}")) is not None)

    def from_file(self, path: Path, shown: str) -> tuple[GoldenCase, ...]:
        """Returns the cases of a JSONL file; `shown` is how messages call the file."""
        return tuple(case for raw in self._lines(path, shown) if (case := self._case(raw, "")) is not None)

    def _add(self, message: str, mark: Mark) -> None:
        self.findings.add("case", message if not message.endswith("..") else message[:-1], mark)

    # ------------------------------------------------------------ reading

    def _lines(self, path: Path, shown: str) -> Iterator[_Raw]:
        start = Mark(shown, 1, 1)
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_GOLDEN_BYTES + 1)
        except OSError as fault:
            self._add(f"Cannot read the golden file {shown!r}: {fault.strerror or fault}. Give its path.", start)
            return
        if len(data) > MAX_GOLDEN_BYTES:
            self._add(f"The golden file is larger than {MAX_GOLDEN_BYTES:,} bytes. Take a sample.", start)
            return
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if line.strip():
                yield from self._line(line, Mark(shown, number, 1))

    def _line(self, line: bytes, mark: Mark) -> Iterator[_Raw]:
        try:
            value = parse_json(line.decode("utf-8"))
        except UnicodeDecodeError as fault:
            self._add("The line is not UTF-8. Save the file as UTF-8.", Mark(mark.file, mark.line, fault.start + 1))
        except InputError as fault:
            cause = fault.__cause__
            column, said = (cause.colno, cause.msg) if isinstance(cause, json.JSONDecodeError) else (1, str(cause))
            self._add(f"Not valid JSON: {said}. Write one case on each line.", Mark(mark.file, mark.line, column))
        else:
            yield _Raw(value, lambda _: mark)

    def _inline(self, node: Fields) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        for entry in node.entries:
            key, value = entry.key.text, entry.value
            if key in ("input", "expected"):
                raw[key] = json_fields(value, self.inputs if key == "input" else self.outputs)
            elif key in ("effects", "reviews") and isinstance(value, Fields):
                raw[key] = {one.key.text: self._inline_result(one.key.text, one.value) for one in value.entries}
            else:
                raw[key] = getattr(value, "text", None) if key in ("id", "group") else plain_value(value)
        return raw

    def _inline_result(self, step: str, node: Node) -> Any:
        result = self.steps[step].result if step in self.steps else ()
        if isinstance(node, Items):
            return [self._inline_result(step, item) for item in node.items]
        if isinstance(node, Fields) and node.get("action") is not None:
            return {
                entry.key.text: json_fields(entry.value, result)
                if entry.key.text == "value"
                else plain_value(entry.value)
                for entry in node.entries
            }
        return json_fields(node, result)

    # ------------------------------------------------------------ checking

    def _case(self, raw: _Raw, default_id: str) -> GoldenCase | None:
        value = raw.value
        start = raw.place("")
        if not isinstance(value, dict):
            self._add("A case is an object {id, input, expected}.", start)
            return None
        for key in value:
            if key not in _KEYS:
                self._add(f"Unknown key {quote(key)} in a case.{suggest(str(key), _KEYS)}", start)
        name = value.get("id") or default_id
        for key in ("input", "expected"):
            if not isinstance(value.get(key), dict):
                self._add(f"Key {key!r} is missing in a case, or no object. Write {{id, input, expected}}.", start)
                return None
        if not self._names(value, name, raw):
            return None
        self._fits("input", self._input.whole(value["input"]), raw)
        if not value["expected"]:
            self._add(f"Case {quote(name)} expects nothing. Name at least one output.", raw.place("expected"))
        self._fits("expected", self._output.some(value["expected"]), raw)
        effects, reviews = self._object("effects", raw), self._object("reviews", raw)
        self._check_effects(effects, raw)
        self._check_reviews(reviews, raw)
        return GoldenCase(name, value["input"], value["expected"], value.get("group"), effects, reviews)

    def _names(self, value: Mapping[str, Any], name: Any, raw: _Raw) -> bool:
        if not isinstance(name, str) or not name:
            self._add("Key 'id' is missing in a case, or no text. Give each case a name.", raw.place("id"))
            return False
        if not isinstance(value.get("group", ""), str):
            self._add(f"'group' must be text, not {quote(value['group'])}.", raw.place("group"))
            return False
        place = raw.place("id")
        if name in self._seen:
            first = self._seen[name]
            self._add(
                f"Case {quote(name)} is there twice, first in line {first.line}. Give each case its own id.", place
            )
        self._seen.setdefault(name, place)
        return True

    def _fits(self, path: str, misfits: Sequence[Misfit], raw: _Raw) -> None:
        for misfit in misfits:
            whole = f"{path}.{misfit.path}" if misfit.path and not misfit.path.startswith("[") else path + misfit.path
            self._add(f"{whole}: {misfit.message}.", raw.place(whole))

    def _object(self, key: str, raw: _Raw) -> dict[str, Any]:
        value = raw.value.get(key, {})
        if isinstance(value, dict):
            return value
        self._add(f"{key!r} must be an object from step to result, not {quote(value)}.", raw.place(key))
        return {}

    def _check_effects(self, effects: Mapping[str, Any], raw: _Raw) -> None:
        known = [name for name, step in self.steps.items() if isinstance(step, (BoundedStep, CallStep))]
        for name, result in effects.items():
            path = f"effects.{name}"
            if name in known:
                self._check_effect(self.steps[name], result, path, raw)
            elif name not in _CLOCKS:
                wrong = "has no effect" if name in self.steps else "is no step"
                self._add(f"{quote(name)} {wrong}.{suggest(name, [*known, *_CLOCKS])}", raw.place(path))

    def _check_effect(self, step: AnyStep, result: Any, path: str, raw: _Raw) -> None:
        many = step.for_each is not None or (isinstance(step, CallStep) and isinstance(result, list))
        if many and not isinstance(result, list):
            self._add(f"{path}: a step with 'for_each' has a list of results, one for each item.", raw.place(path))
            return
        for index, one in enumerate(result) if many else [(None, result)]:
            if isinstance(step, CallStep) and one is None:
                continue
            here = path if index is None else f"{path}[{index}]"
            self._fits(here, self._answers[step.name].whole(_without_unknown(one)), raw)

    def _check_reviews(self, reviews: Mapping[str, Any], raw: _Raw) -> None:
        for name, decision in reviews.items():
            path = f"reviews.{name}"
            if name not in self.steps:
                self._add(f"{quote(name)} is no step.{suggest(name, self.steps)}", raw.place(path))
                continue
            many = isinstance(decision, list) and self.steps[name].for_each is not None
            for index, one in enumerate(decision) if many else [(None, decision)]:
                self._check_decision(one, self._results[name], path if index is None else f"{path}[{index}]", raw)

    def _check_decision(self, decision: Any, fitting: Fitting, path: str, raw: _Raw) -> None:
        if not isinstance(decision, dict):
            self._add(f"{path}: a decision is an object {{action, by, reason, value?}}.", raw.place(path))
            return
        for key in decision:
            if key not in _DECISION:
                message = f"{path}: unknown key {quote(key)} in a decision.{suggest(str(key), _DECISION)}"
                self._add(message, raw.place(f"{path}.{key}"))
        action = decision.get("action")
        if action not in REVIEW_ACTIONS:
            message = f"{path}: unknown action {quote(action)}.{suggest(str(action), REVIEW_ACTIONS)}"
            self._add(message, raw.place(f"{path}.action"))
        for key in ("by", "reason"):
            if not isinstance(decision.get(key), str) or not decision[key]:
                self._add(f"{path}: key {key!r} is missing; a decision says who and why.", raw.place(path))
        if (action == "correct") != (decision.get("value") is not None):
            said = "needs 'value', the corrected result" if action == "correct" else "takes no 'value'"
            self._add(f"{path}: action {quote(action)} {said}.", raw.place(path))
        elif action == "correct":
            self._fits(f"{path}.value", fitting.whole(decision["value"]), raw)


def _without_unknown(answer: Any) -> Any:
    """An answer `unknown` is null, whatever the type of its field."""
    if not isinstance(answer, dict):
        return answer
    return {key: None if value == "unknown" else value for key, value in answer.items()}
