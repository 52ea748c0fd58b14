"""What tests of rules share: a rule compiled and run, the same rule interpreted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any

from compiled_ai.library import rules as library
from compiled_ai.library.types import FieldType
from compiled_ai.library.values import NUMBERS, YearsMonths, number
from compiled_ai.spec.model import Check, Mark, Parameter, RuleStep
from compiled_ai.spec.names import RULE_NAMES, Names
from compiled_ai.spec.rules import (
    DecisionTable,
    Parsed,
    Scope,
    emit_check,
    emit_rule,
    interpret_expression,
    interpret_logic,
    interpret_table,
    parse_condition,
    parse_logic,
)

MARK = Mark("rules.yaml", 1, 1)
PRELUDE: dict[str, Any] = {
    "Any": Any,
    "Decimal": Decimal,
    "YearsMonths": YearsMonths,
    "date": date,
    "datetime": datetime,
    "number": number,
    "time": time,
    "timedelta": timedelta,
    **{name: getattr(library, name) for name in library.__all__},
}


def rule_step(parsed: Parsed[Any], scope: Scope) -> RuleStep:
    """Makes the step that the loader would make."""
    names = Names(RULE_NAMES)
    parameters = tuple(Parameter(f"inputs.{key}", names.identifier(key), scope.fields[key]) for key in parsed.reads)
    return RuleStep(
        name="decide",
        identifier="decide",
        class_name="Decide",
        mark=MARK,
        result=parsed.result,
        parameters=parameters,
        logic=parsed.node,
        source_text="",
        logic_mark=MARK,
    )


@dataclass
class Both:
    """A rule in its two forms; `run` asks both and returns what they agree on."""

    source: str
    compiled: Callable[[Mapping[str, Any]], dict[str, Any] | None]
    interpreted: Callable[[Mapping[str, Any]], dict[str, Any] | None]

    def run(self, **values: Any) -> dict[str, Any] | None:
        with localcontext(NUMBERS):
            one, other = self.compiled(values), self.interpreted(values)
        assert one == other and _kinds(one) == _kinds(other), f"{one} compiled, {other} interpreted\n{self.source}"
        return one


def _kinds(result: dict[str, Any] | None) -> list[type]:
    return [type(value) for value in (result or {}).values()]


def both(parsed: Parsed[Any], scope: Scope, tables: Mapping[str, Any] | None = None) -> Both:
    """Compiles what was parsed; fails with its findings if it has errors."""
    assert parsed.node is not None, [str(finding) for finding in parsed.findings]
    step = rule_step(parsed, scope)
    source = emit_rule(step)
    made = dataclasses.make_dataclass(
        "Decide", [(field.identifier, Any) for field in step.result], frozen=True, slots=True
    )
    space: dict[str, Any] = {**PRELUDE, "Decide": made}
    space.update({table.name.upper(): table for table in (tables or {}).values()})
    exec(compile(source, "<rule>", "exec"), space)
    function = space["decide"]
    kinds = [(parameter.source.removeprefix("inputs."), parameter.type) for parameter in step.parameters]

    def run(values: Mapping[str, Any]) -> dict[str, Any] | None:
        found = function(*(_argument(values[key], kind) for key, kind in kinds))
        return None if found is None else {f.name: getattr(found, f.identifier) for f in step.result}

    node = parsed.node
    interpret = interpret_table if isinstance(node, DecisionTable) else interpret_logic
    return Both(source, run, lambda values: interpret(node, values, tables))


def _argument(value: Any, kind: FieldType) -> Any:
    return number(value) if kind.kind in ("integer", "float", "decimal", "money") else value


def rule(text: str, fields: Mapping[str, FieldType], tables: Mapping[str, Any] | None = None) -> Both:
    scope = Scope(fields)
    return both(parse_logic(text, scope=scope, mark=MARK), scope, tables)


def holds(text: str, fields: Mapping[str, FieldType], **values: Any) -> bool:
    """Whether a condition is TRUE, compiled; fails where the interpreter says something else."""
    parsed = parse_condition(text, scope=Scope(fields), mark=MARK)
    assert parsed.node is not None, [str(finding) for finding in parsed.findings]
    names = {key: f"v{index}" for index, key in enumerate(fields)}
    code = emit_check(Check(text, parsed.node, (), MARK), names)
    space = {**PRELUDE, **{names[key]: _argument(values[key], kind) for key, kind in fields.items()}}
    with localcontext(NUMBERS):
        compiled = bool(eval(code, space))
        interpreted = interpret_expression(parsed.node, values)
    assert compiled is (interpreted is True), (code, compiled, interpreted)
    return compiled
