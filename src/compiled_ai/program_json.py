"""`program.json`: what the runtime is told of an assembled module, its types and its steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from compiled_ai.library.types import Field, FieldType, type_to_json
from compiled_ai.spec.model import (
    BoundedStep,
    CallStep,
    FunctionStep,
    Metric,
    RuleStep,
    Step,
    WorkflowSpec,
)

INTERFACE = 1
"""Number of the contract between an artifact and the runtime; raised when old artifacts would misbehave."""

KINDS: Mapping[type[Step], str] = {
    RuleStep: "rule",
    FunctionStep: "function",
    BoundedStep: "bounded",
    CallStep: "call",
}


def program_of(
    spec: WorkflowSpec,
    template_name: str,
    pack_reasons: Mapping[str, Sequence[str]],
    sinks: Mapping[str, str],
    committees: Mapping[str, Mapping[str, Any]],
    layouts: Mapping[str, Mapping[str, Any]],
    reading: Collection[str],
    brought: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Returns the content of `program.json` (`assemble` says what each argument is)."""
    outputs = tuple(output.field for output in spec.outputs)
    return {
        "interface": INTERFACE,
        "workflow": spec.slug,
        "name": spec.name,
        "version": spec.version,
        "template": template_name,
        "input": type_to_json(FieldType("object", fields=spec.inputs, class_name="Input")),
        "output": type_to_json(FieldType("object", fields=outputs, class_name="Output")),
        "reference": list(spec.reference),
        "packs": [pack.name for pack in spec.packs],
        "sinks": dict(sinks),
        "steps": [
            _program_step(step, pack_reasons.get(step.name, ()), spec, brought)
            | ({"evidence": True} if step.name in reading else {})
            | ({"committee": dict(committees[step.name])} if step.name in committees else {})
            | ({"layouts": dict(layouts[step.name])} if step.name in layouts else {})
            for step in spec.steps
        ],
        "accuracy": {name: _metric(metric) for name, metric in spec.accuracy.fields.items()},
        "output_sources": {output.field.name: output.source for output in spec.outputs},
    }


def _metric(metric: Metric) -> dict[str, Any]:
    told: dict[str, Any] = {"metric": metric.metric, "threshold": metric.threshold}
    return told if metric.tolerance is None else {**told, "tolerance": metric.tolerance}


def _program_step(
    step: Step, reasons: Sequence[str], spec: WorkflowSpec, brought: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": step.name,
        "kind": KINDS[type(step)],
        "class_name": step.class_name,
        "result": type_to_json(FieldType("object", fields=step.result, class_name=step.class_name)),
        "for_each": step.for_each is not None,
        "on_failure": step.on_failure,
        "fallback": dict(step.fallback) if step.fallback is not None else None,
        "line": step.mark.line,
        "packs": list(reasons),
    }
    if isinstance(step, BoundedStep):
        described |= {
            "prompt": _instructions(step),
            "model": step.model,
            "attempts": step.attempts,
            "max_tokens": step.max_tokens,
            "timeout_seconds": step.timeout_seconds,
        }
    if isinstance(step, CallStep):
        described |= _program_call(step, spec)
        if step.module in brought:
            described["provider"] = dict(brought[step.module])
    return described


def _program_call(step: CallStep, spec: WorkflowSpec) -> dict[str, Any]:
    arguments = {
        name: {"source": parameter.source, "type": type_to_json(parameter.type)}
        for name, parameter in step.arguments.items()
    }
    allow = next((each.allow for each in spec.connections if each.name == step.settings.get("connection")), {})
    return {
        "module": step.module,
        "settings": dict(step.settings),
        "allow": dict(allow),
        "arguments": arguments,
        "on_none": step.on_none,
        "on_many": step.on_many,
    }


def _instructions(step: BoundedStep) -> str:
    given = step.instructions or step.description
    if given:
        return given.strip()
    fields: list[Field] = list(step.result)
    listed = ", ".join(each.name for each in fields)
    return f"Read these values from the material: {listed}. Answer only what the material states."
