"""What a step can read: inputs and the results of other steps, dotted, and flat where that is unique."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from compiled_ai.errors import suggest
from compiled_ai.library.types import Field, FieldType
from compiled_ai.spec.findings import quote
from compiled_ai.spec.model import Parameter
from compiled_ai.spec.names import RULE_NAMES, Names, snake_case
from compiled_ai.spec.rules.ast import Name


@dataclass(frozen=True)
class Visible:
    """One thing that can be read."""

    source: str
    """Dotted, as in `Parameter.source`."""
    type: FieldType
    name: str = ""
    """What the author calls it, where that is not the last word of `source`."""


@dataclass(frozen=True)
class Group:
    """Fields with a common first name: the inputs, or the result of one step."""

    name: str
    fields: tuple[Field, ...]
    class_name: str = ""
    skipped: bool = False
    """The step has a `when`: each of its fields can be null."""
    listed: bool = False
    """The step runs for each item: it yields a list of results."""

    def visible(self) -> dict[str, Visible]:
        """Returns what the group offers, by dotted key."""
        if self.listed:
            whole = FieldType("list", items=FieldType("object", fields=self.fields, class_name=self.class_name))
            parts = {f"{self.name}.{f.name}": FieldType("list", items=f.type) for f in self.fields}
            offered = {self.name: whole, **parts}
        else:
            offered = {f"{self.name}.{f.name}": f.type for f in self.fields}
        return {key: Visible(key, kind.as_optional() if self.skipped else kind) for key, kind in offered.items()}


@dataclass(frozen=True)
class Reach:
    """Every key that an author may write in one place, and those that would mean two things."""

    keys: Mapping[str, Visible]
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Flat key to the dotted keys that it could mean."""

    def types(self) -> dict[str, FieldType]:
        return {key: visible.type for key, visible in self.keys.items()}

    def find(self, key: str) -> Visible | None:
        """Returns what a key means, following dots into objects."""
        if key in self.keys:
            return self.keys[key]
        head, dot, last = key.rpartition(".")
        above = self.find(head) if dot else None
        if above is None or above.type.kind != "object":
            return None
        inner = next((each for each in above.type.fields if each.name == last), None)
        if inner is None:
            return None
        kind = inner.type.as_optional() if above.type.optional else inner.type
        return Visible(f"{above.source}.{last}", kind)

    def unknown(self, key: str) -> str:
        """Returns the message for a key that means nothing here, or two things."""
        if key in self.ambiguous:
            choices = " or ".join(repr(choice) for choice in self.ambiguous[key])
            return f"{quote(key)} could mean several fields. Write {choices}."
        near = [name for name in self.keys if name not in CLOCKS and ("." in name) == ("." in key)] or list(self.keys)
        return f"Nobody produces {quote(key)}.{suggest(key, near, show=12)}"


CLOCKS = {
    "today()": Visible("today()", FieldType("date"), "today"),
    "now()": Visible("now()", FieldType("datetime"), "now"),
}
"""What a rule reads like a field, though it is an effect."""


def reach(groups: Iterable[Group], item: tuple[str, FieldType] | None = None, *, clocks: bool = False) -> Reach:
    """Joins groups into what can be read; `item` is the item of a `for_each`."""
    keys: dict[str, Visible] = dict(CLOCKS) if clocks else {}
    flat: dict[str, list[Visible]] = {}
    for group in groups:
        offered = group.visible()
        keys.update(offered)
        for each in () if group.listed else group.fields:
            flat.setdefault(each.name, []).append(offered[f"{group.name}.{each.name}"])
    if item is not None:
        keys[item[0]] = Visible("item", item[1], item[0])
    ambiguous = {name: tuple(one.source for one in found) for name, found in flat.items() if len(found) > 1}
    for name, found in flat.items():
        if len(found) == 1:
            keys.setdefault(name, found[0])
    return Reach(keys, ambiguous)


def parameters(found: Sequence[Visible]) -> tuple[Parameter, ...]:
    """Returns one parameter for each source, named by its last word, or by all of them where that is not unique."""
    distinct = list({visible.source: visible for visible in found}.values())
    last = [snake_case(visible.name or visible.source.rpartition(".")[2]) for visible in distinct]
    names = Names(RULE_NAMES)
    result: list[Parameter] = []
    for visible, short in zip(distinct, last, strict=True):
        wanted = short if last.count(short) == 1 else visible.source.replace(".", " ")
        result.append(Parameter(visible.source, names.identifier(wanted, spare="_value"), visible.type))
    return tuple(result)


def with_sources(node: Any, sources: Mapping[str, str]) -> Any:
    """Returns a rule's tree in which every name is the dotted source that it means, however the author wrote it."""
    if isinstance(node, Name) and not node.local:
        return replace(node, key=sources.get(node.key, node.key))
    if isinstance(node, tuple):
        return tuple(with_sources(part, sources) for part in node)
    if is_dataclass(node) and not isinstance(node, type) and type(node).__module__.endswith("rules.ast"):
        changed = {each.name: with_sources(getattr(node, each.name), sources) for each in fields(node)}
        return replace(node, **changed)
    return node
