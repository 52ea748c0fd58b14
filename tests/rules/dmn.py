"""Reads decision models of the DMN compatibility kit, as far as its level 2 goes; for tests only."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rule_support import MARK

from compiled_ai.library.types import Field, FieldType, Kind
from compiled_ai.spec.rules import Parsed, Scope, parse_logic
from compiled_ai.spec.rules.ast import Place
from compiled_ai.spec.rules.tables import Grid, GridCell, TableText, parse_table

_KINDS: Mapping[str, Kind] = {"string": "text", "number": "decimal", "boolean": "boolean"}


def models_folder() -> Path | None:
    data = os.environ.get("COMPILED_AI_DATA")
    root = Path(data) if data else Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = root / "dmn_tck" / "compliance-level-2"
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Case:
    id: str
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]


class Model:
    """One `.dmn` file: its inputs as fields, each decision parsed by our own front end."""

    def __init__(self, path: Path) -> None:
        self.root = _plain(ET.parse(path).getroot())
        self.types = {item.get("name"): item for item in self.root.findall("itemDefinition")}
        self.fields = {
            _spaced(item.get("name") or ""): self._type(_variable(item)) for item in self.root.findall("inputData")
        }
        self.scope = Scope(self.fields)

    def _type(self, name: str | None) -> FieldType:
        plain = (name or "").rpartition(":")[2]
        if plain in _KINDS:
            return FieldType(_KINDS[plain], optional=True)
        item = self.types.get(plain)
        if item is None:
            return FieldType("text", optional=True)
        parts = item.findall("itemComponent")
        if not parts:
            return self._type(item.findtext("typeRef"))
        fields = tuple(Field(n, n, self._type(p.findtext("typeRef"))) for p in parts if (n := p.get("name") or ""))
        return FieldType("object", optional=True, fields=fields, class_name=plain)

    def decision(self, name: str) -> Parsed[Any]:
        """Returns a decision, parsed and checked."""
        decision = next(item for item in self.root.findall("decision") if item.get("name") == name)
        expression = decision.find("literalExpression")
        if expression is not None:
            return parse_logic(self._inlined(expression.findtext("text") or ""), scope=self.scope, mark=MARK)
        table = decision.find("decisionTable")
        assert table is not None, name
        return parse_table(self._table(table), scope=self.scope)

    def _inlined(self, text: str) -> str:
        """Writes out the models that an expression calls: a function is its body with the arguments in place."""
        for model in self.root.findall("businessKnowledgeModel"):
            logic = model.find("encapsulatedLogic")
            assert logic is not None
            names = [parameter.get("name") or "" for parameter in logic.findall("formalParameter")]
            found = re.search(rf"\b{model.get('name')}\(([^()]*)\)", text)
            if found:
                given = dict(zip(names, (one.strip() for one in found.group(1).split(",")), strict=True))
                body = logic.findtext("literalExpression/text") or ""
                for name, argument in given.items():
                    body = re.sub(rf"\b{name}\b", f"({argument})", body)
                text = f"{text[: found.start()]}({body}){text[found.end() :]}"
        return text

    def _table(self, table: ET.Element) -> TableText:
        inputs = [item.findtext("inputExpression/text") or "" for item in table.findall("input")]
        outputs = table.findall("output")
        names = [item.get("name") or "outcome" for item in outputs]
        values = [item.findtext("outputValues/text") or "" for item in outputs]
        labels = [f"in {number}" for number in range(len(inputs))]
        rows = [
            tuple(
                _cell(entry.findtext("text") or "")
                for entry in [*row.findall("inputEntry"), *row.findall("outputEntry")]
            )
            for row in table.findall("rule")
        ]
        default = {
            name: entry.findtext("text") or ""
            for name, item in zip(names, outputs, strict=True)
            if (entry := item.find("defaultOutputEntry")) is not None
        }
        aggregation = {"SUM": "sum", "MIN": "min", "MAX": "max", "COUNT": "count"}.get(
            table.get("aggregation") or "", ""
        )
        return TableText(
            name="table",
            grid=Grid("model.dmn", tuple(_cell(name) for name in [*labels, *names]), tuple(rows)),
            mark=MARK,
            inputs=dict(zip(labels, inputs, strict=True)),
            outputs={name: _listed(text) for name, text in zip(names, values, strict=True)},
            hit_policy=f"{table.get('hitPolicy') or 'UNIQUE'} {aggregation}".strip(),
            default=default,
        )


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*-test-*.xml")):
        for case in _plain(ET.parse(path).getroot()).findall("testCase"):
            inputs = {_spaced(node.get("name") or ""): _value(node) for node in case.findall("inputNode")}
            expected = {
                node.get("name") or "": _value(found)
                for node in case.findall("resultNode")
                if (found := node.find("expected")) is not None
            }
            yield Case(f"{path.stem}-{case.get('id')}", inputs, expected)


_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _value(node: ET.Element) -> Any:
    listed = node.find("list")
    if listed is not None:
        return [_value(item) for item in listed.findall("item")]
    parts = node.findall("component")
    if parts:
        return {part.get("name"): _value(part) for part in parts}
    value = node.find("value")
    if value is None or value.get(_NIL) == "true":
        return None
    kind = (value.get(_TYPE) or "").rpartition(":")[2]
    text = value.text or ""
    return text == "true" if kind == "boolean" else Decimal(text) if kind in ("decimal", "double", "integer") else text


def _plain(root: ET.Element) -> ET.Element:
    """Drops namespaces from the names of elements."""
    for item in root.iter():
        item.tag = item.tag.rpartition("}")[2]
    return root


def _variable(item: ET.Element) -> str | None:
    variable = item.find("variable")
    return variable.get("typeRef") if variable is not None else None


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _cell(text: str) -> GridCell:
    return GridCell(text, Place(1, 1))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()
