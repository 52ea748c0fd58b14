"""Steps as far as they can be read alone: names, kinds, declared results. `steps.py` joins them into a flow."""

from __future__ import annotations

from dataclasses import dataclass

from compiled_ai.library.types import Field
from compiled_ai.spec.findings import quote
from compiled_ai.spec.keys import STEP_KINDS
from compiled_ai.spec.model import Mark
from compiled_ai.spec.names import RULE_NAMES, Names, snake_case
from compiled_ai.spec.reach import Group
from compiled_ai.spec.reading import Notes, records, scalar, text
from compiled_ai.spec.types import TypeReader
from compiled_ai.spec.yaml_source import Fields, Items, Node, Scalar

RESERVED = ("inputs", "outputs", "item")
"""First words of dotted names that mean something else than a step."""


@dataclass
class Draft:
    """One step on its way."""

    node: Fields
    path: str
    index: int
    name: str
    kind: str
    mark: Mark
    identifier: str
    class_name: str
    result: tuple[Field, ...] | None
    """None until a rule without `schema` is read, and for good where the step is broken."""
    declared: bool

    def group(self) -> Group:
        return Group(
            self.name,
            self.result or (),
            self.class_name,
            skipped=self.node.get("when") is not None,
            listed=self.node.get("for_each") is not None,
        )


def read_drafts(node: Node | None, key: str, inputs: tuple[Field, ...], notes: Notes, classes: Names) -> list[Draft]:
    """Returns the steps in the author's order, each with a name of its own."""
    named = _named(node, inputs, notes)
    taken = {f"check_{snake_case(name.text)}" for _, _, name in named}
    names = Names(taken | RULE_NAMES)
    drafts: list[Draft] = []
    for index, step, name in named:
        identifier = names.identifier(name.text, empty="step", spare="_step")
        class_name = classes.class_name(name.text)
        kind = text(step, "type") or ""
        drafts.append(
            Draft(step, f"{key}[{index}]", index, name.text, kind, name.mark, identifier, class_name, None, False)
        )
    reader = TypeReader(notes.findings, classes)
    for draft in drafts:
        schema = draft.node.get("returns" if draft.kind == "call" else "schema")
        if schema is not None:
            draft.result = reader.fields(schema, draft.class_name)
            draft.declared = True
            if not draft.result and isinstance(schema, (Fields, Items)):
                notes.findings.add(
                    "empty", f"Step {quote(draft.name)} yields no field. Declare at least one.", schema.mark
                )
                draft.result = None
    return drafts


def _named(node: Node | None, inputs: tuple[Field, ...], notes: Notes) -> list[tuple[int, Fields, Scalar]]:
    found: list[tuple[int, Fields, Scalar]] = []
    for index, step in records(node):
        name = scalar(step, "step")
        if name is None or text(step, "type") not in STEP_KINDS:
            continue
        first = next((other for _, _, other in found if other.text == name.text), None)
        if name.text in RESERVED:
            message = f"Step {quote(name.text)} has a name that means something else. Rename it; reserved: "
            notes.findings.add("reserved_name", message + ", ".join(RESERVED) + ".", name.mark)
        elif any(field.name == name.text for field in inputs):
            notes.findings.add(
                "duplicate_name", f"Step {quote(name.text)} has the name of an input. Rename one of them.", name.mark
            )
        elif first is not None:
            message = f"Step {quote(name.text)} is declared twice, first in line {first.mark.line}. Rename one of them."
            notes.findings.add("duplicate_name", message, name.mark)
        else:
            found.append((index, step, name))
    return found
