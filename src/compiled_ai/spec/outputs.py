"""What a run yields, how each output is compared with its golden value, and which outcomes are a denial."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import cast

from compiled_ai.errors import suggest
from compiled_ai.library.agreement import MetricName
from compiled_ai.library.types import Field, FieldType
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.keys import METRICS
from compiled_ai.spec.model import Accuracy, BoundedStep, FunctionStep, Mark, Metric, Output
from compiled_ai.spec.names import Names
from compiled_ai.spec.reach import Group, Reach, Visible, reach
from compiled_ai.spec.reading import Notes, number, scalar, scalars, text
from compiled_ai.spec.steps import AnyStep
from compiled_ai.spec.types import TypeReader
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar

_METRICS_OF: dict[str, tuple[MetricName, ...]] = {
    "text": ("text", "exact"),
    "string": ("text", "exact"),
    "integer": ("number", "exact"),
    "decimal": ("number", "exact"),
    "float": ("number", "exact"),
    "money": ("money", "number", "exact"),
    "date": ("date", "exact"),
    "datetime": ("exact", "date"),
    "list": ("set", "exact"),
}
"""Metrics that a kind admits, the default first; every other kind is compared exactly."""
_DENIAL = re.compile(r"(DENY|DENIED|DENIAL|REJECT(ED|ION)?|DECLIN(E|ED)|REFUS(E|ED|AL)|DISALLOW(ED)?|INELIGIBLE)")
_NOT_GRANTED = re.compile(r"NOT_(COVERED|APPROVED|ELIGIBLE|AUTHORI[SZ]ED|MEDICALLY_NECESSARY)")
MODEL_THRESHOLD = Decimal("0.9")


def read_outputs(
    node: Node | None, inputs: Group, steps: Sequence[AnyStep], notes: Notes, *, follows: Callable[[str], bool]
) -> tuple[Output, ...]:
    """Returns the outputs; without `outputs` they are the fields of the last step in the author's order.

    `follows` tells whether a name is unknown because something else is wrong.
    """
    if node is None:
        return _last_step(steps, notes)
    sight = reach([inputs, *(group_of(step) for step in steps)])
    reader = _OutputReader(sight, notes.findings, follows)
    return reader.all(node)


def group_of(step: AnyStep) -> Group:
    return Group(
        step.name, step.result, step.class_name, skipped=step.when is not None, listed=step.for_each is not None
    )


def _last_step(steps: Sequence[AnyStep], notes: Notes) -> tuple[Output, ...]:
    if not steps:
        return ()
    last = max(steps, key=lambda step: (step.mark.line, step.mark.column))
    visible = group_of(last).visible()
    if last.for_each is not None:
        visible = {last.name: visible[last.name]}
    names = Names()
    outputs = tuple(
        Output(Field(name, names.identifier(name), one.type), one.source)
        for one in visible.values()
        for name in [one.source.rpartition(".")[2]]
    )
    shown = ", ".join(output.field.name for output in outputs)
    notes.default("outputs", shown, f"no 'outputs' are listed: the fields of the last step, {last.name!r}", last.mark)
    return outputs


class _OutputReader:
    def __init__(self, sight: Reach, findings: Findings, follows: Callable[[str], bool]) -> None:
        self.sight = sight
        self.findings = findings
        self.follows = follows
        self.names = Names()
        self.found: dict[str, Output] = {}

    def all(self, node: Node) -> tuple[Output, ...]:
        if isinstance(node, Fields):
            for entry in node.entries:
                self._mapped(entry.key, entry.value)
        else:
            for item in node.items if isinstance(node, Items) else (node,):
                if isinstance(item, Scalar) and not item.is_null:
                    self._output(item, item.text.rpartition(".")[2], item, None)
                elif isinstance(item, Fields) and (name := scalar(item, "name")) is not None:
                    self._output(scalar(item, "from") or name, name.text, name, item)
        return tuple(self.found.values())

    def _mapped(self, key: Scalar, value: Node) -> None:
        if isinstance(value, Scalar) and not value.is_null:
            self._output(value, key.text, key, None)
        elif isinstance(value, Fields):
            self._output(scalar(value, "from") or key, key.text, key, value)

    def _output(self, source: Scalar, name: str, place: Scalar, about: Fields | None) -> None:
        visible = self.sight.find(source.text)
        if visible is None:
            if source.text in self.sight.ambiguous or not self.follows(source.text):
                self.findings.add("unknown_field", self.sight.unknown(source.text), source.mark)
            return
        if name in self.found:
            message = f"Output {quote(name)} is listed twice. Write {{name: ..., from: ...}} to tell them apart."
            self.findings.add("duplicate_name", message, place.mark)
            return
        self._check_type(visible, about)
        field = Field(name, self.names.identifier(name), visible.type, text(about, "description") or "")
        self.found[name] = Output(field, visible.source, place.mark)

    def _check_type(self, visible: Visible, about: Fields | None) -> None:
        declared = about.get("type") if about else None
        if declared is None:
            return
        wanted = TypeReader(Findings()).type(declared, "Output")
        if wanted.kind != visible.type.kind or (visible.type.optional and not wanted.optional):
            shown = f"{visible.type.kind}{'?' if visible.type.optional else ''}"
            message = f"{quote(visible.source)} is of type {shown!r}, not {wanted.kind!r}. Declare {shown!r}."
            self.findings.add("output_type", message, declared.mark)


# ---------------------------------------------------------------- accuracy


def metrics_of(kind: FieldType) -> tuple[MetricName, ...]:
    """Returns the metrics that a type admits, the default first."""
    if kind.kind == "list" and kind.items is not None and kind.items.kind == "object":
        return ("records", "exact")
    if kind.kind == "string" and (kind.enum or kind.pattern):
        return ("exact", "text")
    return _METRICS_OF.get(kind.kind, ("exact",))


def read_accuracy(node: Node | None, outputs: Sequence[Output], steps: Sequence[AnyStep], notes: Notes) -> Accuracy:
    """Returns a metric for each output; what the author left open follows from the type and is a listed default."""
    written = {entry.key.text: entry for entry in node.entries} if isinstance(node, Fields) else {}
    names = [output.field.name for output in outputs]
    for name, entry in written.items():
        if name not in names and name != "overall" and outputs:
            message = f"Accuracy speaks of {quote(name)}, which is no output.{suggest(name, [*names, 'overall'])}"
            notes.findings.add("unknown_field", message, entry.key.mark)
    reader = _MetricReader(steps, notes)
    fields = {
        output.field.name: reader.metric(
            output, written[output.field.name].value if output.field.name in written else None
        )
        for output in outputs
    }
    overall = written.get("overall")
    return Accuracy(fields, _overall(overall.value, notes) if overall and "overall" not in names else None)


def _overall(node: Node, notes: Notes) -> Decimal | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value <= 1:
        notes.findings.add("accuracy", "'accuracy.overall' must be a number between 0 and 1.", node.mark)
        return None
    return Decimal(value)


class _MetricReader:
    def __init__(self, steps: Sequence[AnyStep], notes: Notes) -> None:
        self.written_by_model = {step.name for step in steps if isinstance(step, (FunctionStep, BoundedStep))}
        self.notes = notes

    def metric(self, output: Output, node: Node | None) -> Metric:
        known = metrics_of(output.field.type)
        metric = self._name(output, node, known)
        threshold = number(node, "threshold")
        if threshold is None:
            threshold = self._threshold(output)
        tolerance = number(node, "tolerance")
        if tolerance is not None and metric not in ("number", "money"):
            message = f"'tolerance' applies to the metrics number and money, not to {metric!r}. Remove it."
            place = scalar(node, "tolerance")
            self.notes.findings.add("accuracy", message, (place or cast(Fields, node)).mark)
        return Metric(metric, threshold, tolerance)

    def _name(self, output: Output, node: Node | None, known: tuple[MetricName, ...]) -> MetricName:
        written = node if isinstance(node, Scalar) else scalar(node, "metric")
        if written is None:
            spoken = output.field.type.kind
            self._default(output, "metric", known[0], f"the metric of type {spoken}")
            return known[0]
        if written.text not in METRICS:
            message = f"Unknown metric {quote(written.text)}.{suggest(written.text, METRICS)}"
            self.notes.findings.add("choice", message, written.mark)
        elif written.text not in known:
            message = (
                f"Metric {quote(written.text)} does not compare type {output.field.type.kind!r}. "
                f"Known: {', '.join(known)}."
            )
            self.notes.findings.add("accuracy", message, written.mark)
        else:
            return written.text
        return known[0]

    def _threshold(self, output: Output) -> Decimal:
        if output.source.partition(".")[0] in self.written_by_model:
            self._default(output, "threshold", str(MODEL_THRESHOLD), "the value is found by code or answers of a model")
            return MODEL_THRESHOLD
        self._default(output, "threshold", "1", "the value follows from rules alone")
        return Decimal(1)

    def _default(self, output: Output, key: str, value: str, reason: str) -> None:
        self.notes.default(f"accuracy.{output.field.name}.{key}", value, reason, output.mark)


# ---------------------------------------------------------------- denials


def read_adverse(node: Node | None, steps: Sequence[AnyStep], pack: Mark | None, notes: Notes) -> tuple[str, ...]:
    """Returns the outcomes that count as a denial; by default the words of the enumerations that say so.

    `pack` is the place where CMS_Decision_Timeframes is named, if it is.
    """
    words = list(dict.fromkeys(word for step in steps for each in step.result for word in each.type.enum or ()))
    if node is not None:
        for one in scalars(node):
            if words and one.text not in words:
                message = f"No step yields the outcome {quote(one.text)}.{suggest(one.text, words)}"
                notes.findings.add("adverse_outcome", message, one.mark)
        return tuple(dict.fromkeys(one.text for one in scalars(node)))
    if pack is None:
        return ()
    found = tuple(word for word in words if is_denial(word))
    if not found:
        message = (
            "CMS_Decision_Timeframes applies, and no outcome is known to be a denial. "
            "List them in 'metadata.adverse_outcomes', or write [] if there are none."
        )
        notes.findings.add("adverse_outcome", message, pack)
    reason = "CMS_Decision_Timeframes: the words of the steps' enumerations that are a denial"
    notes.default("metadata.adverse_outcomes", ", ".join(found), reason, pack)
    return found


def is_denial(word: str) -> bool:
    """Whether a word of an enumeration says that something is not granted (`DENY`, `Rejected`, `not covered`)."""
    text = re.sub(r"[^A-Z]+", "_", word.upper())
    return any(_DENIAL.fullmatch(part) for part in text.split("_")) or _NOT_GRANTED.search(text) is not None
