"""Which layouts an artifact was validated on: learned from the golden cases where it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiled_ai.errors import SpecError
from compiled_ai.library.fingerprints import Layouts, fingerprint
from compiled_ai.library.types import FieldType
from compiled_ai.pools import group_keys
from compiled_ai.spec.model import FunctionStep, WorkflowSpec

LEAST_CASES = 5
"""Fewer documents than this teach no layouts."""


def learn_layouts(spec: WorkflowSpec) -> dict[str, dict[str, Any]]:
    """Returns for each function that reads a document the layouts of the golden cases, and what to do about others.

    The first text or list of boxes among a function's inputs is its document. Empty where `limits.unfamiliar` is
    `accept`.

    Raises:
        SpecError: the specification asks for it, and too few golden cases hold a document.
    """
    if spec.limits.unfamiliar == "accept":
        return {}
    found = {}
    for step in spec.steps:
        document = _document(step) if isinstance(step, FunctionStep) else None
        if document is not None:
            found[step.name] = {"document": document, "unfamiliar": spec.limits.unfamiliar, **_learned(spec, document)}
    return found


def _document(step: FunctionStep) -> str | None:
    """The name of the input that the step reads as its document."""
    for parameter in step.parameters:
        head, _, name = parameter.source.partition(".")
        if head == "inputs" and "." not in name and step.for_each is None and _is_document(parameter.type):
            return name
    return None


def _is_document(kind: FieldType) -> bool:
    return kind.kind == "text" or (kind.kind == "list" and kind.items is not None and kind.items.kind == "box")


def _learned(spec: WorkflowSpec, document: str) -> Mapping[str, Any]:
    cases = [case for case in (*spec.examples, *spec.golden) if case.input.get(document) is not None]
    if len(cases) < LEAST_CASES:
        raise SpecError(
            f"{spec.file}: limits.unfamiliar is {spec.limits.unfamiliar!r}, and {len(cases)} golden cases hold a "
            f"{document!r}; at least {LEAST_CASES} are needed to know a layout. Add golden cases, or write accept."
        )
    keys = group_keys(cases)
    prints = [fingerprint(case.input[document]) for case in cases]
    return Layouts.of(prints, [keys[case.id] for case in cases]).to_json()
